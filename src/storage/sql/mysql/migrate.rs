//! Migrations one at a time: a named lock, which belongs to a connection, so everything runs on a pool of
//! one.
//!
//! The lock saves those who come second from meeting the first one; it is not what makes them safe. Behind Vitess
//! it may not exclude, and a proxy may not know it. Each step looks at what is there, so whoever finds that
//! another was faster looks anew.

use super::ending::{Endings, SERVER, Thread};
use super::errors::{DUPLICATE, LOCK_WAIT_OVER, UNKNOWN_COLUMN, UNKNOWN_ERROR};
use crate::storage::StoreError;
use crate::storage::sql::errors::Place;
use crate::storage::sql::migrating::{self, LOCK_WAIT};
use crate::storage::sql::row;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};
use sea_orm::{SqlxMySqlError, sqlx};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};

/// So long an ALTER waits for those who use the table at a time, and claims behind it. MariaDB can do without.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// What a server or proxy says that has no named locks: unknown, unsupported, no such function.
const NO_LOCKS: [u16; 4] = [UNKNOWN_ERROR, 1235, 1305, 1370];
/// Table, column, index or row is there already: another was faster.
const FASTER: [u16; 4] = [1050, 1060, 1061, DUPLICATE];
/// Turns against others who migrate at the same time, and the pause between them.
const TURNS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(200);
/// So long somebody who holds the table is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an ALTER may take once it has begun.
const LONGEST: Duration = Duration::from_secs(80);

/// Name of the lock: at most 64 characters, whatever the names of database and table. Hashed here, since
/// MySQL has taken its SHA1() away.
fn lock_name(place: &Place) -> String {
    let database = place.endpoint.rsplit('/').next().unwrap_or_default();
    let hash = Sha256::digest(format!("{database} {}", place.table));
    let hex: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("id-alloc migrate {hex}")
}

pub(super) async fn up(
    place: &Place,
    db: &DatabaseConnection,
    endings: &Endings,
) -> Result<Vec<String>, StoreError> {
    let failed = |error| migrating::failed(&error, place);
    let name = || vec![lock_name(place).into()];
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
                    place.endpoint
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
    let result = apply_between_others(place, db, endings).await;
    if result.is_ok() {
        until_known(&place.table, db).await;
    }
    if is_locked {
        let unlock =
            Statement::from_sql_and_values(DbBackend::MySql, "SELECT RELEASE_LOCK(?)", name());
        if let Err(error) = db.query_all_raw(unlock).await {
            tracing::debug!(%error, "the migration lock goes with its connection");
        }
    }
    result
}

/// Applies what is pending in a moment in which nobody uses the table, and again where another did a part of it
/// meanwhile. Somebody who has read the table in a transaction that is still open would hold up the ALTER, and the
/// ALTER all claims: so it never waits for long.
async fn apply_between_others(
    place: &Place,
    db: &DatabaseConnection,
    endings: &Endings,
) -> Result<Vec<String>, StoreError> {
    let thread = thread(db).await;
    // With 0 MariaDB does not wait at all; MySQL knows whole seconds from 1.
    let patience = "SET lock_wait_timeout = 1 /*M! , lock_wait_timeout = 0 */";
    if let Err(error) = db.execute_unprepared(patience).await {
        tracing::debug!(%error, "how long to wait for a lock of the table cannot be set");
    }
    let began = Instant::now();
    let mut turns = 0;
    loop {
        let applied = tokio::time::timeout(LONGEST, migrating::apply(place, db, db)).await;
        let Ok(applied) = applied else {
            if let Some(thread) = &thread {
                endings.end_other(thread).await;
            }
            return Err(StoreError::Transient(format!(
                "{}: changing the table took longer than {} s and was ended",
                place.endpoint,
                LONGEST.as_secs()
            )));
        };
        let error = match applied {
            Ok(applied) => return Ok(applied),
            Err(error) => error,
        };
        match number(&error) {
            Some(LOCK_WAIT_OVER) if began.elapsed() <= PATIENCE => {}
            Some(LOCK_WAIT_OVER) => {
                let who = blockers(&place.table, db).await;
                return Err(StoreError::Transient(format!(
                    "{}: somebody holds the table `{}`, and claims are not made to wait for that: {who}; nothing is \
                     left waiting in the database: run `id-alloc migrate up` again once they are done",
                    place.endpoint, place.table
                )));
            }
            Some(number) if FASTER.contains(&number) && turns < TURNS => {
                tracing::debug!(%error, "another migrates too");
                turns += 1;
            }
            _ => return Err(migrating::failed(&error, place)),
        }
        // Claims that waited for an attempt have their turn.
        tokio::time::sleep(PAUSE).await;
    }
}

/// vtgate hears of a sharded table's new columns a moment after they were made. Others know them at once.
async fn until_known(table: &str, db: &DatabaseConnection) {
    let newest = format!("SELECT id_limit FROM `{table}` LIMIT 0");
    for _ in 0..TURNS {
        let asked = Statement::from_string(DbBackend::MySql, newest.as_str());
        match db.query_all_raw(asked).await {
            Err(error) if number(&error) == Some(UNKNOWN_COLUMN) => {
                tokio::time::sleep(PAUSE).await;
            }
            _ => return,
        }
    }
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

/// What the server calls this connection.
async fn thread(db: &DatabaseConnection) -> Option<Thread> {
    let asked =
        format!("SELECT CONVERT(CONNECTION_ID() USING utf8mb4), CONVERT({SERVER} USING utf8mb4)");
    let rows = texts(db, &asked).await.ok()?;
    let mut row = rows.into_iter().next()?.into_iter();
    Some(Thread {
        id: row.next()?.parse().ok()?,
        server: row.next()?,
    })
}

/// Who holds the table, as far as the database's user may see that: id, account, seconds.
async fn blockers(table: &str, db: &DatabaseConnection) -> String {
    let holders = format!(
        "SELECT CONVERT(p.ID USING utf8mb4), CONVERT(CONCAT(p.USER, '@', p.HOST) USING utf8mb4), CONVERT(p.TIME USING utf8mb4) \
         FROM performance_schema.metadata_locks m \
         JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID \
         JOIN information_schema.PROCESSLIST p ON p.ID = t.PROCESSLIST_ID \
         WHERE m.OBJECT_SCHEMA = DATABASE() AND m.OBJECT_NAME = '{table}' AND m.LOCK_STATUS = 'GRANTED' \
         AND p.ID <> CONNECTION_ID() GROUP BY p.ID, p.USER, p.HOST, p.TIME ORDER BY p.TIME DESC LIMIT 3"
    );
    let transactions = "SELECT CONVERT(p.ID USING utf8mb4), CONVERT(CONCAT(p.USER, '@', p.HOST) USING utf8mb4), \
         CONVERT(TIMESTAMPDIFF(SECOND, x.trx_started, NOW()) USING utf8mb4) FROM information_schema.INNODB_TRX x \
         JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id \
         WHERE p.ID <> CONNECTION_ID() ORDER BY x.trx_started LIMIT 3";
    for asked in [holders.as_str(), transactions] {
        let Ok(rows) = texts(db, asked).await else {
            continue;
        };
        let told: Vec<String> = rows
            .iter()
            .filter_map(|row| match row.as_slice() {
                [id, who, seconds] => Some(format!(
                    "connection {id} of {who}, in a transaction for {seconds} s (to end it: KILL {id})"
                )),
                _ => None,
            })
            .collect();
        if !told.is_empty() {
            return told.join(", ");
        }
    }
    "who that is can be seen by an account with the PROCESS privilege, in information_schema.INNODB_TRX and \
     information_schema.PROCESSLIST"
        .to_owned()
}

async fn texts(db: &DatabaseConnection, asked: &str) -> Result<Vec<Vec<String>>, DbErr> {
    let statement = Statement::from_string(DbBackend::MySql, asked);
    let rows = db.query_all_raw(statement).await?;
    Ok(rows.iter().filter_map(|row| row::texts(row).ok()).collect())
}
