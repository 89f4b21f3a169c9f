//! Texts of which not all serve, and `""` for none. A section names the function beside its key.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tracing::level_filters::LevelFilter;

/// What a text must be, where not all serve.
struct Text {
    /// As in "… is not {this}".
    expected: &'static str,
    serves: fn(&str) -> bool,
}

impl Text {
    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<String, D::Error> {
        self.check(String::deserialize(deserializer)?)
    }

    /// `""` is none.
    fn read_optional<'de, D: Deserializer<'de>>(
        &self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(deserializer)?;
        (!text.is_empty()).then(|| self.check(text)).transpose()
    }

    fn check<E: de::Error>(&self, text: String) -> Result<String, E> {
        match (self.serves)(&text) {
            true => Ok(text),
            false => Err(E::custom(format!("{text:?} is not {}", self.expected))),
        }
    }
}

/// Where to listen.
pub(super) fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let host = Text {
        expected: "an address or the name of a host",
        serves: |host| {
            !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control())
        },
    };
    host.read(deserializer)
}

/// A table's name, to which `_migrations` is appended: within MySQL's 64.
pub(super) fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let table = Text {
        expected: "1 to 48 letters, digits, '_' or '$'",
        serves: |table| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
            (1..=48).contains(&table.len()) && table.bytes().all(plain)
        },
    };
    table.read(deserializer)
}

/// A database server's name; the column `claimed_on` holds 255 characters.
pub(super) fn identity<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let identity = Text {
        expected: "at most 255 characters, none of them a control character",
        serves: |name| name.chars().count() <= 255 && !name.contains(char::is_control),
    };
    identity.read_optional(deserializer)
}

/// `level` or `module=level`, comma-separated.
pub(super) fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let level = Text {
        expected: "a level (off, error, warn, info, debug, trace) or such as \"info,id_alloc=debug\"",
        serves: |levels| {
            levels.split(',').all(|directive| {
                let level = directive.rsplit('=').next().unwrap_or_default().trim();
                !level.is_empty() && level.parse::<LevelFilter>().is_ok()
            })
        },
    };
    level.read(deserializer)
}

/// Where to send traces.
pub(super) fn endpoint<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let endpoint = Text {
        expected: "a URL such as \"http://127.0.0.1:4318\"",
        serves: |url| {
            url::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.has_host())
        },
    };
    let endpoint = endpoint.read_optional(deserializer)?;
    match endpoint.is_some() && !cfg!(feature = "otlp") {
        true => Err(de::Error::custom(
            "this id-alloc cannot export traces: build it with --features otlp",
        )),
        false => Ok(endpoint),
    }
}

/// Where others reach this server; `""` is none.
pub(super) fn own_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let address = Text {
        expected: "a URL such as \"http://10.0.0.7:8880\", \"off\"",
        serves: |text| text == "off" || text.len() <= 255 && is_base(text),
    };
    address.read_optional(deserializer)
}

/// Whether it is a URL to which paths can be appended.
fn is_base(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// An address with a port; `""` is none.
pub(super) fn address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let address = Text {
        expected: "an address with a port, such as \"127.0.0.1:9880\"",
        serves: |text| text.parse::<SocketAddr>().is_ok(),
    };
    let text = address.read_optional(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Writes none as `""`.
pub(super) fn or_empty<S: Serializer, T: Serialize>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

/// A file; `""` is none.
pub(super) mod optional_path {
    use super::{Deserialize, Deserializer};
    use std::path::PathBuf;

    pub(in crate::config) use super::or_empty as serialize;

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Ok((!path.as_os_str().is_empty()).then_some(path))
    }
}
