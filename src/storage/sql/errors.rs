//! From a database's error to [`StoreError`], by number.
//!
//! The numbers decide, never the text. Whether a failed write may have been committed depends on
//! whether the statement was sent: sea-orm reports what happens before as `Conn` or
//! `ConnectionAcquire`, what happens after as `Exec` or `Query`.

use crate::storage::{StoreError, Unusable};
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlxMySqlError, SqlxSqliteError};

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
    /// The pool was replaced before the statement was sent: the new one will do.
    pub(super) superseded: bool,
    /// The connection is of no use any more; the others of its pool hardly are.
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
            superseded: false,
            duplicate: false,
            broken: false,
        }
    }
}

/// What the texts name: never a password.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `mysql://user@host:3306/db` or `sqlite:///abs/path`.
    pub(super) endpoint: String,
    /// The table's name, unquoted.
    pub(super) table: String,
}

/// Deadlock: nothing was changed, and trying at once helps.
pub(super) const DEADLOCK: u16 = 1213;
/// A column that is not there.
pub(super) const UNKNOWN_COLUMN: u16 = 1054;
/// A row of that key exists.
const DUPLICATE: u16 = 1062;

pub(super) fn classify(error: &DbErr, kind: Kind, place: &Place) -> SqlError {
    let (runtime, sent) = match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => {
            return unreachable_store(place, "no connection in time");
        }
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => {
            return superseded();
        }
        DbErr::Conn(runtime) => (runtime, false),
        DbErr::Exec(runtime) | DbErr::Query(runtime) => (runtime, true),
        other => return StoreError::Transient(format!("{}: {other}", place.endpoint)).into(),
    };
    let RuntimeErr::SqlxError(error) = runtime else {
        return lost(kind, sent, place, &runtime.to_string());
    };
    match error.as_ref() {
        SqlxError::Database(database) => {
            if let Some(error) = database.try_downcast_ref::<SqlxMySqlError>() {
                by_mysql_number(error.number(), error.message(), kind, place)
            } else if let Some(error) = database.try_downcast_ref::<SqlxSqliteError>() {
                let duplicate = database.is_unique_violation();
                SqlError {
                    duplicate,
                    ..by_sqlite_code(error, place).into()
                }
            } else {
                lost(kind, sent, place, &database.to_string())
            }
        }
        SqlxError::PoolTimedOut => unreachable_store(place, "no connection in time"),
        SqlxError::PoolClosed => superseded(),
        SqlxError::Configuration(why) => StoreError::from(Unusable::WrongDatabase(format!(
            "{}: {why}",
            place.endpoint
        )))
        .into(),
        SqlxError::ColumnNotFound(_)
        | SqlxError::ColumnDecode { .. }
        | SqlxError::Decode(_)
        | SqlxError::TypeNotFound { .. }
        | SqlxError::ColumnIndexOutOfBounds { .. } => StoreError::from(
            Unusable::TableMisconfigured(format!("table `{}`: {error}", place.table)),
        )
        .into(),
        other => lost(kind, sent, place, &other.to_string()),
    }
}

fn superseded() -> SqlError {
    SqlError {
        superseded: true,
        ..StoreError::Transient("the connections are closed".into()).into()
    }
}

fn unreachable_store(place: &Place, why: &str) -> SqlError {
    StoreError::Transient(format!("cannot reach {}: {why}", place.endpoint)).into()
}

/// The connection went away.
fn lost(kind: Kind, sent: bool, place: &Place, why: &str) -> SqlError {
    if !sent {
        return unreachable_store(place, why);
    }
    let store = match kind {
        Kind::Write => StoreError::UnknownOutcome(format!(
            "no answer from {}, what was sent may have been done: {why}",
            place.endpoint
        )),
        Kind::Read => StoreError::Transient(format!("no answer from {}: {why}", place.endpoint)),
    };
    SqlError {
        store,
        mysql: None,
        superseded: false,
        duplicate: false,
        broken: true,
    }
}

/// A statement that did not answer in time.
pub(super) fn timed_out(kind: Kind, sent: bool, place: &Place) -> SqlError {
    lost(kind, sent, place, "timed out")
}

fn by_mysql_number(number: u16, message: &str, kind: Kind, place: &Place) -> SqlError {
    let table = &place.table;
    let text = || format!("{}: {message} ({number})", place.endpoint);
    let store = match number {
        // The server went away while the statement ran: a commit may have happened before.
        1053 | 1158..=1161 | 1927 | 2006 | 2013 | 1180 if kind == Kind::Write => {
            StoreError::UnknownOutcome(text())
        }
        1290 | 1792 | 1836 => {
            StoreError::ReadOnly(format!("the database is read-only: {}", text()))
        }
        1146 => table_missing(table),
        1044 | 1045 | 1142 | 1143 | 1227 | 1698 | 1251 | 2059 | 3159 => {
            Unusable::AccessDenied(text()).into()
        }
        1046 | 1049 => Unusable::WrongDatabase(text()).into(),
        UNKNOWN_COLUMN => Unusable::TableMisconfigured(format!(
            "table `{table}` lacks a column: {message}; run `id-alloc migrate up`"
        ))
        .into(),
        1690 => StoreError::TagExhausted(format!("the row's numbers leave 64 bits: {message}")),
        1264 => StoreError::TagMisconfigured(format!(
            "the row's numbers do not fit their columns: {message}; correct max_id and step"
        )),
        // Characters the column cannot hold: no such row can exist.
        1267 | 1366 | 3854 | 3988 => StoreError::UnknownTag,
        // Deadlock, lock wait, too many connections, shutdown, kill, Galera without quorum …; and
        // whatever else: the server answered that it did nothing.
        _ => StoreError::Transient(text()),
    };
    SqlError {
        broken: matches!(store, StoreError::UnknownOutcome(_))
            || matches!(number, 1053 | 1927 | 2006 | 2013 | 1047),
        store,
        duplicate: number == DUPLICATE,
        mysql: Some(number),
        superseded: false,
    }
}

fn table_missing(table: &str) -> StoreError {
    Unusable::TableMissing(format!(
        "table `{table}` is missing: on a new database run `id-alloc migrate up`, else restore it"
    ))
    .into()
}

fn by_sqlite_code(error: &SqlxSqliteError, place: &Place) -> StoreError {
    use sea_orm::sqlx::error::DatabaseError;
    let message = DatabaseError::message(error);
    let code = error
        .code()
        .and_then(|code| code.parse::<i32>().ok())
        .unwrap_or(1);
    let text = |what: &str| format!("{}: {what}: {message} ({code})", place.endpoint);
    match code & 0xff {
        1 if message.starts_with("no such table") => table_missing(&place.table),
        1 if message.contains("no such column") || message.contains("has no column") => {
            Unusable::TableMisconfigured(format!(
                "table `{}`: {message}; run `id-alloc migrate up`",
                place.table
            ))
            .into()
        }
        3 | 23 => Unusable::AccessDenied(text("no right to it")).into(),
        5 | 6 => StoreError::Transient(text("held by another process")),
        8 => StoreError::ReadOnly(text("the file is read-only")),
        // fsync may fail after the commit record was written.
        10 => StoreError::UnknownOutcome(text("input or output failed")),
        13 => StoreError::Transient(text("the disk is full")),
        14 => Unusable::WrongDatabase(text(
            "the file cannot be opened; its folder must exist and be writable",
        ))
        .into(),
        11 | 26 => Unusable::WrongDatabase(text("not a SQLite database, or damaged")).into(),
        _ => StoreError::Transient(text("failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(number: u16, kind: Kind) -> StoreError {
        let place = Place {
            endpoint: "mysql://u@h:3306/db".into(),
            table: "segments".into(),
        };
        by_mysql_number(number, "m", kind, &place).store
    }

    #[test]
    fn numbers_that_may_help_to_try_again_are_transient() {
        for number in [1205, 1213, 1047, 1040, 1203, 1226, 1317, 3024, 4711] {
            let error = mysql(number, Kind::Write);
            assert!(matches!(error, StoreError::Transient(_)), "{number}");
        }
    }

    #[test]
    fn a_server_that_goes_away_leaves_a_write_unknown_and_a_read_transient() {
        for number in [1053, 1158, 1161, 1927, 2006, 2013, 1180] {
            assert!(matches!(
                mysql(number, Kind::Write),
                StoreError::UnknownOutcome(_)
            ));
            assert!(matches!(
                mysql(number, Kind::Read),
                StoreError::Transient(_)
            ));
        }
    }

    #[test]
    fn permanent_numbers_have_their_kind() {
        use Unusable::{AccessDenied, TableMisconfigured, TableMissing, WrongDatabase};
        assert!(matches!(mysql(1290, Kind::Write), StoreError::ReadOnly(_)));
        assert!(matches!(
            mysql(1146, Kind::Read),
            StoreError::Unusable(TableMissing(_))
        ));
        assert!(matches!(
            mysql(1045, Kind::Read),
            StoreError::Unusable(AccessDenied(_))
        ));
        assert!(matches!(
            mysql(1049, Kind::Read),
            StoreError::Unusable(WrongDatabase(_))
        ));
        assert!(matches!(
            mysql(1054, Kind::Read),
            StoreError::Unusable(TableMisconfigured(_))
        ));
        assert!(matches!(
            mysql(1690, Kind::Write),
            StoreError::TagExhausted(_)
        ));
        assert!(matches!(
            mysql(1264, Kind::Write),
            StoreError::TagMisconfigured(_)
        ));
        assert_eq!(mysql(1267, Kind::Write), StoreError::UnknownTag);
    }
}
