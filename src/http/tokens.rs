//! `Tokens`: the access tokens in force, read again when their file changes.

use crate::config::tokens::{self, Entry, TokenHash};
use actix_web::http::header::{self, HeaderMap};
use arc_swap::ArcSwap;
use std::{path::PathBuf, sync::Arc, time::Duration};
use subtle::ConstantTimeEq as _;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The tokens of one file.
#[derive(Debug)]
pub struct Tokens<T> {
    path: PathBuf,
    /// The configuration key that names the file.
    key: &'static str,
    held: ArcSwap<Vec<Arc<T>>>,
}

impl<T: Entry> Tokens<T> {
    /// Reads the file.
    ///
    /// # Errors
    /// What cannot be read; no value of the file is quoted.
    pub fn read(path: PathBuf, key: &'static str) -> Result<Arc<Self>, String> {
        let held = shared(tokens::read(&path)?);
        Ok(Arc::new(Self {
            path,
            key,
            held: ArcSwap::from_pointee(held),
        }))
    }

    /// Reads the file again whenever it has changed, for as long as the server runs. What cannot be read
    /// leaves the tokens in force as they are, and is said once.
    pub async fn watch(self: Arc<Self>) {
        let mut said = None;
        loop {
            actix_web::rt::time::sleep(LOOK).await;
            let path = self.path.clone();
            let read = actix_web::rt::task::spawn_blocking(move || tokens::read::<T>(&path)).await;
            let problem = match read {
                Ok(Ok(read)) => {
                    self.take_in(read);
                    None
                }
                Ok(Err(reason)) => Some(reason),
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = problem.as_ref().filter(|_| problem != said) {
                tracing::error!(key = self.key, %reason, "the tokens stay as they were");
            }
            said = problem;
        }
    }

    fn take_in(&self, read: Vec<T>) {
        let read = shared(read);
        if **self.held.load() != read {
            tracing::info!(
                key = self.key,
                tokens = read.len(),
                "the file of tokens has changed"
            );
            self.held.store(Arc::new(read));
        }
    }

    /// Whose token was sent with a request, if it is one of these.
    pub(super) fn holder(&self, headers: &HeaderMap) -> Option<Arc<T>> {
        let sent = TokenHash::of(bearer(headers)?);
        let mut holder = None;
        // Each is looked at, to the last byte: how long it takes tells nothing.
        for token in self.held.load().iter() {
            if bool::from(token.hash().bytes().ct_eq(sent.bytes())) {
                holder = Some(token.clone());
            }
        }
        holder
    }
}

fn shared<T>(tokens: Vec<T>) -> Vec<Arc<T>> {
    tokens.into_iter().map(Arc::new).collect()
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
