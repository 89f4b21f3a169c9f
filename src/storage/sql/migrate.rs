//! `migrate up`, one at a time: sea-orm's migrations take no lock, and of four servers that migrate
//! at once three would fail.
//! How they are kept apart stands with each database.

use super::SqlStore;
use super::migrating::{LOCK_WAIT, failed};
use super::sqlite::marker;
use crate::domain::BizTag;
use crate::storage::{Listing, NewTag, StoreError, TagAdministration as _, Unusable};
use migration::{MigrationStatus, Migrator, MigratorTraitSelf as _};
use sea_orm::{ConnectionTrait as _, Statement};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The bound on a whole migration, the wait included.
const BOUND: Duration = Duration::from_secs(120);

impl SqlStore {
    /// What it works on, for people: the table, and the database without password.
    #[must_use]
    pub fn place(&self) -> String {
        let place = &self.pool.place;
        format!("table {} of {}", place.table, place.endpoint)
    }

    /// Applies what is pending and returns the names.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::Transient`] where another held the lock for 30 s.
    pub async fn migrate_up(&self) -> Result<Vec<String>, StoreError> {
        self.file_is_not_gone()?;
        self.make_folder()?;
        self.pool.reach().await?;
        let database = &self.pool.database;
        let db = database.single(LOCK_WAIT);
        let work = tokio::time::timeout(BOUND, database.migrate(&self.pool.place, &db));
        let result = work.await.unwrap_or_else(|_| {
            Err(StoreError::UnknownOutcome(format!(
                "{}: the migration took longer than {} s",
                self.pool.place.endpoint,
                BOUND.as_secs()
            )))
        });
        // The server frees the lock with the connection, should the release have failed.
        let _ = tokio::time::timeout(Duration::from_secs(2), db.close_by_ref()).await;
        self.pool.inspected(self.pool.renewal().epoch(), None);
        let result = self.reached(result).await;
        if result.is_ok() {
            self.mark_file();
        }
        if result.as_ref().is_ok_and(Vec::is_empty) {
            self.table_is_still_there().await?;
        }
        result
    }

    /// Where that failed since no connection could be made: why, which the driver's own pool keeps to itself.
    async fn reached<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Transient(_)) = result {
            self.pool.acquire().await?;
        }
        result
    }

    /// A table that vanished is not made anew: empty, it would hand the old ids out again.
    async fn table_is_still_there(&self) -> Result<(), StoreError> {
        let table = &self.settings.table;
        match self.list(&Listing::page(None, 1)).await {
            Err(StoreError::Unusable(Unusable::TableMissing(_))) => {
                Err(Unusable::TableMissing(format!(
                    "table `{table}` existed and is gone: restore it from a backup and run \
                     `id-alloc tag advance --all --now --by N`; where its ids do not matter, drop \
                     `{table}_migrations` and run `id-alloc migrate up` again"
                ))
                .into())
            }
            _ => Ok(()),
        }
    }

    /// The file of an embedded database, and the one beside it that says so.
    fn marker(&self) -> Option<(&Path, PathBuf)> {
        let file = self.pool.database.file()?;
        Some((file, marker(file)))
    }

    /// A file that was there and is gone is not made anew either.
    fn file_is_not_gone(&self) -> Result<(), StoreError> {
        match self.marker() {
            Some((file, marker)) if !file.exists() && marker.exists() => {
                Err(Unusable::TableMissing(format!(
                    "{} is gone, but ids were claimed from it: put the newest copy in its place and run `id-alloc tag \
                     advance --all --now --by N`; where its ids do not matter, delete {} too",
                    file.display(),
                    marker.display()
                ))
                .into())
            }
            _ => Ok(()),
        }
    }

    /// Notes beside an embedded database's file that it is there.
    fn mark_file(&self) {
        let Some((_, marker)) = self.marker().filter(|(_, marker)| !marker.exists()) else {
            return;
        };
        let text = "Ids are claimed from the file beside this one. Were it deleted alone, id-alloc would not begin anew.\n";
        if let Err(error) = std::fs::write(&marker, text) {
            tracing::warn!(%error, file = %marker.display(), "cannot note that ids are claimed from the database beside it");
        }
    }

    /// The folder of an embedded database's file.
    fn make_folder(&self) -> Result<(), StoreError> {
        let file = self.pool.database.file();
        let Some(folder) = file.and_then(Path::parent) else {
            return Ok(());
        };
        std::fs::create_dir_all(folder).map_err(|error| {
            let folder = folder.display();
            Unusable::WrongDatabase(format!("cannot create the folder {folder}: {error}")).into()
        })
    }

    /// Every migration and whether it is applied; changes nothing.
    pub async fn migrate_status(&self) -> Result<Vec<(String, bool)>, StoreError> {
        self.pool.reach().await?;
        let db = self.pool.database.single(LOCK_WAIT);
        let place = &self.pool.place;
        let migrator = Migrator::new(place.table.as_str());
        let bound = self.settings.acquire_timeout + self.settings.statement_timeout;
        let all = tokio::time::timeout(bound, async {
            // Who may not read the companion table is told that it does not exist, and all would look pending.
            let seen = format!("SELECT 1 FROM `{}_migrations` LIMIT 1", self.settings.table);
            let seen = db.query_one_raw(Statement::from_string(db.get_database_backend(), seen));
            match seen.await.map_err(|error| failed(&error, place)) {
                Err(StoreError::Unusable(Unusable::AccessDenied(why))) => {
                    Err(self.cannot_see(&why))
                }
                _ => Ok(migrator.get_migration_with_status_read_only(&db).await),
            }
        })
        .await;
        let _ = tokio::time::timeout(Duration::from_secs(2), db.close_by_ref()).await;
        let all = all.map_err(|_| {
            StoreError::Transient(format!(
                "no answer from {}: timed out",
                self.pool.place.endpoint
            ))
        })??;
        let all = all.map_err(|error| failed(&error, place));
        let all = self.reached(all).await?;
        let applied = all.iter().map(|one| {
            let is_applied = one.status() == MigrationStatus::Applied;
            (one.name().to_owned(), is_applied)
        });
        Ok(applied.collect())
    }

    fn cannot_see(&self, why: &str) -> StoreError {
        Unusable::AccessDenied(format!(
            "cannot see which migrations are applied: {why}; grant SELECT on `{}_migrations`, or ask as the user \
             that runs `migrate up`",
            self.settings.table
        ))
        .into()
    }

    /// Where an embedded database has no file yet: makes folder, file and table, but no tag. Elsewhere it does nothing.
    ///
    /// # Errors
    /// [`Unusable::WrongDatabase`] where the folder cannot be made; else as for any statement.
    pub async fn prepare_new_file(&self) -> Result<(), StoreError> {
        match self.pool.database.file() {
            Some(file) if !file.exists() => self.migrate_up().await.map(drop),
            _ => {
                self.mark_file();
                Ok(())
            }
        }
    }

    /// The embedded default: makes folder, file and table, and the tag `test` where there is none.
    /// On a server it does nothing.
    ///
    /// # Errors
    /// [`Unusable::WrongDatabase`] where the folder cannot be made; else as for any statement.
    pub async fn prepare_embedded(&self) -> Result<(), StoreError> {
        if self.pool.database.file().is_none() {
            return Ok(());
        }
        self.migrate_up().await?;
        if !self.list(&Listing::page(None, 1)).await?.is_empty() {
            return Ok(());
        }
        let Ok(tag) = BizTag::parse("test") else {
            return Ok(());
        };
        let new = NewTag {
            tag,
            start: 0,
            step: 100_000.min(self.limits.max_step),
            description: "created at the first start".to_owned(),
            id_limit: None,
        };
        match self.create(&new).await {
            // Another process was first.
            Err(StoreError::Exists(_)) => Ok(()),
            other => other,
        }
    }
}
