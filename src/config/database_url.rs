//! `DatabaseUrl`: where the table is. It holds the password, and shows it to nobody but
//! [`DatabaseUrl::expose`].
//!
//! No error here quotes any part of the URL: what stands in the place of the host may be half of a
//! password that was not percent-encoded.

use std::{fmt, path::PathBuf, str::FromStr};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::url_parameters::{MYSQL, SQLITE, check, shown, value};

/// A checked `mysql://…` or `sqlite://…` URL. `Debug` and `Display` hide the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    full: String,
    redacted: String,
    kind: DatabaseKind,
}

/// Which database a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseKind {
    /// MySQL, MariaDB, or what speaks their protocol.
    MySql,
    /// An SQLite file.
    Sqlite {
        /// The file, percent-decoded; relative to the working directory where it is relative.
        path: PathBuf,
    },
}

/// Why a text is no database URL. Never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DatabaseUrlError(String);

pub(super) fn refuse<T>(reason: impl Into<String>) -> Result<T, DatabaseUrlError> {
    Err(DatabaseUrlError(reason.into()))
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// What is wrong with the text is said without quoting it.
    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        let scheme = text.split(':').next().unwrap_or_default();
        match scheme.to_ascii_lowercase().as_str() {
            "mysql" | "mariadb" => Self::parse_mysql(&text[scheme.len()..]),
            "sqlite" => Self::parse_sqlite(&text[scheme.len() + 1..]),
            _ => refuse("must begin with mysql://, mariadb:// or sqlite://"),
        }
    }
}

impl DatabaseUrl {
    fn parse_mysql(rest: &str) -> Result<Self, DatabaseUrlError> {
        if !rest.starts_with("://") {
            return refuse("must have the form mysql://USER:PASSWORD@HOST:PORT/DATABASE");
        }
        if rest.contains('#') {
            return refuse("holds a '#'; in a password or name write it as %23");
        }
        let url = Url::parse(&format!("mysql{rest}")).map_err(|reason| {
            DatabaseUrlError(format!(
                "is not a URL ({reason}); percent-encode special characters in user and password"
            ))
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return refuse("names no host");
        }
        if url.port() == Some(0) {
            return refuse("names port 0");
        }
        let database = url.path().trim_start_matches('/');
        if database.is_empty() {
            return refuse("names no database; it must end in /DATABASE");
        }
        if database.contains(['/', '@', ':']) {
            return refuse(
                "has a database name with '/', '@' or ':'; percent-encode special characters, also in \
                 the password",
            );
        }
        for part in [url.username(), url.password().unwrap_or_default(), database] {
            if percent_decode_str(part).decode_utf8().is_err() {
                return refuse("holds percent-encoded bytes that are not UTF-8");
            }
        }
        check(url.query().unwrap_or_default(), &MYSQL)?;
        Ok(Self::from_mysql(&url))
    }

    fn from_mysql(url: &Url) -> Self {
        let mut without = url.clone();
        if url.password().is_some() {
            // Fails only for a URL without a host, which is refused above.
            let _ = without.set_password(Some("***"));
        }
        without.set_query(None);
        Self {
            full: url.to_string(),
            redacted: without.to_string() + &shown(url.query(), &MYSQL),
            kind: DatabaseKind::MySql,
        }
    }

    fn parse_sqlite(rest: &str) -> Result<Self, DatabaseUrlError> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (file, query) = match rest.split_once('?') {
            Some((file, query)) => (file, Some(query)),
            None => (rest, None),
        };
        let Ok(path) = percent_decode_str(file).decode_utf8() else {
            return refuse("names a file that is not UTF-8");
        };
        if path.is_empty() {
            return refuse("names no file; write sqlite://PATH?mode=rwc");
        }
        check(query.unwrap_or_default(), &SQLITE)?;
        let in_memory = path == ":memory:" || value(query, "mode").as_deref() == Some("memory");
        if in_memory {
            return refuse(
                "names a database in memory, which would hand out the same ids again after a restart",
            );
        }
        match value(query, "mode").as_deref() {
            None | Some("rw" | "rwc") => {}
            Some(_) => return refuse("has a mode other than rwc (makes the file) and rw"),
        }
        if value(query, "immutable").is_some_and(|value| value != "false" && value != "0") {
            return refuse("is immutable, but claims have to be written");
        }
        Ok(Self {
            full: format!("sqlite://{rest}"),
            redacted: format!("sqlite://{file}{}", shown(query, &SQLITE)),
            kind: DatabaseKind::Sqlite {
                path: PathBuf::from(path.as_ref()),
            },
        })
    }

    /// The same URL with this password, whatever characters it has. SQLite has none.
    pub(super) fn with_password(&self, password: &str) -> Result<Self, DatabaseUrlError> {
        let encoded = utf8_percent_encode(password, NON_ALPHANUMERIC).to_string();
        if self.kind == DatabaseKind::MySql
            && let Ok(mut url) = Url::parse(&self.full)
            && url.set_password(Some(&encoded)).is_ok()
        {
            return Ok(Self::from_mysql(&url));
        }
        refuse("takes no password")
    }

    /// Whether the URL has a password.
    pub(super) fn has_password(&self) -> bool {
        self.kind == DatabaseKind::MySql
            && Url::parse(&self.full).is_ok_and(|url| url.password().is_some())
    }

    /// The whole URL **with the password**, for the driver alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.full
    }

    /// Which database it names.
    #[must_use]
    pub fn kind(&self) -> DatabaseKind {
        self.kind.clone()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({:?})", self.redacted)
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted)
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_str(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_are_understood() {
        let sqlite = DatabaseUrl::from_str("sqlite://data/id%20alloc.db?mode=rwc").unwrap();
        let path = PathBuf::from("data/id alloc.db");
        assert_eq!(sqlite.kind(), DatabaseKind::Sqlite { path });
        let mysql = DatabaseUrl::from_str("mariadb://u:p@h/d?ssl-mode=required").unwrap();
        assert_eq!(mysql.expose(), "mysql://u:p@h/d?ssl-mode=required");
        assert_eq!(mysql.to_string(), "mysql://u:***@h/d?ssl-mode=required");
    }

    #[test]
    fn what_cannot_serve_is_refused_unquoted() {
        for text in [
            "",
            "secret",
            "postgres://u:secret@h/d",
            "mysql:secret",
            "mysql://u:secret@h",
            "mysql://u:secret@h/",
            "mysql://u:sec#secret@h/d",
            "mysql://u:12/secret@h/d",
            "mysql://u:12?secret@h/d",
            "mysql://u:1/d?x=secret@h/d",
            "mysql://u:1/d?secret&x@h/d",
            "mysql://u:secret@h/d?password=secret",
            "mysql://u:secret@h/d?ssl_mode=REQUIRED",
            "mysql://u:secret@h/d?ssl-mode=secret",
            "mysql://u:secret@h:0/d",
            "mysql://u:%ffsecret@h/d",
            "mysql://u:secret@h:99999/d",
            "sqlite::memory:",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://f?mode=memory",
            "sqlite://f?mode=ro",
            "sqlite://f?immutable=1",
        ] {
            let error = DatabaseUrl::from_str(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(any in ".{0,60}", like in "(mysql|sqlite):/{0,2}[a-z:@/?&=%#\\[\\]0-9]{0,40}") {
            let _ = DatabaseUrl::from_str(&any);
            let _ = DatabaseUrl::from_str(&like);
        }

        #[test]
        fn a_password_is_shown_nowhere_and_reaches_the_driver(secret in "(?s).{0,20}Q7.{0,20}") {
            let url = DatabaseUrl::from_str("mysql://user@host:1/db?ssl-mode=DISABLED").unwrap();
            let url = url.with_password(&secret).unwrap();
            proptest::prop_assert!(url.has_password());
            let shown = format!("{url} {url:?} {}", serde_json::to_string(&url).unwrap());
            proptest::prop_assert!(!shown.contains("Q7"));
            let again = DatabaseUrl::from_str(url.expose()).unwrap();
            let inside = Url::parse(again.expose()).unwrap();
            let found = percent_decode_str(inside.password().unwrap()).decode_utf8().unwrap();
            proptest::prop_assert_eq!(found, secret);
        }

        #[test]
        fn what_is_accepted_is_accepted_again_and_means_the_same(
            like in "(mysql|mariadb|sqlite)://[a-z%@:/.0-9]{0,30}(\\?(mode=rwc|ssl-mode=DISABLED|socket=[a-z%/0-9]{0,8}))?",
        ) {
            if let Ok(url) = DatabaseUrl::from_str(&like) {
                let again = DatabaseUrl::from_str(url.expose()).unwrap();
                proptest::prop_assert_eq!(again.expose(), url.expose());
                proptest::prop_assert_eq!(again.kind(), url.kind());
                proptest::prop_assert_eq!(again.to_string(), url.to_string());
            }
        }

        #[test]
        fn no_accepted_url_shows_its_password(secret in "[a-z:@/?&=%#]{0,8}Q7[a-z:@/?&=%#]{0,8}", number in "[0-9]{0,3}") {
            for text in [
                format!("mysql://user:{number}{secret}@host/db"),
                format!("mysql://user:p@host/db?password={secret}"),
                format!("mysql://user:{number}{secret}@host/db?ssl-mode=DISABLED&pwd={secret}"),
            ] {
                match DatabaseUrl::from_str(&text) {
                    Ok(url) => proptest::prop_assert!(!format!("{url} {url:?}").contains("Q7"), "{}", url),
                    Err(error) => proptest::prop_assert!(!error.to_string().contains("Q7"), "{}", error),
                }
            }
        }
    }
}
