//! The configuration in force as TOML, for `config check`. Holds no secret: the URL is written redacted.

use std::fmt::Write;

use serde_json::Value;

use super::Config;

/// One `[section]` each, keys in alphabetical order; it can be read back by [`Config::load`].
pub(super) fn to_toml(config: &Config) -> String {
    let mut text = String::new();
    // Serialising plain structs of strings and numbers cannot fail; if it did, nothing would be shown.
    let Ok(Value::Object(sections)) = serde_json::to_value(config) else {
        return text;
    };
    for (section, keys) in &sections {
        let blank = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{blank}[{section}]");
        for (key, value) in keys.as_object().into_iter().flatten() {
            // JSON's strings, numbers and arrays are TOML too, but for one character.
            let _ = writeln!(
                text,
                "{key} = {}",
                value.to_string().replace('\u{7f}', "\\u007F")
            );
        }
    }
    text
}
