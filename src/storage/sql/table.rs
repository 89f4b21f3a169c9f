//! Whether the table as it is keeps ids unique, and if not, what to run.

use super::SqlStore;
use super::connect::Generation;
use super::dialect::Identity;
use super::errors::SqlError;
use super::inspect::Inspection;
use crate::storage::{StoreError, Unusable};
use sea_orm::Value;
use std::collections::HashMap;

/// A column: its type in lower case, and its length in characters.
pub(super) struct Column {
    pub(super) kind: String,
    pub(super) length: Option<usize>,
}

/// The columns of the table by name, in lower case.
pub(super) type Columns = HashMap<String, Column>;

impl SqlStore {
    fn misconfigured(&self, what: &str, alter: &str) -> StoreError {
        let table = &self.settings.table;
        Unusable::TableMisconfigured(format!(
            "table `{table}`: {what}; run: ALTER TABLE `{table}` {alter};"
        ))
        .into()
    }

    /// Whether it is a segments table at all.
    fn has_columns(&self, columns: &Columns) -> Result<(), StoreError> {
        for name in ["biz_tag", "max_id", "step", "description", "update_time"] {
            if !columns.contains_key(name) {
                let table = &self.settings.table;
                return Err(Unusable::TableMisconfigured(format!(
                    "table `{table}` lacks the column {name}: it is no segments table (database.table)"
                ))
                .into());
            }
        }
        Ok(())
    }

    /// Whether a table of MySQL keeps ids unique; else the ALTER to run.
    pub(super) fn mysql_table(
        &self,
        engine: &str,
        columns: &Columns,
        unique: bool,
    ) -> Result<(), StoreError> {
        self.has_columns(columns)?;
        if !engine.eq_ignore_ascii_case("InnoDB") {
            let what = format!("its engine is {engine}, which keeps no claim through a crash");
            return Err(self.misconfigured(&what, "ENGINE = InnoDB"));
        }
        for name in ["max_id", "step"] {
            let kind = columns.get(name).map_or("", |column| &column.kind);
            if !kind.starts_with("bigint") || kind.contains("unsigned") {
                let what =
                    format!("{name} is {kind}, which repeats ids at its end instead of BIGINT");
                return Err(self.misconfigured(&what, &format!("MODIFY {name} BIGINT NOT NULL")));
            }
        }
        if !unique {
            let what = "biz_tag is not unique, so a claim could move two rows";
            return Err(self.misconfigured(what, "ADD UNIQUE KEY (biz_tag)"));
        }
        Ok(())
    }

    /// The whole inspection of an embedded file.
    pub(super) async fn inspect_sqlite(&self, on: &Generation) -> Result<Inspection, SqlError> {
        let table = &self.settings.table;
        let name = || vec![Value::from(table.as_str())];
        self.texts(on, &format!("SELECT 1 FROM \"{table}\" LIMIT 0"), vec![])
            .await?;
        let columns: Columns = self
            .texts(
                on,
                "SELECT name, lower(type), CAST(NULL AS TEXT) FROM pragma_table_info(?)",
                name(),
            )
            .await?
            .into_iter()
            .filter_map(column)
            .collect();
        let unique = self
            .texts(
                on,
                "SELECT l.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i \
                 WHERE l.\"unique\" = 1 AND l.partial = 0 \
                 GROUP BY l.name HAVING COUNT(*) = 1 AND MAX(i.name = 'biz_tag') = 1",
                name(),
            )
            .await?;
        self.has_columns(&columns)?;
        for name in ["max_id", "step"] {
            if columns
                .get(name)
                .is_none_or(|column| !column.kind.contains("int"))
            {
                return Err(StoreError::from(Unusable::TableMisconfigured(format!(
                    "table `{table}`: {name} is no integer: make the table anew with `id-alloc migrate up`"
                )))
                .into());
            }
        }
        if unique.is_empty() {
            return Err(StoreError::from(Unusable::TableMisconfigured(format!(
                "table `{table}`: biz_tag is not unique; run: CREATE UNIQUE INDEX \"{table}_biz_tag\" ON \"{table}\" (biz_tag);"
            )))
            .into());
        }
        let identity = match &self.settings.server_identity {
            Some(identity) => Identity::Configured(identity.clone()),
            None => Identity::Expression("'sqlite'"),
        };
        let mut warnings = Vec::new();
        let identity = self.guarded(identity, None, &columns, &mut warnings)?;
        Ok(self.inspection(identity, &columns, warnings))
    }
}

/// From a row of the catalogue: name, type, length.
pub(super) fn column(row: Vec<String>) -> Option<(String, Column)> {
    let mut row = row.into_iter();
    let name = row.next()?.to_ascii_lowercase();
    let kind = row.next()?.to_ascii_lowercase();
    // SQLite says the length in the type alone, and does not enforce it.
    let in_type = || {
        kind.strip_prefix("varchar(")?
            .strip_suffix(')')?
            .parse()
            .ok()
    };
    let length = row
        .next()
        .and_then(|length| length.parse().ok())
        .or_else(in_type);
    Some((name, Column { kind, length }))
}
