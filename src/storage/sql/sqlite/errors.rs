//! What the error codes of SQLite mean.

use crate::storage::sql::errors::{Kind, Place, SqlError, lost, table_missing};
use crate::storage::{StoreError, Unusable};
use sea_orm::SqlxSqliteError;
use sea_orm::sqlx::error::DatabaseError;

pub(super) fn meaning(error: &dyn DatabaseError, kind: Kind, place: &Place) -> SqlError {
    match error.try_downcast_ref::<SqlxSqliteError>() {
        Some(known) => SqlError {
            duplicate: error.is_unique_violation(),
            ..by_code(known, place).into()
        },
        None => lost(Some(kind), place, error.message()),
    }
}

fn by_code(error: &SqlxSqliteError, place: &Place) -> StoreError {
    let message = DatabaseError::message(error);
    let code = error
        .code()
        .and_then(|code| code.parse::<i32>().ok())
        .unwrap_or(1);
    let text = |what: &str| format!("{}: {what}: {message} ({code})", place.endpoint);
    match code & 0xff {
        1 if message.starts_with("no such table") => table_missing(place),
        1 if message.contains("no such column") || message.contains("has no column") => {
            Unusable::TableMisconfigured(format!(
                "table `{}`: {message}; run `id-alloc migrate up`",
                place.table
            ))
            .into()
        }
        3 | 23 => {
            Unusable::AccessDenied(text("this process has no right to read and write the file"))
                .into()
        }
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
