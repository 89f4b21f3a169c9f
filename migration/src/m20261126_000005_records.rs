//! Makes what servers write beside the table for those who look after them: which servers there are, whose memory is to
//! be dropped, and, where `database.claim_records` asks for it, which server claimed which ids when.
//!
//! Nothing here keeps ids unique. A server of an earlier version knows none of it and does not need to.

use crate::m20261123_000001_segments::quoted;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The fifth migration, for the table of this name.
pub(crate) struct Records {
    pub(crate) table: String,
}

impl MigrationName for Records {
    fn name(&self) -> &str {
        "m20261126_000005_records"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Records {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let (counted, engine) = match sqlite {
            true => ("integer NOT NULL PRIMARY KEY AUTOINCREMENT", ""),
            false => (
                "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
                " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
            ),
        };
        // Times are microseconds since 1970.
        for (name, columns) in [
            (
                "servers",
                "id varchar(36) NOT NULL PRIMARY KEY, name varchar(255) NOT NULL, version varchar(64) NOT NULL, \
                 started bigint NOT NULL, seen bigint NOT NULL, dropped bigint NOT NULL DEFAULT 0"
                    .to_owned(),
            ),
            (
                "drops",
                format!("id {counted}, biz_tag varchar(128) NOT NULL, asked bigint NOT NULL"),
            ),
            (
                "claims",
                format!(
                    "id {counted}, biz_tag varchar(128) NOT NULL, first_id bigint NOT NULL, end_id bigint NOT NULL, \
                     claimed_at bigint NOT NULL, server varchar(36) NOT NULL, name varchar(255) NOT NULL, \
                     version varchar(64) NOT NULL"
                ),
            ),
        ] {
            let table = quoted(&format!("{}_{name}", self.table), sqlite);
            db.execute_unprepared(&format!(
                "CREATE TABLE IF NOT EXISTS {table} ({columns}){engine}"
            ))
            .await?;
        }
        let claims = format!("{}_claims", self.table);
        for (name, columns) in [("tag", "biz_tag, end_id"), ("time", "claimed_at")] {
            let index = format!("{claims}_{name}");
            if !manager.has_index(&claims, &index).await? {
                let (index, claims) = (quoted(&index, sqlite), quoted(&claims, sqlite));
                db.execute_unprepared(&format!("CREATE INDEX {index} ON {claims} ({columns})"))
                    .await?;
            }
        }
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "what servers wrote down is not thrown away; the tables may be dropped by hand"
                .to_owned(),
        ))
    }
}
