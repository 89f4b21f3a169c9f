//! `IdAllocError`: every error of this crate, with what the server said.

use std::{fmt, time::Duration};

/// Every error of this crate. It can be cloned, since all who wait for the same range are told the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdAllocError {
    /// The tag does not exist. Create it (`id-alloc tag create`).
    #[error("unknown tag: {0}")]
    UnknownTag(Refusal),
    /// No ids are left below the server's `allocation.id_limit`.
    #[error("exhausted: {0}")]
    Exhausted(Refusal),
    /// The token is missing, wrong, or good for other tags only.
    #[error("unauthorized: {0}")]
    Unauthorized(Refusal),
    /// No ids came within the deadline. Another attempt later may succeed.
    #[error("tag {tag:?}: unavailable: no ids within {waited:?}{}", after(.last))]
    Unavailable {
        /// Whose ids were wanted.
        tag: String,
        /// How long the call waited.
        waited: Duration,
        /// The last attempt that failed: which server, and what it said.
        last: Option<String>,
    },
    /// The server refused for another reason that no retry can help, such as a name that no tag may have.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The client was closed.
    #[error("tag {tag:?}: the client is closed")]
    Closed {
        /// Whose ids were wanted.
        tag: String,
    },
    /// The tokio runtime on which ranges are fetched has ended. Make the client within one that lasts as long.
    #[error(
        "tag {tag:?}: the tokio runtime of the client has ended; make the client within one that lasts as long"
    )]
    RuntimeEnded {
        /// Whose ids were wanted.
        tag: String,
    },
    /// An option of the [`Builder`](crate::Builder) that cannot be meant; the text says which and what it wants.
    #[error("{0}")]
    Options(String),
}

impl IdAllocError {
    pub(crate) fn closed(tag: &str) -> Self {
        Self::Closed {
            tag: tag.to_owned(),
        }
    }
}

/// What a server answered to a request that it refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Whose ids were wanted.
    pub tag: String,
    /// The server's address, as it was given.
    pub server: String,
    /// The status of its answer.
    pub status: u16,
    /// Its code, such as `unknown_tag`; empty if it gave none.
    pub code: String,
    /// What it said.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = said(self.status, &self.code, &self.message);
        write!(f, "tag {:?}: {} answered {said}", self.tag, self.server)
    }
}

/// An answer in a message.
pub(crate) fn said(status: u16, code: &str, message: &str) -> String {
    let space = if code.is_empty() { "" } else { " " };
    format!("{status}{space}{code}: {message}")
}

fn after(last: &Option<String>) -> String {
    last.as_ref()
        .map_or_else(String::new, |last| format!(": {last}"))
}
