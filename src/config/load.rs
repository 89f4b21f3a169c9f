//! Loading: layers → values → password file → checks, going on after each mistake so that all are named.

use serde_path_to_error::{Path, Segment};

use super::{Config, ConfigError, Loaded, layers::Layers, problems::Problems, together};

impl Config {
    /// Reads the built-in defaults, then `file` (`.toml`, `.json`, or go-id-alloc's `alloc.json`), then
    /// the variables of `env` that begin with `ID_ALLOC__` (in any case), later ones winning.
    ///
    /// # Errors
    /// Every mistake of every layer, none of them with a password.
    pub fn load(
        file: Option<&std::path::Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let (mut problems, mut layers) = (Problems::default(), Layers::new());
        if let Some(file) = file {
            layers.add_file(file, &mut problems);
        }
        layers.add_env(env, &mut problems);
        let mut config = read(&mut layers, &mut problems);
        if let Some(config) = &mut config {
            apply_password_file(config, &layers, &mut problems);
            together::check(config, &layers, &mut problems);
        }
        let (config, warnings) = problems.finish(config)?;
        Ok(Loaded { config, warnings })
    }
}

/// Reads the values. One that cannot be read is recorded and its default put in its place, until all
/// can be.
fn read(layers: &mut Layers, problems: &mut Problems) -> Option<Config> {
    loop {
        let error = match serde_path_to_error::deserialize::<_, Config>(layers.tree()) {
            Ok(config) => return Some(config),
            Err(error) => error,
        };
        let key = key_of(error.path(), layers);
        problems.at(
            &layers.origin(&key),
            &key,
            plain(&error.inner().to_string()),
        );
        if !layers.reset(&key) {
            return None;
        }
    }
}

/// The key at or above the place of a mistake, which may lie within its value.
fn key_of(path: &Path, layers: &Layers) -> String {
    let mut key = String::new();
    for segment in path {
        let Segment::Map { key: name } = segment else {
            break;
        };
        if !key.is_empty() {
            key.push('.');
        }
        key.push_str(name);
        if layers.knows(&key) {
            return key;
        }
    }
    path.to_string()
}

/// Puts the names of Rust's types into words.
fn plain(message: &str) -> String {
    message
        .replace("expected a string", "expected text")
        .replace("expected a boolean", "expected true or false")
}

/// Reads the password's file into the URL.
fn apply_password_file(config: &mut Config, layers: &Layers, problems: &mut Problems) {
    const KEY: &str = "database.password_file";
    let database = &mut config.database;
    let Some(file) = &database.password_file else {
        return;
    };
    let origin = layers.origin(KEY);
    let content = match std::fs::read_to_string(file) {
        Ok(content) => content,
        Err(reason) => {
            let reason = format!("cannot read {}: {reason}", file.display());
            problems.at(&origin, KEY, reason);
            return;
        }
    };
    let password = content.trim();
    if password.is_empty() {
        problems.at(&origin, KEY, format!("{} is empty", file.display()));
        return;
    }
    if password.contains(char::is_control) {
        let reason = format!("{} has more than one line", file.display());
        problems.at(&origin, KEY, reason);
        return;
    }
    if database.url.has_password() {
        problems.warn(format!(
            "{origin}: {KEY}: its password replaces the one in database.url"
        ));
    }
    match database.url.with_password(password) {
        Ok(url) => database.url = url,
        // Where the URL was wrong and stands for its default, that is already named.
        Err(_) if problems.name("database.url") => {}
        Err(reason) => problems.at(&origin, KEY, format!("database.url {reason}")),
    }
}
