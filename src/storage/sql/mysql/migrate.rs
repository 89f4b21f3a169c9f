//! Migrations one at a time: a named lock, which belongs to a connection, so everything runs on a pool of
//! one.

use crate::storage::StoreError;
use crate::storage::sql::SqlStore;
use crate::storage::sql::migrate::{LOCK_WAIT, apply};
use crate::storage::sql::statements::text_at;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// So long an ALTER waits for those who use the table; claims wait behind it.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(1);

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
    let lock = Statement::from_sql_and_values(
        DbBackend::MySql,
        format!("SELECT CONVERT(GET_LOCK(?, {wait}) USING utf8mb4)"),
        name(),
    );
    let rows = db.query_all_raw(lock).await.map_err(failed)?;
    let got = rows.first().map(|row| text_at(row, 0)).transpose()?;
    if got.as_deref() != Some("1") {
        return Err(StoreError::Transient(format!(
            "{}: another `migrate up` has been running for {wait} s; try again when it is done",
            store.pool.place.endpoint
        )));
    }
    let result = apply(&store.migrator(), db, db).await.map_err(failed);
    let unlock = Statement::from_sql_and_values(DbBackend::MySql, "SELECT RELEASE_LOCK(?)", name());
    if let Err(error) = db.query_all_raw(unlock).await {
        tracing::debug!(%error, "the migration lock goes with its connection");
    }
    result
}
