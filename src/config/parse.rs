//! Text of a file, TOML or JSON, as a tree of values.

use config::{FileFormat, Map, Source, ValueKind};
use serde_json::Value;

/// Parses a file. The reason names the line but quotes none: it may hold a password.
pub(super) fn parse(text: &str, format: FileFormat) -> Result<Value, String> {
    match config::File::from_str(text, format).collect() {
        Ok(map) => Ok(table(map)),
        Err(config::ConfigError::FileParse { cause, .. }) => {
            let message = cause.to_string();
            // Would quote the whole file where that is one JSON text.
            if message.starts_with("invalid type") {
                return Err("the file must hold a table of sections".to_owned());
            }
            let mut lines = message.lines().filter(|line| !line.trim().is_empty());
            let first = lines.next().unwrap_or("cannot be parsed");
            match lines.next_back() {
                Some(last) => Err(format!("{first}: {last}")),
                None => Err(first.to_owned()),
            }
        }
        Err(_) => Err("the file must hold a table of sections".to_owned()),
    }
}

fn table(map: Map<String, config::Value>) -> Value {
    Value::Object(
        map.into_iter()
            .map(|(key, value)| (key, json(value)))
            .collect(),
    )
}

fn json(value: config::Value) -> Value {
    match value.kind {
        ValueKind::Nil => Value::Null,
        ValueKind::Boolean(value) => Value::from(value),
        ValueKind::I64(value) => Value::from(value),
        ValueKind::U64(value) => Value::from(value),
        ValueKind::Float(value) => Value::from(value),
        ValueKind::String(value) => Value::from(value),
        ValueKind::Table(map) => table(map),
        ValueKind::Array(list) => list.into_iter().map(json).collect(),
        // Neither TOML nor JSON makes 128-bit numbers here.
        ValueKind::I128(value) => Value::from(value.to_string()),
        ValueKind::U128(value) => Value::from(value.to_string()),
    }
}
