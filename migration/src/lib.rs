//! The schema of id-alloc, as sea-orm migrations.
//!
//! One [`Migrator`] serves one table, whose name is configured; the record of what was applied
//! stands in `<table>_migrations`, so that two deployments can share a database. Migrations only
//! add: a table of go-id-alloc keeps its rows and its columns.
//!
//! sea-orm's migrations take no lock. The caller holds one (`storage/sql/migrate.rs`).

mod schema;
mod steps;

use schema::Schema;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbErr, RuntimeErr};
pub use sea_orm_migration::{MigrationStatus, MigratorTraitSelf};
use std::pin::Pin;

type Up =
    for<'a> fn(&'a Schema<'a>) -> Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>>;

/// A migration: its name, what it adds, and why that is not taken away again.
type Step = (&'static str, Up, &'static str);

const STEPS: [Step; 6] = [
    (
        "m20261123_000001_segments",
        |schema| Box::pin(steps::segments(schema)),
        "the guard columns keep ids unique; they are not taken away again",
    ),
    (
        "m20261123_000002_moves",
        |schema| Box::pin(steps::moves(schema)),
        "the guard counts its moves here; the column is not taken away again",
    ),
    (
        "m20261126_000003_allowance",
        |schema| Box::pin(steps::allowance(schema)),
        "these columns keep ids unique; they are not taken away again",
    ),
    (
        "m20261126_000004_id_limit",
        |schema| Box::pin(steps::id_limit(schema)),
        "the column ends tags where callers can hold no larger id; it is not taken away again",
    ),
    (
        "m20261126_000005_records",
        |schema| Box::pin(steps::records(schema)),
        "what servers wrote down is not thrown away; the tables may be dropped by hand",
    ),
    (
        "m20261126_000006_address",
        |schema| Box::pin(steps::address(schema)),
        "the column does no harm where it is; it may be dropped by hand",
    ),
];

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
                if !manager.has_column(table, column).await?
                    && lacks(&manager, table, column).await?
                {
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

/// Whether the table itself lacks the column: while another changes it, the catalogue may say so of any.
async fn lacks(manager: &SchemaManager<'_>, table: &str, column: &str) -> Result<bool, DbErr> {
    let schema = Schema::new(manager, table);
    let asked = format!("SELECT {column} FROM {} LIMIT 0", schema.quoted(table));
    match schema.run(&asked).await {
        Err(DbErr::Exec(RuntimeErr::SqlxError(error))) => {
            let code = error.as_database_error().and_then(|error| error.code());
            // Of MySQL and SQLite: no such column.
            match code.as_deref() {
                Some("42S22" | "1") => Ok(true),
                _ => Err(DbErr::Exec(RuntimeErr::SqlxError(error))),
            }
        }
        looked => looked.map(|()| false),
    }
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let of_table = |step| -> Box<dyn MigrationTrait> {
            let table = self.table.clone();
            Box::new(OfTable { step, table })
        };
        STEPS.map(of_table).into()
    }

    fn migration_table_name(&self) -> DynIden {
        Alias::new(format!("{}_migrations", self.table)).into_iden()
    }
}

/// A step for the table of this name.
struct OfTable {
    step: Step,
    table: String,
}

impl MigrationName for OfTable {
    fn name(&self) -> &str {
        self.step.0
    }
}

#[async_trait::async_trait]
impl MigrationTrait for OfTable {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        (self.step.1)(&Schema::new(manager, &self.table)).await
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(self.step.2.to_owned()))
    }
}
