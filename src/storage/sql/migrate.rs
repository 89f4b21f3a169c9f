//! `migrate up`, one at a time: sea-orm's migrations take no lock, and of four servers that migrate
//! at once three would fail.
//!
//! MySQL: a named lock, which belongs to a connection, so everything runs on a pool of one. SQLite:
//! one `BEGIN IMMEDIATE` transaction round the whole.

use super::SqlStore;
use super::dialect::{Backend, text_at};
use super::errors::{Kind, classify};
use crate::domain::BizTag;
use crate::storage::{Listing, NewTag, StoreError, Unusable};
use migration::{MigrationStatus, Migrator, MigratorTraitSelf};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use std::{path::Path, time::Duration};

/// How long to wait for another who migrates.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// The bound on a whole migration, the wait included.
const BOUND: Duration = Duration::from_secs(120);
/// Name of the lock: at most 64 characters, whatever the names of database and table.
const LOCK: &str = "CONCAT('id-alloc migrate ', SHA1(CONCAT(DATABASE(), '.', ?)))";

impl SqlStore {
    /// Applies what is pending and returns the names.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::Transient`] where another held the lock for 30 s.
    pub async fn migrate_up(&self) -> Result<Vec<String>, StoreError> {
        self.make_folder()?;
        let db = self.pool.single(LOCK_WAIT);
        let work = tokio::time::timeout(BOUND, async {
            match self.pool.backend {
                Backend::MySql => self.up_mysql(&db).await,
                Backend::Sqlite => self.up_sqlite(&db).await,
            }
        });
        let result = work.await.unwrap_or_else(|_| {
            Err(StoreError::UnknownOutcome(format!(
                "{}: the migration took longer than {} s",
                self.pool.place.endpoint,
                BOUND.as_secs()
            )))
        });
        // The server frees the lock with the connection, should the release have failed.
        let _ = tokio::time::timeout(Duration::from_secs(2), db.close_by_ref()).await;
        self.pool.current().inspection.store(None);
        if result.as_ref().is_ok_and(Vec::is_empty) {
            self.table_is_still_there().await?;
        }
        result
    }

    fn failed(&self, error: &DbErr) -> StoreError {
        match error {
            DbErr::Custom(text) | DbErr::Migration(text) => StoreError::from(
                Unusable::TableMisconfigured(format!("{}: {text}", self.pool.place.endpoint)),
            ),
            error => classify(error, Kind::Write, &self.pool.place).store,
        }
    }

    /// A table that vanished is not made anew: empty, it would hand the old ids out again.
    async fn table_is_still_there(&self) -> Result<(), StoreError> {
        let table = &self.settings.table;
        match self.list_rows(&Listing::page(None, 1)).await {
            Err(StoreError::Unusable(Unusable::TableMissing(_))) => {
                Err(Unusable::TableMissing(format!(
                    "table `{table}` was made and is gone: restore it from a backup and run \
                     `id-alloc tag advance --all --by N`; where its ids do not matter, drop \
                     `{table}_migrations` and run `id-alloc migrate up` again"
                ))
                .into())
            }
            _ => Ok(()),
        }
    }

    /// The folder of an embedded database's file.
    fn make_folder(&self) -> Result<(), StoreError> {
        let file = self.pool.file();
        let Some(folder) = file.as_deref().and_then(Path::parent) else {
            return Ok(());
        };
        std::fs::create_dir_all(folder).map_err(|error| {
            let folder = folder.display();
            Unusable::WrongDatabase(format!("the folder {folder} cannot be made: {error}")).into()
        })
    }

    async fn up_mysql(&self, db: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
        let failed = |error| self.failed(&error);
        let name = || vec![self.settings.table.as_str().into()];
        let wait = LOCK_WAIT.as_secs();
        let lock = Backend::MySql.statement(
            format!("SELECT CONVERT(GET_LOCK({LOCK}, {wait}) USING utf8mb4)"),
            name(),
        );
        let rows = db.query_all_raw(lock).await.map_err(failed)?;
        let got = rows.first().map(|row| text_at(row, 0)).transpose()?;
        if got.as_deref() != Some("1") {
            return Err(StoreError::Transient(format!(
                "{}: another `migrate up` has been running for {wait} s; try again when it is done",
                self.pool.place.endpoint
            )));
        }
        let result = apply(&self.migrator(), db, db).await.map_err(failed);
        let unlock = Backend::MySql.statement(format!("SELECT RELEASE_LOCK({LOCK})"), name());
        if let Err(error) = db.query_all_raw(unlock).await {
            tracing::debug!(%error, "the migration lock goes with its connection");
        }
        result
    }

    async fn up_sqlite(&self, db: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
        let failed = |error| self.failed(&error);
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let mut turns = 0;
        let transaction = loop {
            // Turning a new file to WAL does not wait for another who does the same.
            match db.begin_with_options(immediate).await.map_err(failed) {
                Ok(transaction) => break transaction,
                Err(StoreError::Transient(_)) if turns < 50 => turns += 1,
                Err(error) => return Err(error),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let applied = apply(&self.migrator(), &transaction, &transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(applied)
    }

    fn migrator(&self) -> Migrator {
        Migrator::new(self.settings.table.as_str())
    }

    /// Every migration and whether it is applied; changes nothing.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn migrate_status(&self) -> Result<Vec<(String, bool)>, StoreError> {
        let on = self.pool.current();
        let migrator = self.migrator();
        let bound = self.settings.acquire_timeout + self.settings.statement_timeout;
        let status = migrator.get_migration_with_status_read_only(&on.db);
        let all = tokio::time::timeout(bound, status).await.map_err(|_| {
            self.pool.renew(&on);
            StoreError::Transient(format!(
                "no answer from {}: timed out",
                self.pool.place.endpoint
            ))
        })?;
        let all = all.map_err(|error| self.failed(&error))?;
        Ok(all
            .iter()
            .map(|one| {
                (
                    one.name().to_owned(),
                    one.status() == MigrationStatus::Applied,
                )
            })
            .collect())
    }

    /// The embedded default: makes folder, file and table, and the tag `test` where there is none.
    /// On a server it does nothing.
    ///
    /// # Errors
    /// [`Unusable::WrongDatabase`] where the folder cannot be made; else as for any statement.
    pub async fn prepare_embedded(&self) -> Result<(), StoreError> {
        if self.pool.file().is_none() {
            return Ok(());
        }
        self.migrate_up().await?;
        if !self.list_rows(&Listing::page(None, 1)).await?.is_empty() {
            return Ok(());
        }
        let Ok(tag) = BizTag::parse("test") else {
            return Ok(());
        };
        let new = NewTag {
            tag,
            start: 0,
            step: 100_000.min(self.limits.max_step),
            description: "made at the first start".to_owned(),
        };
        match self.create_row(&new).await {
            // Another process was first.
            Err(StoreError::Exists(_)) => Ok(()),
            other => other,
        }
    }
}

/// Applies what is pending, and says what that was.
async fn apply<'c, C, E>(migrator: &Migrator, db: &C, executor: E) -> Result<Vec<String>, DbErr>
where
    C: ConnectionTrait,
    E: sea_orm::IntoDatabaseExecutor<'c>,
{
    let pending = migrator.get_pending_migrations(db).await?;
    let names = pending.iter().map(|one| one.name().to_owned()).collect();
    migrator.up(executor, None).await?;
    Ok(names)
}
