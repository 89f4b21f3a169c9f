//! The schema of id-alloc, as sea-orm migrations.
//!
//! One [`Migrator`] serves one table, whose name is configured; the record of what was applied
//! stands in `<table>_migrations`, so that two deployments can share a database. Migrations only
//! add: a table of go-id-alloc keeps its rows and its columns.
//!
//! sea-orm's migrations take no lock. The caller holds one (`storage/sql/migrate.rs`).

mod m20261123_000001_segments;
mod m20261123_000002_moves;
mod m20261126_000003_allowance;
mod m20261126_000004_id_limit;
mod m20261126_000005_records;
mod m20261126_000006_address;

use sea_orm_migration::prelude::*;
pub use sea_orm_migration::{MigrationStatus, MigratorTraitSelf};

/// The migrations of one table.
#[derive(Debug, Clone)]
pub struct Migrator {
    table: String,
}

impl Migrator {
    /// For the segments table of this name, unquoted.
    #[must_use]
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
        }
    }
}

impl Migrator {
    /// Refuses a table of this name that is neither one of ours nor go-id-alloc's, before anything is changed.
    ///
    /// # Errors
    /// [`DbErr::Migration`] with what is wrong; else as for any question to the catalogue.
    pub async fn is_ours<'c>(
        &self,
        db: impl sea_orm::IntoDatabaseExecutor<'c>,
    ) -> Result<(), DbErr> {
        let manager = SchemaManager::new(db);
        let heartbeat = format!("{}_heartbeat", self.table);
        let tables: [(&str, &[&str]); 2] = [
            (
                &self.table,
                &["biz_tag", "max_id", "step", "description", "update_time"],
            ),
            (&heartbeat, &["id", "beat", "identity", "lineage"]),
        ];
        for (table, columns) in tables {
            if !manager.has_table(table).await? {
                continue;
            }
            for column in columns {
                if !manager.has_column(table, column).await? {
                    return Err(DbErr::Migration(format!(
                        "table `{table}` lacks the column {column}: it is somebody else's, and was left alone; \
                         name another one (database.table)"
                    )));
                }
            }
        }
        Ok(())
    }
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let table = || self.table.clone();
        vec![
            Box::new(m20261123_000001_segments::Segments { table: table() }),
            Box::new(m20261123_000002_moves::Moves { table: table() }),
            Box::new(m20261126_000003_allowance::Allowance { table: table() }),
            Box::new(m20261126_000004_id_limit::IdLimit { table: table() }),
            Box::new(m20261126_000005_records::Records { table: table() }),
            Box::new(m20261126_000006_address::Address { table: table() }),
        ]
    }

    fn migration_table_name(&self) -> DynIden {
        Alias::new(format!("{}_migrations", self.table)).into_iden()
    }
}
