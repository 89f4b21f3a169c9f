//! Files of access tokens (`admin.tokens_file`, `alloc.tokens_file`): who holds one, what it allows, and
//! the hash by which it is known.
//!
//! ```toml
//! [[token]]
//! name = "ops"
//! scopes = ["read", "write"]          # in admin.tokens_file
//! tags = ["order", "shop.*"]          # in alloc.tokens_file instead
//! hash = "sha256:…"
//! ```
//!
//! A token is 256 random bits. SHA-256 of it is all that is kept: a slow, salted hash is for what people
//! think up, whose guesses can be counted; 2^256 cannot be, however fast each guess is. No message here
//! quotes a value of the file, which may be a token that somebody pasted by mistake.

use std::{fmt, path::Path};

use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};

/// What every token begins with, so that one which leaked can be recognised.
const PREFIX: &str = "ida_";
const HASH: &str = "sha256:";

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

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
    /// By which it is known.
    pub hash: TokenHash,
}

/// What both kinds of entries have.
pub trait Entry: for<'de> Deserialize<'de> + PartialEq + Send + Sync + 'static {
    /// Whose it is.
    fn name(&self) -> &str;
    /// By which it is known.
    fn hash(&self) -> &TokenHash;
    /// What is wrong with it, if anything.
    fn problem(&self) -> Option<&'static str>;
}

impl Entry for AdminToken {
    fn name(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> &TokenHash {
        &self.hash
    }

    fn problem(&self) -> Option<&'static str> {
        let none = self.scopes.is_empty();
        none.then_some("scopes is empty; give \"read\", \"write\" or both")
    }
}

impl Entry for AllocToken {
    fn name(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> &TokenHash {
        &self.hash
    }

    fn problem(&self) -> Option<&'static str> {
        let none = self.tags.iter().all(String::is_empty);
        none.then_some("tags is empty; give names, or beginnings such as \"shop.*\"")
    }
}

impl AllocToken {
    /// Whether it allows to take ids of this tag.
    #[must_use]
    pub fn allows(&self, tag: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => tag.starts_with(beginning),
            None => tag == pattern,
        };
        self.tags.iter().any(fits)
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
///
/// # Errors
/// As [`read`].
pub fn parse<T: Entry>(text: &str) -> Result<Vec<T>, String> {
    let file: File<T> = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..at]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        // serde quotes what it found where it expected something else.
        let message = error.message();
        let message = message.split_once(": ").map_or(message, |(kind, rest)| {
            match rest.split_once("expected ") {
                Some((_, expected)) if kind.starts_with("invalid") => expected,
                _ => message,
            }
        });
        format!("line {line}: {}", unquoted(message))
    })?;
    for (index, token) in file.token.iter().enumerate() {
        let earlier = &file.token[..index];
        let name = token.name();
        let problem = if name.is_empty() || name.contains(char::is_control) {
            Some("name must be a text without control characters")
        } else if earlier.iter().any(|other| other.name() == name) {
            Some("its name stands there twice")
        } else if earlier.iter().any(|other| other.hash() == token.hash()) {
            Some("its hash stands there twice")
        } else {
            token.problem()
        };
        if let Some(problem) = problem {
            return Err(format!("token {}: {problem}", index + 1));
        }
    }
    Ok(file.token)
}

/// Names of keys stay; an unknown variant would be quoted.
fn unquoted(message: &str) -> String {
    match message.strip_prefix("unknown variant ") {
        Some(rest) => match rest.split_once("expected ") {
            Some((_, expected)) => format!("expected {expected}"),
            None => "unknown value".to_owned(),
        },
        None => message.to_owned(),
    }
}

/// A new token.
///
/// # Errors
/// Where the system gives no randomness.
pub fn generate() -> Result<String, String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    Ok(format!("{PREFIX}{}", hex(&random)))
}

impl TokenHash {
    /// Of what somebody sent.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Its bytes, to be compared in constant time.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH}{}", hex(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = text.strip_prefix(HASH).and_then(unhex);
        bytes.map(Self).ok_or_else(|| {
            de::Error::custom(
                "hash must be \"sha256:\" and 64 hexadecimal digits, as `id-alloc token new` prints it",
            )
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
