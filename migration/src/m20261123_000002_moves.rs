//! Counts, per tag, how often the guard has moved or raised the row, for those who look after it.

use crate::m20261123_000001_segments::quoted;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The second migration, for the table of this name.
pub(crate) struct Moves {
    pub(crate) table: String,
}

impl MigrationName for Moves {
    fn name(&self) -> &str {
        "m20261123_000002_moves"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Moves {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column(&self.table, "moves").await? {
            return Ok(());
        }
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let comment = match sqlite {
            true => "",
            false => " COMMENT 'how often the guard moved or raised the row'",
        };
        let table = quoted(&self.table, sqlite);
        let add =
            format!("ALTER TABLE {table} ADD COLUMN moves bigint NOT NULL DEFAULT 0{comment}");
        manager.get_connection().execute_unprepared(&add).await?;
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "the guard counts its moves here; the column is not taken away again".to_owned(),
        ))
    }
}
