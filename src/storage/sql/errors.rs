//! From a database's error to [`StoreError`]; what its numbers mean stands with each database.
//!
//! The numbers decide, never the text. Whether a failed write may have been committed depends on
//! whether its statement was sent: what fails before, while a connection is acquired, changed nothing.

use crate::storage::{StoreError, Unusable};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;

/// Whether a statement changes anything: an unknown outcome matters for writes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// A classified error, with the number for those who react to one.
#[derive(Debug)]
pub(super) struct SqlError {
    pub(super) store: StoreError,
    /// MySQL's error number.
    pub(super) mysql: Option<u16>,
    /// A row of that key exists.
    pub(super) duplicate: bool,
    /// The connection is of no use any more, and others of its pool may not be.
    pub(super) broken: bool,
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        error.store
    }
}

impl From<StoreError> for SqlError {
    fn from(store: StoreError) -> Self {
        Self {
            store,
            mysql: None,
            duplicate: false,
            broken: false,
        }
    }
}

/// What an error of a server of this kind means.
type Meaning = fn(&dyn DatabaseError, Kind, &Place) -> SqlError;

/// What the texts name, never a password, and what errors mean there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `mysql://user@host:3306/db` or `sqlite:///abs/path`.
    pub(super) endpoint: String,
    /// The table's name, unquoted.
    pub(super) table: String,
    pub(super) meaning: Meaning,
}

/// What an error means. `kind` is that of the statement under way; `None` where no connection was there yet,
/// so nothing was sent.
pub(super) fn classify(error: &SqlxError, kind: Option<Kind>, place: &Place) -> SqlError {
    match error {
        SqlxError::Database(error) => {
            // What a server says before it takes a statement changed nothing.
            (place.meaning)(error.as_ref(), kind.unwrap_or(Kind::Read), place)
        }
        SqlxError::PoolTimedOut => unreachable_store(place, "no connection was free in time"),
        SqlxError::PoolClosed => unreachable_store(place, "the connections are closed"),
        SqlxError::Io(error) if kind.is_none() => unreachable_store(
            place,
            &format!("{error}; check that the database runs there, and that its URL is right"),
        ),
        SqlxError::Configuration(why) => StoreError::from(Unusable::WrongDatabase(format!(
            "{}: {why}",
            place.endpoint
        )))
        .into(),
        SqlxError::ColumnNotFound(_)
        | SqlxError::ColumnDecode { .. }
        | SqlxError::Decode(_)
        | SqlxError::TypeNotFound { .. }
        | SqlxError::ColumnIndexOutOfBounds { .. } => unexpected(place, error),
        other => lost(kind, place, &other.to_string()),
    }
}

/// A value that is not what the column should hold.
pub(super) fn unexpected(place: &Place, error: &dyn std::fmt::Display) -> SqlError {
    StoreError::from(Unusable::TableMisconfigured(format!(
        "table `{}`: {error}",
        place.table
    )))
    .into()
}

fn unreachable_store(place: &Place, why: &str) -> SqlError {
    StoreError::Transient(format!("cannot reach {}: {why}", place.endpoint)).into()
}

/// The connection went away.
pub(super) fn lost(kind: Option<Kind>, place: &Place, why: &str) -> SqlError {
    let store = match kind {
        None => return unreachable_store(place, why),
        Some(Kind::Write) => StoreError::UnknownOutcome(format!(
            "no answer from {}; what was sent may have been carried out: {why}",
            place.endpoint
        )),
        Some(Kind::Read) => {
            StoreError::Transient(format!("no answer from {}: {why}", place.endpoint))
        }
    };
    SqlError {
        broken: true,
        ..store.into()
    }
}

/// A statement that did not answer in time.
pub(super) fn timed_out(kind: Option<Kind>, place: &Place) -> SqlError {
    lost(kind, place, "timed out")
}

pub(super) fn table_missing(place: &Place) -> StoreError {
    let table = &place.table;
    Unusable::TableMissing(format!(
        "table `{table}` is missing: on a new database run `id-alloc migrate up`, otherwise restore it"
    ))
    .into()
}
