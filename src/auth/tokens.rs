//! `Tokens`: the access tokens in force.

use super::{Content, Entry, TokenHash, Watched, entries};
use std::{path::PathBuf, sync::Arc};
use subtle::ConstantTimeEq as _;

/// The tokens of one file.
pub type Tokens<T> = Watched<Vec<Arc<T>>>;

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No token was sent.
    #[error("send a token: `Authorization: Bearer TOKEN`")]
    Missing,
    /// What was sent is none of those in force.
    #[error("this server does not know the token: it is mistyped, revoked, or for another server")]
    Unknown,
}

impl<T: Entry> Content for Vec<Arc<T>> {
    fn parse(files: &[(PathBuf, Vec<u8>)]) -> Result<Self, String> {
        let mut tokens = Vec::new();
        for (path, bytes) in files {
            let wrong = |reason: &str| format!("{}: {reason}", path.display());
            let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not text"))?;
            let read = entries::parse(text).map_err(|reason| wrong(&reason))?;
            tokens.extend(read.into_iter().map(Arc::new));
        }
        Ok(tokens)
    }
}

impl<T: Entry> Tokens<T> {
    /// Whose token this is.
    pub fn holder(&self, sent: Option<&str>) -> Result<Arc<T>, Denied> {
        let sent = TokenHash::of(sent.ok_or(Denied::Missing)?);
        find(&self.get(), &sent)
    }
}

/// Whose token of these this is.
fn find<T: Entry>(tokens: &[Arc<T>], sent: &TokenHash) -> Result<Arc<T>, Denied> {
    let mut holder = Err(Denied::Unknown);
    // Each is looked at, to the last byte: how long it takes tells nothing.
    for token in tokens {
        if bool::from(token.who().1.bytes().ct_eq(sent.bytes())) {
            holder = Ok(token.clone());
        }
    }
    holder
}

/// A token that was shown once and counts from then on, on a connection, for as long as it is in force.
#[derive(Debug)]
pub struct Login<T> {
    sent: TokenHash,
    /// Those among which it was last looked for.
    among: Arc<Vec<Arc<T>>>,
    holder: Arc<T>,
}

impl<T: Entry> Login<T> {
    /// Whose token this is.
    pub fn new(tokens: &Tokens<T>, sent: &str) -> Result<Self, Denied> {
        let (sent, among) = (TokenHash::of(sent), tokens.get());
        Ok(Self {
            holder: find(&among, &sent)?,
            among: Arc::clone(&among),
            sent,
        })
    }

    /// The holder, by what the file says now; it is looked for again only where the file has changed.
    pub fn holder(&mut self, tokens: &Tokens<T>) -> Result<&T, Denied> {
        let now = tokens.get();
        if !Arc::ptr_eq(&now, &self.among) {
            self.holder = find(&now, &self.sent)?;
            self.among = Arc::clone(&now);
        }
        Ok(&self.holder)
    }
}

/// The token of a header `Authorization: Bearer TOKEN`.
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
