//! Texts of which not all serve, and `""` for none. A section names the kind beside its key:
//! `#[serde(with = "Text::<Host>")]`.

use std::{marker::PhantomData, str::FromStr};

use serde::{Deserialize as _, Deserializer, Serialize, Serializer, de::Error};
use tracing::level_filters::LevelFilter;
use url::Url;

/// What a text must be.
pub(super) trait Kind {
    /// As in "… is not {this}".
    const IS: &'static str;

    fn serves(text: &str) -> bool;

    fn read<T: FromStr, E: Error>(text: &str) -> Result<T, E> {
        let serves = Self::serves(text).then(|| text.parse().ok()).flatten();
        serves.ok_or_else(|| E::custom(format!("{text:?} is not {}", Self::IS)))
    }
}

/// A text of this kind.
pub(super) struct Text<K>(PhantomData<K>);

impl<K: Kind> Text<K> {
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        K::read(&String::deserialize(deserializer)?)
    }
}

/// The same, or none, which is written as `""`.
pub(super) struct OrNone<K>(PhantomData<K>);

impl<K: Kind> OrNone<K> {
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        (!text.is_empty()).then(|| K::read(&text)).transpose()
    }
}

/// Where to listen.
pub(super) struct Host;

impl Kind for Host {
    const IS: &'static str = "an address or the name of a host";

    fn serves(host: &str) -> bool {
        !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control())
    }
}

/// A table's name, to which `_migrations` is appended: within MySQL's 64.
pub(super) struct Table;

impl Kind for Table {
    const IS: &'static str = "1 to 48 letters, digits, '_' or '$'";

    fn serves(table: &str) -> bool {
        table.len() <= 48 && is_plain_name(table)
    }
}

/// Whether a name stands in SQL as it is.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    !name.is_empty() && name.bytes().all(plain)
}

/// A database server's name; the column `claimed_on` holds 255 characters.
pub(super) struct Identity;

impl Kind for Identity {
    const IS: &'static str = "at most 255 characters, none of them a control character";

    fn serves(name: &str) -> bool {
        name.chars().count() <= 255 && !name.contains(char::is_control)
    }
}

/// `level` or `module=level`, comma-separated.
pub(super) struct LogLevel;

impl Kind for LogLevel {
    const IS: &'static str =
        "a level (off, error, warn, info, debug, trace) or such as \"info,id_alloc=debug\"";

    fn serves(levels: &str) -> bool {
        levels.split(',').all(|directive| {
            let level = directive.rsplit('=').next().unwrap_or_default().trim();
            !level.is_empty() && level.parse::<LevelFilter>().is_ok()
        })
    }
}

/// Where to send traces.
pub(super) struct Endpoint;

impl Kind for Endpoint {
    const IS: &'static str = "a URL such as \"http://127.0.0.1:4318\"";

    fn serves(url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.has_host())
    }
}

/// Where others reach this server.
pub(super) struct OwnAddress;

impl Kind for OwnAddress {
    const IS: &'static str = "a URL such as \"http://10.0.0.7:8880\", \"off\"";

    fn serves(text: &str) -> bool {
        text == "off" || text.len() <= 255 && base_url(text).is_some()
    }
}

/// A URL to which paths can be appended.
pub fn base_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// Where to listen, with a port.
pub(super) struct Address;

impl Kind for Address {
    const IS: &'static str = "an address with a port, such as \"127.0.0.1:9880\"";

    fn serves(text: &str) -> bool {
        text.parse::<std::net::SocketAddr>().is_ok()
    }
}

/// A file, whatever its name.
pub(super) struct File;

impl Kind for File {
    const IS: &'static str = "the name of a file";

    fn serves(_: &str) -> bool {
        true
    }
}
