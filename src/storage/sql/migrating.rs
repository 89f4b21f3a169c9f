//! What the migrations of each kind of database have in common.

use super::errors::{Kind, Meaning, Place, classify};
use crate::storage::{StoreError, Unusable};
use migration::{Migrator, MigratorTraitSelf};
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, sqlx};
use std::time::Duration;

/// How long to wait for another who migrates.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Where it is applied, and what errors mean there.
pub(super) struct Migration<'a> {
    pub(super) place: &'a Place,
    pub(super) meaning: &'a dyn Meaning,
}

impl Migration<'_> {
    pub(super) fn migrator(&self) -> Migrator {
        Migrator::new(self.place.table.as_str())
    }

    /// What an error of a migration means.
    pub(super) fn failed(&self, error: &DbErr) -> StoreError {
        match error {
            DbErr::Custom(text) | DbErr::Migration(text) => StoreError::from(
                Unusable::TableMisconfigured(format!("{}: {text}", self.place.endpoint)),
            ),
            DbErr::Conn(RuntimeErr::SqlxError(error)) => {
                classify(error, None, self.meaning, self.place).store
            }
            DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error)) => {
                classify(error, Some(Kind::Write), self.meaning, self.place).store
            }
            DbErr::ConnectionAcquire(_) => {
                classify(&sqlx::Error::PoolTimedOut, None, self.meaning, self.place).store
            }
            other => StoreError::Transient(format!("{}: {other}", self.place.endpoint)),
        }
    }

    /// Applies what is pending, and says what that was.
    pub(super) async fn apply<'c, C, E>(&self, db: &C, executor: E) -> Result<Vec<String>, DbErr>
    where
        C: ConnectionTrait,
        E: sea_orm::IntoDatabaseExecutor<'c> + Copy,
    {
        let migrator = self.migrator();
        migrator.is_ours(executor).await?;
        let pending = migrator.get_pending_migrations(db).await?;
        let names = pending.iter().map(|one| one.name().to_owned()).collect();
        migrator.up(executor, None).await?;
        Ok(names)
    }
}
