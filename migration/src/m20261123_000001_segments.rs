//! Makes the segments table where there is none, and adds to an older one the columns of the guard.
//!
//! Safe to run again after it stopped half-way: MySQL commits each DDL statement by itself, so every
//! step looks first at what is there.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The first migration, for the table of this name.
pub(crate) struct Segments {
    pub(crate) table: String,
}

impl MigrationName for Segments {
    fn name(&self) -> &str {
        "m20261123_000001_segments"
    }
}

/// The columns go-id-alloc does not know: name, type on MySQL, type on SQLite.
const GUARD: [(&str, &str, &str); 4] = [
    (
        "claimed_to",
        "bigint NOT NULL DEFAULT 0 COMMENT 'end of the newest claim'",
        "bigint NOT NULL DEFAULT 0",
    ),
    (
        "claimed_on",
        "varchar(255) NOT NULL DEFAULT '' COMMENT 'identity of the primary it was made on'",
        "varchar(255) NOT NULL DEFAULT ''",
    ),
    (
        "claimed_size",
        "bigint NOT NULL DEFAULT 0 COMMENT 'how large claims are about to become'",
        "bigint NOT NULL DEFAULT 0",
    ),
    (
        "retired_at",
        "datetime NULL DEFAULT NULL COMMENT 'set: the tag is deleted'",
        "datetime NULL DEFAULT NULL",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Segments {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let table = quoted(&self.table, sqlite);

        if !manager.has_table(&self.table).await? {
            // utf8mb4_bin is the one exact collation that both MySQL and MariaDB have.
            let make = if sqlite {
                format!(
                    "CREATE TABLE IF NOT EXISTS {table} (biz_tag varchar(32) NOT NULL PRIMARY KEY, \
                     max_id bigint NOT NULL, step bigint NOT NULL, \
                     description varchar(1024) DEFAULT '' NOT NULL, \
                     update_time datetime DEFAULT CURRENT_TIMESTAMP)"
                )
            } else {
                format!(
                    "CREATE TABLE IF NOT EXISTS {table} (biz_tag varchar(32) NOT NULL PRIMARY KEY, \
                     max_id bigint NOT NULL, step bigint NOT NULL, \
                     description varchar(1024) DEFAULT '' NOT NULL, \
                     update_time datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) \
                     ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
                )
            };
            db.execute_unprepared(&make).await?;
        }

        for (column, mysql, lite) in GUARD {
            if !manager.has_column(&self.table, column).await? {
                let kind = if sqlite { lite } else { mysql };
                db.execute_unprepared(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}"))
                    .await?;
            }
        }
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "the guard columns keep ids unique; they are not taken away again".to_owned(),
        ))
    }
}

/// The name as an identifier, whatever it holds.
pub(crate) fn quoted(name: &str, sqlite: bool) -> String {
    if sqlite {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        format!("`{}`", name.replace('`', "``"))
    }
}
