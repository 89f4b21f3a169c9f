//! Why a server does not start.

use crate::storage::StoreError;
use std::io::{Error, ErrorKind};

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database answered, and cannot be used as it is.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot listen on the address.
    #[error(
        "cannot listen on {address} ({keys}): {error}{}",
        instead(address, keys, error)
    )]
    Bind {
        /// `host:port`.
        address: String,
        /// The configuration keys that name it.
        keys: &'static str,
        /// What the system says.
        error: Error,
    },
    /// A file that the configuration names cannot be used.
    #[error("{0}")]
    Config(String),
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

/// What to do about an address on which nothing can listen.
fn instead(address: &str, keys: &str, error: &Error) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let other = match port.parse::<u16>().unwrap_or(0).checked_add(1) {
        Some(next) if next > 1024 => next,
        _ => 8881,
    };
    let (key, value) = match keys.rsplit_once(", ") {
        Some((_, port_alone)) => (port_alone, other.to_string()),
        None => (keys, format!("{host}:{other}")),
    };
    let choose = || {
        let variable = key.replace('.', "__").to_ascii_uppercase();
        format!("choose another {key}, for example ID_ALLOC__{variable}={value}")
    };
    match error.kind() {
        ErrorKind::AddrInUse => format!("; another program listens there: end it, or {}", choose()),
        ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need a right of their own: {}", choose())
        }
        _ => "; it must be an address of this machine, or the name of one".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_is_told_with_another_to_choose() {
        for (address, keys, todo) in [
            (
                "127.0.0.1:8880",
                "server.host, server.port",
                "another server.port, for example ID_ALLOC__SERVER__PORT=8881",
            ),
            (
                "[::1]:65535",
                "admin.bind",
                "another admin.bind, for example ID_ALLOC__ADMIN__BIND=[::1]:8881",
            ),
            (
                "0.0.0.0:80",
                "server.host, server.port",
                "another server.port, for example ID_ALLOC__SERVER__PORT=8881",
            ),
        ] {
            for kind in [ErrorKind::AddrInUse, ErrorKind::PermissionDenied] {
                let error = StartError::Bind {
                    address: address.to_owned(),
                    keys,
                    error: kind.into(),
                };
                let text = error.to_string();
                assert!(text.starts_with("cannot listen on "), "{text}");
                assert!(text.ends_with(todo), "{text}");
            }
        }
    }
}
