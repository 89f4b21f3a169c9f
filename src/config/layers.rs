//! Layers: which values are set where. Keys are flat (`server.port`, `server.tls.key_file`) and only those of the built-in
//! defaults exist; every other is a problem.

use std::{collections::BTreeMap, path::Path, str::FromStr};

use config::{ConfigError, File, FileFormat, Source as _};
use serde_json::{Map, Value};

use super::{
    go_id_alloc,
    problems::{DEFAULT, Origin, Problems, nearest},
};

const ENV_PREFIX: &str = "ID_ALLOC__";

/// `config/default.toml`: every key with its built-in value, meaning and unit.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

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
    pub(super) fn new() -> Self {
        let mut defaults = BTreeMap::new();
        // Complete, as a test sees to: a key that is missing here exists nowhere.
        flatten(
            "",
            parse(DEFAULT_TOML, FileFormat::Toml).unwrap_or_default(),
            &mut defaults,
        );
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
        let mut fail = |reason: &str| problems.general(format!("{name}: {reason}"));
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let format = match extension.to_str() {
            Some("toml") => FileFormat::Toml,
            Some("json") => FileFormat::Json,
            _ => return fail("the file's name must end in .toml or .json"),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(reason) => return fail(&format!("cannot read the file: {reason}")),
        };
        match parse(text.trim_start_matches('\u{feff}'), format) {
            Ok(tree) if format == FileFormat::Json && go_id_alloc::is_alloc_json(&tree) => {
                go_id_alloc::add(&name, tree, self, problems);
            }
            Ok(tree) => self.add_tree("", tree, &name, problems),
            Err(reason) => fail(&reason),
        }
    }

    /// Lays the keys of a section (`""`: the file as a whole) over what is there, sections in it too.
    fn add_tree(
        &mut self,
        section: &str,
        tree: Map<String, Value>,
        origin: &str,
        problems: &mut Problems,
    ) {
        for (name, value) in tree {
            // A dotted name in quotes would otherwise pass for a section and its key.
            let key = dotted(section, &name.replace('.', "\u{b7}"));
            match value {
                Value::Object(keys)
                    if self.is_section(&key)
                        || !keys.is_empty() && !self.defaults.contains_key(&key) =>
                {
                    self.add_tree(&key, keys, origin, problems);
                }
                _ if self.is_section(&key) => {
                    problems.at(origin, &key, "is a section; it must contain keys");
                }
                value => self.set(&key, value, origin.to_owned(), problems),
            }
        }
    }

    /// Whether there are keys below this one.
    fn is_section(&self, key: &str) -> bool {
        let begins = |known: &String| {
            let rest = known.strip_prefix(key);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.defaults.keys().any(begins)
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
            let origin = format!("environment variable {name}");
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

    /// A name with too few underscores is not an error: Kubernetes sets such for services of this name.
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
            (Some(entry), Some(default)) if entry.origin != DEFAULT => {
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
            .map_or(DEFAULT.to_owned(), |entry| entry.origin.clone())
    }

    /// Whether there is such a key.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.defaults.contains_key(key)
    }

    /// Sections of keys, as serde reads them.
    pub(super) fn tree(&self) -> Value {
        let mut root = Value::Object(Map::new());
        for (name, entry) in &self.entries {
            // Indexing makes the objects on its way.
            let place = name.split('.').fold(&mut root, |at, part| &mut at[part]);
            *place = entry.value.clone();
        }
        root
    }
}

/// The text of a file. The reason names the line but quotes none: it may hold a password.
fn parse(text: &str, format: FileFormat) -> Result<Map<String, Value>, String> {
    let no_table = || "the file must contain sections".to_owned();
    let tree = File::from_str(text, format).collect();
    let tree = tree.map_err(|error| match error {
        ConfigError::FileParse { cause, .. } => {
            let message = cause.to_string();
            // It quotes a JSON text that is all one value.
            if message.starts_with("invalid type") {
                return no_table();
            }
            // Between the first line and the last, a mistake in TOML is shown with what is there.
            let mut lines = message.lines().filter(|line| !line.trim().is_empty());
            let first = lines.next().unwrap_or("cannot be parsed").to_owned();
            let last = lines.next_back();
            last.map_or(first.clone(), |last| format!("{first}: {last}"))
        }
        _ => no_table(),
    })?;
    let tree = config::Value::new(None, tree).try_deserialize();
    tree.map_err(|_| no_table())
}

/// The values of a section and of those in it, by their dotted keys.
fn flatten(section: &str, tree: Map<String, Value>, into: &mut BTreeMap<String, Entry>) {
    for (name, value) in tree {
        let key = dotted(section, &name);
        match value {
            Value::Object(keys) => flatten(&key, keys, into),
            value => {
                let origin = DEFAULT.to_owned();
                into.insert(key, Entry { value, origin });
            }
        }
    }
}

fn dotted(section: &str, name: &str) -> String {
    match section {
        "" => name.to_owned(),
        section => format!("{section}.{name}"),
    }
}

/// An environment variable in the type of the key's default. What does not fit stays text, which then
/// fails with the message of any other wrong type.
fn typed(key: &str, text: String, default: &Value) -> Value {
    fn parsed<T: FromStr + Into<Value>>(text: String) -> Value {
        let parsed = text.trim().parse::<T>();
        parsed.map_or(Value::String(text), Into::into)
    }
    match default {
        Value::Number(number) if number.is_f64() => parsed::<f64>(text),
        Value::Number(_) => parsed::<i64>(text),
        Value::Bool(_) => parsed::<bool>(text),
        Value::Array(_) if key == "allocation.preload" && text.trim() == "recent" => {
            Value::from("recent")
        }
        Value::Array(_) => {
            let items = text.split(',').map(str::trim);
            items.filter(|item| !item.is_empty()).collect()
        }
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_environment_is_read_in_the_type_of_the_default() {
        for (default, text, read) in [
            (json!(true), " false ", json!(false)),
            (json!(true), "off", json!("off")),
            (json!(1), "7", json!(7)),
            (json!(0.5), "1", json!(1.0)),
            (json!([]), "a, b c,", json!(["a", "b c"])),
            (json!("x"), " 7", json!(" 7")),
        ] {
            assert_eq!(typed("a.key", text.to_owned(), &default), read, "{text}");
        }
    }
}
