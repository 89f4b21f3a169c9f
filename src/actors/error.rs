//! `AllocError`: every way in which a request for ids is refused.

use crate::storage::{StoreError, Unusable};
use std::time::{Duration, Instant};

/// Why no ids were given. Texts are for callers, whoever they are, and say what to do: no address, user or error of the
/// database stands in them. [`AllocError::detail`] is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocError {
    /// No row of exactly this name.
    #[error("unknown biz_tag; create it with `id-alloc tag create`")]
    UnknownTag,
    /// The tag's row cannot be used.
    #[error("{0}")]
    TagMisconfigured(String),
    /// The tag has no ids left below the limit.
    #[error("{0}")]
    TagExhausted(String),
    /// None came in time, or the tag's actor failed; try again.
    #[error("no available id: {0}")]
    NoAvailableId(String),
    /// A claim failed for a reason of the store's that may pass, which this is; try again.
    #[error(
        "no available id: the database does not answer, or takes no writes; the server's log says more"
    )]
    StoreFailed(String),
    /// More is asked for than the tag may hand out by now.
    #[error("{text}; try again in {:.1} s", remaining(*until).as_secs_f64())]
    AllowanceUsedUp {
        /// When it may.
        until: Instant,
        /// What was asked for, and what would permit it at once.
        text: String,
    },
    /// The segments table is not there.
    #[error("the table is missing; run `id-alloc migrate up`; the server's log says where")]
    TableMissing(String),
    /// The store answers, but cannot serve: wrong table, password or database.
    #[error("the database cannot be used as it is; the server's log says what to change")]
    TableMisconfigured(String),
    /// The tag's row moved between primaries too often.
    #[error("{0}")]
    FailoverFlapping(String),
    /// A limit on waiting requests or loaded tags is reached.
    #[error("overloaded: {0}")]
    Overloaded(&'static str),
    /// The server is going down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl AllocError {
    /// The request's deadline has passed.
    #[must_use]
    pub fn too_late() -> Self {
        let text = "no ids arrived before the request's deadline; try again";
        Self::NoAvailableId(text.to_owned())
    }

    /// What happened, with what the database said: for operators alone.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::StoreFailed(detail)
            | Self::TableMissing(detail)
            | Self::TableMisconfigured(detail) => detail.clone(),
            other => other.to_string(),
        }
    }

    /// How long until the same may be asked for again, where that is known.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::AllowanceUsedUp { until, .. } => Some(remaining(*until)),
            _ => None,
        }
    }
}

fn remaining(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

impl From<StoreError> for AllocError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Transient(text)
            | StoreError::NoConnection(text)
            | StoreError::UnknownOutcome(text)
            | StoreError::ReadOnly(text) => Self::StoreFailed(text),
            StoreError::Rejected(text) | StoreError::Exists(text) => Self::NoAvailableId(text),
            StoreError::AllowanceUsedUp { wait, text } => Self::AllowanceUsedUp {
                until: Instant::now() + wait,
                text,
            },
            // Of an administrator's call; no claim fails so.
            error @ StoreError::Changed => Self::NoAvailableId(error.to_string()),
            StoreError::UnknownTag => Self::UnknownTag,
            StoreError::TagMisconfigured(text) => Self::TagMisconfigured(text),
            StoreError::TagExhausted(text) => Self::TagExhausted(text),
            StoreError::FailoverFlapping(text) => Self::FailoverFlapping(text),
            StoreError::Unusable(Unusable::TableMissing(text)) => Self::TableMissing(text),
            StoreError::Unusable(
                Unusable::TableMisconfigured(text)
                | Unusable::AccessDenied(text)
                | Unusable::WrongDatabase(text),
            ) => Self::TableMisconfigured(text),
        }
    }
}
