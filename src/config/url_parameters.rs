//! What stands after the '?' of a database URL: only what the drivers know is accepted and shown.

use super::database_url::{DatabaseUrlError, refuse};

/// Query parameters that the drivers know. All others are refused (the MySQL driver would ignore them,
/// even a misspelt `ssl-mode`), and no value of another is ever shown.
pub(super) const MYSQL: [&str; 14] = [
    "charset",
    "collation",
    "socket",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "sslca",
    "sslcert",
    "sslkey",
    "sslmode",
    "statement-cache-capacity",
    "time-zone",
    "timezone",
];
/// The same for SQLite.
pub(super) const SQLITE: [&str; 4] = ["cache", "immutable", "mode", "vfs"];

/// The value of one parameter.
pub(super) fn value(query: Option<&str>, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Refuses parameters and modes that the driver does not know.
pub(super) fn check(query: &str, known: &[&str]) -> Result<(), DatabaseUrlError> {
    if query.contains('@') {
        return refuse("has an '@' after the '?'; in a password or name write them as %40 and %3F");
    }
    for (key, setting) in url::form_urlencoded::parse(query.as_bytes()) {
        if !known.contains(&&*key) {
            // A value in the place of a name might be anything; a plain word is a misspelt name.
            let plain = key.len() <= 40
                && key
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || "-_".contains(c));
            let name = if plain {
                format!(" {key:?}")
            } else {
                String::new()
            };
            return refuse(format!(
                "has an unknown parameter{name}; known: {}",
                known.join(", ")
            ));
        }
        let modes = [
            "disabled",
            "preferred",
            "required",
            "verify_ca",
            "verify_identity",
        ];
        if matches!(&*key, "ssl-mode" | "sslmode")
            && !modes.contains(&setting.to_ascii_lowercase().as_str())
        {
            return refuse(
                "has an unknown ssl-mode; known: DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY",
            );
        }
    }
    Ok(())
}

/// The query, with its '?', with the values of known parameters only.
pub(super) fn shown(query: Option<&str>, known: &[&str]) -> String {
    let Some(query) = query else {
        return String::new();
    };
    let pairs: Vec<&str> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if known.contains(&key) => pair,
            _ => "***",
        })
        .collect();
    format!("?{}", pairs.join("&"))
}
