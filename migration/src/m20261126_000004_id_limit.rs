//! Gives a tag an end of its own: `id_limit`, 0 where it has none.
//!
//! Only servers that know the column heed it. A server of an earlier version, or go-id-alloc, claims beyond it; those
//! that know it then give nothing more. No claim writes the column, so its index costs claims nothing; it is there to
//! find the few tags that have a limit without reading all rows.

use crate::m20261123_000001_segments::quoted;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The fourth migration, for the table of this name.
pub(crate) struct IdLimit {
    pub(crate) table: String,
}

impl MigrationName for IdLimit {
    fn name(&self) -> &str {
        "m20261126_000004_id_limit"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for IdLimit {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let table = quoted(&self.table, sqlite);
        if !manager.has_column(&self.table, "id_limit").await? {
            let comment = match sqlite {
                true => "",
                false => " COMMENT 'no id reaches it; 0: none of its own'",
            };
            let add = format!(
                "ALTER TABLE {table} ADD COLUMN id_limit bigint NOT NULL DEFAULT 0{comment}"
            );
            db.execute_unprepared(&add).await?;
        }
        // A statement of its own: together with the column, MySQL would build the table anew.
        let name = format!("{}_id_limit", self.table);
        if !manager.has_index(&self.table, &name).await? {
            let index = quoted(&name, sqlite);
            db.execute_unprepared(&format!("CREATE INDEX {index} ON {table} (id_limit)"))
                .await?;
        }
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "the column ends tags where callers can hold no larger id; it is not taken away again"
                .to_owned(),
        ))
    }
}
