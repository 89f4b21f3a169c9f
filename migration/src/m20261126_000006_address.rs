//! Has each server write down where others reach its admin API, so that one console shows all of them.
//!
//! A server of an earlier version leaves it empty.

use crate::m20261123_000001_segments::quoted;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The sixth migration, for the table of this name.
pub(crate) struct Address {
    pub(crate) table: String,
}

impl MigrationName for Address {
    fn name(&self) -> &str {
        "m20261126_000006_address"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Address {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let servers = format!("{}_servers", self.table);
        if !manager.has_column(&servers, "address").await? {
            let servers = quoted(&servers, sqlite);
            let add = format!(
                "ALTER TABLE {servers} ADD COLUMN address varchar(255) NOT NULL DEFAULT ''"
            );
            manager.get_connection().execute_unprepared(&add).await?;
        }
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "the column does no harm where it is; it may be dropped by hand".to_owned(),
        ))
    }
}
