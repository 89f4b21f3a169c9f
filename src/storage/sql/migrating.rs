//! What the migrations of each kind of database have in common.

use super::errors::{Kind, Place, classify};
use crate::storage::{StoreError, Unusable};
use migration::{Migrator, MigratorTraitSelf};
use sea_orm::{ConnectionTrait, DbErr, RuntimeErr, sqlx};
use std::time::Duration;

/// How long to wait for another who migrates.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(30);

/// What an error of a migration means.
pub(super) fn failed(error: &DbErr, place: &Place) -> StoreError {
    let classified = |error, kind| classify(error, kind, place).store;
    match error {
        DbErr::Custom(text) | DbErr::Migration(text) => {
            Unusable::TableMisconfigured(format!("{}: {text}", place.endpoint)).into()
        }
        DbErr::Conn(RuntimeErr::SqlxError(error)) => classified(error, None),
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            classified(error, Some(Kind::Write))
        }
        DbErr::ConnectionAcquire(_) => classified(&sqlx::Error::PoolTimedOut, None),
        other => StoreError::Transient(format!("{}: {other}", place.endpoint)),
    }
}

/// Applies what is pending, and says what that was.
pub(super) async fn apply<'c, C, E>(
    place: &Place,
    db: &C,
    executor: E,
) -> Result<Vec<String>, DbErr>
where
    C: ConnectionTrait,
    E: sea_orm::IntoDatabaseExecutor<'c> + Copy,
{
    let migrator = Migrator::new(place.table.as_str());
    migrator.is_ours(executor).await?;
    let pending = migrator.get_pending_migrations(db).await?;
    let names = pending.iter().map(|one| one.name().to_owned()).collect();
    migrator.up(executor, None).await?;
    Ok(names)
}
