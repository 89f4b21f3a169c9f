//! Exit codes, after BSD's sysexits.h where it has one.

use crate::{
    config::ConfigError,
    startup::StartError,
    storage::{StoreError, Unusable},
};
use std::process::ExitCode;

/// How a command failed: the code and one clear line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    code: u8,
    text: String,
}

impl Exit {
    /// A wrong call (64).
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::new(64, text)
    }

    /// The table cannot serve as it is (65).
    pub(super) fn table(text: impl Into<String>) -> Self {
        Self::new(65, text)
    }

    /// An internal error (70).
    pub fn internal(text: impl Into<String>) -> Self {
        Self::new(70, text)
    }

    /// What `doctor` found: not safe (1), or could not tell (2). Without a text where its result says so.
    pub(super) fn verdict(code: u8, text: impl Into<String>) -> Self {
        Self::new(code, text)
    }

    /// Somebody who is needed cannot be reached, or cannot serve now (69).
    pub(super) fn unavailable(text: impl Into<String>) -> Self {
        Self::new(69, text)
    }

    /// A running server refused: as the same refusal by the database would have ended.
    pub(super) fn refused(status: u16, code: &str, text: String) -> Self {
        let code = match (status, code) {
            (401 | 403, _) => 77,
            (400..=499, _) => 64,
            (_, "tag_misconfigured" | "table_missing" | "table_misconfigured")
            | (_, "tag_exhausted" | "failover_flapping") => 65,
            (500, _) => 70,
            _ => 69,
        };
        Self::new(code, text)
    }

    fn new(code: u8, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }

    /// What to print on standard error; empty where nothing is.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The process's exit code.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        self.code.into()
    }
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Transient(_)
            | StoreError::NoConnection(_)
            | StoreError::UnknownOutcome(_)
            | StoreError::ReadOnly(_)
            | StoreError::AllowanceUsedUp { .. } => 69,
            StoreError::Unusable(Unusable::AccessDenied(_)) => 77,
            StoreError::Unusable(Unusable::WrongDatabase(_)) => 78,
            StoreError::UnknownTag
            | StoreError::Rejected(_)
            | StoreError::Exists(_)
            | StoreError::Changed => 64,
            StoreError::Unusable(Unusable::TableMissing(_) | Unusable::TableMisconfigured(_))
            | StoreError::TagMisconfigured(_)
            | StoreError::TagExhausted(_)
            | StoreError::FailoverFlapping(_) => 65,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StartError> for Exit {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Config(text) => Self::new(78, text),
            StartError::Bind { .. } => Self::new(71, error.to_string()),
            StartError::Internal(text) => Self::internal(text),
        }
    }
}

impl From<ConfigError> for Exit {
    fn from(error: ConfigError) -> Self {
        match error.problems.len() {
            1 => Self::new(78, error.to_string()),
            number => Self::new(
                78,
                format!("{number} mistakes in the configuration:\n{error}"),
            ),
        }
    }
}
