//! Migrations one at a time: a named lock, which belongs to a connection, so everything runs on a pool of
//! one.
//!
//! The lock saves those who come second from meeting the first one; it is not what makes them safe. Behind Vitess
//! it may not exclude, and a proxy may not know it. Each step looks at what is there, so whoever finds that
//! another was faster looks anew.

use super::errors::{DUPLICATE, UNKNOWN_ERROR};
use crate::storage::StoreError;
use crate::storage::sql::SqlStore;
use crate::storage::sql::migrate::{LOCK_WAIT, apply};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};
use sea_orm::{SqlxMySqlError, sqlx};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// So long an ALTER waits for those who use the table; claims wait behind it.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// What a server or proxy says that has no named locks: unknown, unsupported, no such function.
const NO_LOCKS: [u16; 4] = [UNKNOWN_ERROR, 1235, 1305, 1370];
/// Table, column or row is there already: another was faster.
const FASTER: [u16; 3] = [1050, 1060, DUPLICATE];
/// Turns against others who migrate at the same time, and the pause between them.
const TURNS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(200);

/// Name of the lock: at most 64 characters, whatever the names of database and table. Hashed here, since
/// MySQL has taken its SHA1() away.
fn lock_name(store: &SqlStore) -> String {
    let place = &store.pool.place;
    let database = place.endpoint.rsplit('/').next().unwrap_or_default();
    let hash = Sha256::digest(format!("{database} {}", place.table));
    let hex: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("id-alloc migrate {hex}")
}

pub(super) async fn up(
    store: &SqlStore,
    db: &DatabaseConnection,
) -> Result<Vec<String>, StoreError> {
    let failed = |error| store.failed(&error);
    let name = || vec![lock_name(store).into()];
    let wait = LOCK_WAIT.as_secs();
    let lock = format!("SELECT GET_LOCK(?, {wait})");
    let lock = Statement::from_sql_and_values(DbBackend::MySql, lock, name());
    let is_locked = match db.query_one_raw(lock).await {
        Ok(row) => {
            let got = row.map(|row| row.try_get_by_index::<Option<i64>>(0));
            let got = got.transpose().map_err(failed)?.flatten();
            if got != Some(1) {
                return Err(StoreError::Transient(format!(
                    "{}: another `migrate up` has been running for {wait} s; try again when it is done",
                    store.pool.place.endpoint
                )));
            }
            true
        }
        Err(error) if number(&error).is_some_and(|number| NO_LOCKS.contains(&number)) => {
            tracing::debug!(%error, "there are no named locks");
            false
        }
        Err(error) => return Err(failed(error)),
    };
    let result = apply_whoever_is_faster(store, db).await.map_err(failed);
    if is_locked {
        let unlock =
            Statement::from_sql_and_values(DbBackend::MySql, "SELECT RELEASE_LOCK(?)", name());
        if let Err(error) = db.query_all_raw(unlock).await {
            tracing::debug!(%error, "the migration lock goes with its connection");
        }
    }
    result
}

/// Applies what is pending, and again where another did a part of it meanwhile.
async fn apply_whoever_is_faster(
    store: &SqlStore,
    db: &DatabaseConnection,
) -> Result<Vec<String>, DbErr> {
    for _ in 0..TURNS {
        match apply(&store.migrator(), db, db).await {
            Err(error) if number(&error).is_some_and(|number| FASTER.contains(&number)) => {
                tracing::debug!(%error, "another migrates too");
                tokio::time::sleep(PAUSE).await;
            }
            result => return result,
        }
    }
    apply(&store.migrator(), db, db).await
}

/// The server's number of an error.
fn number(error: &DbErr) -> Option<u16> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    let sqlx::Error::Database(error) = &**error else {
        return None;
    };
    let error = error.try_downcast_ref::<SqlxMySqlError>();
    error.map(SqlxMySqlError::number)
}
