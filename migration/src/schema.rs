//! `Schema`: makes tables, columns and indexes where they are not there yet, in the words of the database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// A column: its name, its type, and a comment where the database keeps one.
pub(crate) type Column = (&'static str, &'static str, &'static str);

/// The segments table and those beside it, named `<table>_<beside>`; `""` is the segments table itself.
pub(crate) struct Schema<'a> {
    manager: &'a SchemaManager<'a>,
    table: &'a str,
    is_sqlite: bool,
}

impl<'a> Schema<'a> {
    pub(crate) fn new(manager: &'a SchemaManager<'a>, table: &'a str) -> Self {
        let is_sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        Self {
            manager,
            table,
            is_sqlite,
        }
    }

    /// What MySQL and MariaDB call it, or what SQLite does.
    pub(crate) fn word(&self, mysql: &'static str, sqlite: &'static str) -> &'static str {
        match self.is_sqlite {
            true => sqlite,
            false => mysql,
        }
    }

    pub(crate) fn name(&self, beside: &str) -> String {
        match beside {
            "" => self.table.to_owned(),
            beside => format!("{}_{beside}", self.table),
        }
    }

    /// A name as an identifier, whatever it holds.
    pub(crate) fn quoted(&self, name: &str) -> String {
        let quote = self.word("`", "\"");
        format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
    }

    pub(crate) async fn run(&self, statement: &str) -> Result<(), DbErr> {
        let db = self.manager.get_connection();
        db.execute_unprepared(statement).await.map(drop)
    }

    pub(crate) async fn make_table(&self, beside: &str, columns: &str) -> Result<(), DbErr> {
        let name = self.name(beside);
        // Looked at first: a user may have no right to make tables, and need none.
        if self.manager.has_table(&name).await? {
            return Ok(());
        }
        // utf8mb4_bin is the one exact collation that both MySQL and MariaDB have.
        let engine = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";
        let (table, engine) = (self.quoted(&name), self.word(engine, ""));
        self.run(&format!(
            "CREATE TABLE IF NOT EXISTS {table} ({columns}){engine}"
        ))
        .await
    }

    pub(crate) async fn add_columns(&self, beside: &str, columns: &[Column]) -> Result<(), DbErr> {
        let name = self.name(beside);
        let mut missing = Vec::new();
        for (column, kind, comment) in columns {
            if !self.manager.has_column(&name, column).await? {
                let comment = match self.is_sqlite || comment.is_empty() {
                    true => String::new(),
                    false => format!(" COMMENT '{comment}'"),
                };
                missing.push(format!("ADD COLUMN {column} {kind}{comment}"));
            }
        }
        // MySQL adds all of them at once, SQLite one by one.
        let together = if self.is_sqlite { 1 } else { columns.len() };
        let table = self.quoted(&name);
        for some in missing.chunks(together) {
            self.run(&format!("ALTER TABLE {table} {}", some.join(", ")))
                .await?;
        }
        Ok(())
    }

    /// The index's name is that of the table with `name` behind it.
    pub(crate) async fn make_index(
        &self,
        beside: &str,
        name: &str,
        columns: &str,
    ) -> Result<(), DbErr> {
        let table = self.name(beside);
        let index = format!("{table}_{name}");
        if self.manager.has_index(&table, &index).await? {
            return Ok(());
        }
        let (index, table) = (self.quoted(&index), self.quoted(&table));
        self.run(&format!("CREATE INDEX {index} ON {table} ({columns})"))
            .await
    }
}
