//! The entries of a file of tokens (`admin.tokens_file`, `alloc.tokens_file`): who holds one, and what it allows.
//!
//! ```toml
//! [[token]]
//! name = "ops"
//! scopes = ["read", "write"]          # in admin.tokens_file
//! tags = ["order", "shop.*"]          # in alloc.tokens_file instead
//! ids_per_second = 1000               # of each tag, on each server; may be left out
//! ids_per_day = 10000000
//! hash = "sha256:…"
//! ```
//!
//! No message here quotes a value of the file, which may be a token that somebody pasted by mistake.

use super::TokenHash;
use serde::Deserialize;
use std::path::Path;

/// What an administrator's token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To look.
    Read,
    /// To change.
    Write,
}

/// An entry of `admin.tokens_file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminToken {
    /// Whose it is, for the audit log.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// By which it is known.
    pub hash: TokenHash,
}

/// An entry of `alloc.tokens_file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocToken {
    /// Whose it is.
    pub name: String,
    /// Of which tags ids may be taken: names, or beginnings of names followed by `*`.
    pub tags: Vec<String>,
    /// How many ids of each tag it may take in a second; as many as there are where it is left out.
    #[serde(default)]
    pub ids_per_second: Option<u64>,
    /// How many ids of each tag it may take in a day of UTC.
    #[serde(default)]
    pub ids_per_day: Option<u64>,
    /// By which it is known.
    pub hash: TokenHash,
}

/// What both kinds of entries have.
pub trait Entry: for<'de> Deserialize<'de> + PartialEq + Send + Sync + 'static {
    /// Whose it is, and by which it is known.
    fn who(&self) -> (&str, &TokenHash);
    /// What is wrong with it, if anything.
    fn problem(&self) -> Option<&'static str>;
}

impl Entry for AdminToken {
    fn who(&self) -> (&str, &TokenHash) {
        (&self.name, &self.hash)
    }

    fn problem(&self) -> Option<&'static str> {
        let none = self.scopes.is_empty();
        none.then_some("scopes is empty; give \"read\", \"write\" or both")
    }
}

impl Entry for AllocToken {
    fn who(&self) -> (&str, &TokenHash) {
        (&self.name, &self.hash)
    }

    fn problem(&self) -> Option<&'static str> {
        if self.tags.iter().all(String::is_empty) {
            return Some("tags is empty; give names, or beginnings such as \"shop.*\"");
        }
        let is_nothing = [self.ids_per_second, self.ids_per_day].contains(&Some(0));
        is_nothing.then_some("ids_per_second and ids_per_day must be 1 or more, or be left out")
    }
}

impl Scope {
    /// As a file has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl AllocToken {
    /// Whether what it takes is counted.
    #[must_use]
    pub fn has_quota(&self) -> bool {
        self.ids_per_second.is_some() || self.ids_per_day.is_some()
    }

    /// Whether it allows to take ids of this tag.
    #[must_use]
    pub fn allows(&self, tag: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => tag.starts_with(beginning),
            None => tag == pattern,
        };
        self.tags.iter().any(fits)
    }

    /// Whether it allows to take ids of every tag there may be.
    #[must_use]
    pub fn allows_every_tag(&self) -> bool {
        self.tags.iter().any(|pattern| pattern == "*")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<T> {
    #[serde(default = "Vec::new")]
    token: Vec<T>,
}

/// Reads the entries of a file.
///
/// # Errors
/// What cannot be read, in words that quote no value.
pub fn read<T: Entry>(path: &Path) -> Result<Vec<T>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|reason| format!("cannot read {}: {reason}", path.display()))?;
    parse(&text).map_err(|reason| format!("{}: {reason}", path.display()))
}

/// Reads the entries of a file's text.
pub fn parse<T: Entry>(text: &str) -> Result<Vec<T>, String> {
    // A file that is being written begins empty, and a full disk leaves it so.
    if text.trim().is_empty() {
        return Err("the file is empty; to let nobody in, write a comment into it".to_owned());
    }
    let file: File<T> = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = &text.as_bytes()[..start];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let what = unquoted(error.message());
        match text.lines().any(|line| line.trim_start().starts_with("[[token]]")) {
            true => format!("line {line}: {what}"),
            false => format!(
                "this is no file of tokens: it needs the [[token]] entries that `id-alloc token new` prints \
                 (line {line}: {what})"
            ),
        }
    })?;
    for (index, token) in file.token.iter().enumerate() {
        let (name, hash) = token.who();
        let is_earlier = |is: &dyn Fn(&T) -> bool| file.token[..index].iter().any(is);
        let problem = if name.is_empty() || name.contains(char::is_control) {
            Some("name must be a text without control characters")
        } else if is_earlier(&|other| other.who().0 == name) {
            Some("an earlier one has the same name")
        } else if is_earlier(&|other| other.who().1 == hash) {
            Some("an earlier one has the same hash")
        } else {
            token.problem()
        };
        if let Some(problem) = problem {
            return Err(format!("token {}: {problem}", index + 1));
        }
    }
    Ok(file.token)
}

/// What serde says, without what it quotes of the file where it expected something else. Names of keys stay.
fn unquoted(message: &str) -> String {
    let is_quoting = message.starts_with("unknown variant")
        || message.starts_with("invalid") && message.contains(": ");
    match message.rsplit_once("expected ") {
        Some((_, expected)) if is_quoting => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
#[path = "entries_tests.rs"]
mod tests;
