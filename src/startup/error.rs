//! Why a server does not start.

use crate::storage::StoreError;

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database answered, and cannot be used as it is.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} ({keys}): {error}")]
    Bind {
        /// `host:port`.
        address: String,
        /// The configuration keys that name it.
        keys: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file that the configuration names cannot be used.
    #[error("{0}")]
    Config(String),
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}
