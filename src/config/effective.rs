//! The configuration in force as TOML or JSON, for `config check`. Holds no secret: the URL is written
//! redacted.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::Config;

/// One `[section]` each, keys in alphabetical order; it can be read back by [`Config::load`].
pub(super) fn to_toml(config: &Config) -> String {
    let mut text = String::new();
    // Serialising plain structs of strings and numbers cannot fail; if it did, nothing would be shown.
    if let Ok(Value::Object(sections)) = serde_json::to_value(config) {
        write(&mut text, "", &sections);
    }
    text
}

/// A section's own keys, then the sections in it.
fn write(text: &mut String, section: &str, keys: &Map<String, Value>) {
    let (inner, own): (Vec<_>, Vec<_>) = keys.iter().partition(|(_, value)| value.is_object());
    if !own.is_empty() {
        let blank = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{blank}[{section}]");
    }
    for (key, value) in own {
        // JSON's strings, numbers and arrays are TOML too, but for one character.
        let value = value.to_string().replace('\u{7f}', "\\u007F");
        let _ = writeln!(text, "{key} = {value}");
    }
    for (name, keys) in inner {
        let name = match section {
            "" => name.clone(),
            section => format!("{section}.{name}"),
        };
        if let Value::Object(keys) = keys {
            write(text, &name, keys);
        }
    }
}
