//! Layers: which values are set where. Keys are flat (`server.port`) and only those of the built-in
//! defaults exist; every other is a problem.

use std::{collections::BTreeMap, path::Path};

use config::{FileFormat, Map, Source, ValueKind};
use serde_json::Value;

use super::{
    DEFAULT_TOML, legacy,
    problems::{Origin, Problems},
    suggest::nearest,
};

const ENV_PREFIX: &str = "ID_ALLOC__";

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Every key with its value and where that was written.
#[derive(Debug)]
pub(super) struct Layers {
    entries: BTreeMap<String, Entry>,
    defaults: BTreeMap<String, Entry>,
}

impl Layers {
    /// The built-in defaults alone.
    pub(super) fn new(problems: &mut Problems) -> Self {
        let mut defaults = BTreeMap::new();
        match parse(DEFAULT_TOML, FileFormat::Toml) {
            Ok(Value::Object(sections)) => {
                for (section, keys) in sections {
                    let Value::Object(keys) = keys else { continue };
                    for (key, value) in keys {
                        let origin = Origin::Default;
                        defaults.insert(format!("{section}.{key}"), Entry { value, origin });
                    }
                }
            }
            Ok(_) => problems.general("built-in default: no table".to_owned()),
            Err(reason) => problems.general(format!("built-in default: {reason}")),
        }
        Self {
            entries: defaults.clone(),
            defaults,
        }
    }

    /// Sets a key; what does not exist is a problem.
    pub(super) fn set(&mut self, key: &str, value: Value, origin: Origin, problems: &mut Problems) {
        if let Some(entry) = self.entries.get_mut(key) {
            *entry = Entry { value, origin };
            return;
        }
        let section = key.split('.').next().unwrap_or_default();
        let last = key.rsplit('.').next().unwrap_or_default();
        let namesake = self
            .defaults
            .keys()
            .find(|known| last.len() > 1 && known.split('.').next_back() == Some(last));
        let known = self.defaults.keys().map(String::as_str);
        let in_section = known
            .clone()
            .filter(|known| known.split('.').next() == Some(section));
        let hint = namesake
            .map(String::as_str)
            .or_else(|| nearest(key, in_section))
            .or_else(|| nearest(key, known));
        match hint {
            Some(hint) => {
                problems.at(&origin, key, format!("no such key; did you mean {hint}?"));
            }
            None => problems.at(&origin, key, "no such key"),
        }
    }

    /// Lays a file over what is there.
    pub(super) fn add_file(&mut self, path: &Path, problems: &mut Problems) {
        let name = path.display().to_string();
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        let format = match extension.to_ascii_lowercase().as_str() {
            "toml" => FileFormat::Toml,
            "json" => FileFormat::Json,
            _ => {
                problems.general(format!(
                    "{name}: the file's name must end in .toml or .json"
                ));
                return;
            }
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(reason) => {
                problems.general(format!("{name}: cannot read the file: {reason}"));
                return;
            }
        };
        match parse(text.trim_start_matches('\u{feff}'), format) {
            Ok(Value::Object(tree)) if format == FileFormat::Json && legacy::is_legacy(&tree) => {
                legacy::add(&name, tree, self, problems);
            }
            Ok(Value::Object(tree)) => self.add_tree(&name, tree, problems),
            Ok(_) => problems.general(format!("{name}: the file must hold a table of sections")),
            Err(reason) => problems.general(format!("{name}: {reason}")),
        }
    }

    fn add_tree(
        &mut self,
        name: &str,
        tree: serde_json::Map<String, Value>,
        problems: &mut Problems,
    ) {
        for (section, keys) in tree {
            let origin = Origin::File(name.to_owned());
            let is_section = self
                .defaults
                .keys()
                .any(|known| known.split('.').next() == Some(&section));
            match keys {
                Value::Object(keys) if is_section || !keys.is_empty() => {
                    for (key, value) in keys {
                        self.set(&format!("{section}.{key}"), value, origin.clone(), problems);
                    }
                }
                _ if is_section => {
                    problems.at(&origin, &section, "is a section; it must hold keys");
                }
                value => {
                    // A dotted name in quotes would otherwise pass for a section and its key.
                    let key = section.replace('.', "\u{b7}");
                    self.set(&key, value, origin, problems);
                }
            }
        }
    }

    /// Lays the variables `ID_ALLOC__SECTION__KEY` over what is there.
    pub(super) fn add_env(
        &mut self,
        env: impl Iterator<Item = (String, String)>,
        problems: &mut Problems,
    ) {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let sorted: BTreeMap<String, String> = env.collect();
        for (name, text) in sorted {
            let upper = name.to_ascii_uppercase();
            let Some(rest) = upper.strip_prefix(ENV_PREFIX) else {
                if let Some(rest) = upper.strip_prefix("ID_ALLOC_") {
                    self.warn_of_near_miss(&name, rest, problems);
                }
                continue;
            };
            let key = rest.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Env(name.clone());
            if let Some(other) = seen.insert(key.clone(), name) {
                problems.at(&origin, &key, format!("set by {other} too"));
                continue;
            }
            let value = match self.defaults.get(&key) {
                Some(default) => typed(&key, text, &default.value),
                None => Value::Null,
            };
            self.set(&key, value, origin, problems);
        }
    }

    /// A name with too few underscores is no error: Kubernetes sets such for services of this name.
    fn warn_of_near_miss(&self, name: &str, rest: &str, problems: &mut Problems) {
        let flat = |text: &str| {
            text.replace("__", "_")
                .replace('.', "_")
                .to_ascii_uppercase()
        };
        let meant = self.defaults.keys().find(|key| flat(key) == flat(rest));
        if let Some(key) = meant {
            let right = key.replace('.', "__").to_ascii_uppercase();
            problems.warn(format!(
                "environment variable {name} is not used; write {ENV_PREFIX}{right}"
            ));
        } else if rest.contains("__") {
            problems.warn(format!(
                "environment variable {name} is not used; names begin with {ENV_PREFIX}"
            ));
        }
    }

    /// Puts the built-in default back in place of a wrong value; false where it stands there already.
    pub(super) fn reset(&mut self, key: &str) -> bool {
        match (self.entries.get_mut(key), self.defaults.get(key)) {
            (Some(entry), Some(default)) if entry.origin != Origin::Default => {
                *entry = default.clone();
                true
            }
            _ => false,
        }
    }

    /// Where the value of a key was written.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.entries
            .get(key)
            .map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// Sections of keys, as serde reads them.
    pub(super) fn tree(&self) -> Value {
        let mut sections = serde_json::Map::new();
        for (name, entry) in &self.entries {
            let (section, key) = name.split_once('.').unwrap_or(("", name));
            let keys = sections
                .entry(section)
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Value::Object(keys) = keys {
                keys.insert(key.to_owned(), entry.value.clone());
            }
        }
        Value::Object(sections)
    }
}

/// An environment variable in the type of the key's default. What does not fit stays text, which then
/// fails with the message of any other wrong type.
fn typed(key: &str, text: String, default: &Value) -> Value {
    let trimmed = text.trim();
    match default {
        Value::Number(number) if number.is_f64() => trimmed
            .parse::<f64>()
            .map_or(Value::String(text), Value::from),
        Value::Number(_) => trimmed
            .parse::<i64>()
            .map_or(Value::String(text), Value::from),
        Value::Array(_) if key == "allocation.preload" && trimmed == "recent" => {
            Value::from(trimmed)
        }
        Value::Array(_) => trimmed
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect(),
        _ => Value::String(text),
    }
}

/// Parses a file. The reason names the line but quotes none: it may hold a password.
fn parse(text: &str, format: FileFormat) -> Result<Value, String> {
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
