//! Says per tag how much may be claimed and to which history the row belongs, and beside the table, in a row
//! of its own, when and where a server of id-alloc ran last.
//!
//! Old rows start with the defaults: their first claim writes an allowance, and a server of an earlier version
//! ignores all of it.

use crate::m20261123_000001_segments::quoted;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The third migration, for the table of this name.
pub(crate) struct Allowance {
    pub(crate) table: String,
}

impl MigrationName for Allowance {
    fn name(&self) -> &str {
        "m20261126_000003_allowance"
    }
}

/// Name and comment of each column; times are microseconds since 1970.
const COLUMNS: [(&str, &str); 8] = [
    ("allowance", "ids that may be claimed in ten seconds"),
    (
        "allowance_before",
        "what it was before; the smaller counts for 20 seconds",
    ),
    ("allowance_at", "when the allowance was written"),
    ("needed_at", "when a claim needed the allowance last"),
    ("paid_until", "up to when what was claimed is paid for"),
    ("lineage", "history in which the newest claim was made"),
    ("advance_to", "where an announced advance takes max_id"),
    ("advance_at", "when it was announced"),
];

#[async_trait::async_trait]
impl MigrationTrait for Allowance {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let table = quoted(&self.table, sqlite);
        let mut added = Vec::new();
        for (column, comment) in COLUMNS {
            if !manager.has_column(&self.table, column).await? {
                let add = format!("ADD COLUMN {column} bigint NOT NULL DEFAULT 0");
                added.push(match sqlite {
                    true => add,
                    false => format!("{add} COMMENT '{comment}'"),
                });
            }
        }
        // MySQL adds all of them at once, SQLite one by one.
        let together = if sqlite { 1 } else { COLUMNS.len() };
        for some in added.chunks(together) {
            let alter = format!("ALTER TABLE {table} {}", some.join(", "));
            db.execute_unprepared(&alter).await?;
        }

        let heartbeat = quoted(&format!("{}_heartbeat", self.table), sqlite);
        let engine = match sqlite {
            true => "",
            false => " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        };
        db.execute_unprepared(&format!(
            "CREATE TABLE IF NOT EXISTS {heartbeat} (id int NOT NULL PRIMARY KEY, beat bigint NOT NULL, \
             identity varchar(255) NOT NULL, lineage bigint NOT NULL){engine}"
        ))
        .await?;
        let ignore = if sqlite { "OR IGNORE" } else { "IGNORE" };
        let row = format!(
            "INSERT {ignore} INTO {heartbeat} (id, beat, identity, lineage) VALUES (1, 0, '', 0)"
        );
        match db.execute_unprepared(&row).await {
            Err(error) if is_sharded(&error, &self.table) => Ok(()),
            made => made.map(drop),
        }
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "these columns keep ids unique; they are not taken away again".to_owned(),
        ))
    }
}

/// Whether a sharded keyspace of Vitess takes no row of the heartbeat's table, which was just made: its VSchema does not name
/// it, since that row belongs to no shard of the tags. Servers go without, and say so.
fn is_sharded(error: &DbErr, table: &str) -> bool {
    let text = error.to_string();
    [
        format!("table {table}_heartbeat not found"),
        format!("table '{table}_heartbeat' does not have a primary vindex"),
    ]
    .iter()
    .any(|said| text.contains(said))
}
