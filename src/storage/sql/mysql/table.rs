//! What the catalogue says of the table, and whether it keeps ids unique.

use super::WORDS;
use crate::storage::sql::columns::{Columns, column, has_columns};
use crate::storage::sql::database::Catalogue;
use crate::storage::sql::dialect::Sql;
use crate::storage::sql::errors::SqlError;
use crate::storage::{Finding, Weight};

/// What the catalogue says of the table.
pub(super) struct Table {
    engine: String,
    pub(super) columns: Columns,
    /// Whether a key keeps two rows from having one name.
    is_unique: bool,
    /// How names are compared.
    collation: String,
    /// Those that run with each claim, as far as the user may see them.
    pub(super) triggers: Vec<String>,
}

impl Table {
    pub(super) async fn read(catalogue: &dyn Catalogue) -> Result<Self, SqlError> {
        let table = catalogue.table();
        let ask = async |asked: &str| {
            let asked = format!("SELECT {asked}");
            catalogue.texts(Sql::of(&asked, [table.into()])).await
        };
        let engine = ask(
            "CONVERT(COALESCE(ENGINE, TABLE_TYPE) USING utf8mb4) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
        );
        let engine = engine.await?.concat().concat();
        let columns = ask(
            "CONVERT(COLUMN_NAME USING utf8mb4), CONVERT(COLUMN_TYPE USING utf8mb4), \
             CONVERT(CHARACTER_MAXIMUM_LENGTH USING utf8mb4) FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
        );
        let columns: Columns = columns.await?.into_iter().filter_map(column).collect();
        if columns.is_empty() {
            // The catalogue hides what the user may not see; the table itself says why. Else it is not asked: of a sharded
            // one that would need each shard.
            catalogue.reach_table().await?;
        }
        let unique = ask(
            "CONVERT(INDEX_NAME USING utf8mb4) FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND NON_UNIQUE = 0 \
             GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MAX(LOWER(COLUMN_NAME) = 'biz_tag') = 1",
        );
        let is_unique = !unique.await?.is_empty();
        let collation = ask(
            "CONVERT(COALESCE(COLLATION_NAME, '') USING utf8mb4) FROM information_schema.COLUMNS \
             WHERE COLUMN_NAME = 'biz_tag' AND TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
        );
        let collation = collation.await?.concat().concat();
        has_columns(table, &columns, &WORDS)?;
        let triggers = ask(
            "CONVERT(TRIGGER_NAME USING utf8mb4) FROM information_schema.TRIGGERS \
             WHERE EVENT_MANIPULATION = 'UPDATE' AND EVENT_OBJECT_SCHEMA = DATABASE() \
             AND EVENT_OBJECT_TABLE = ?",
        );
        let triggers = triggers.await?.into_iter().flatten();
        Ok(Self {
            engine,
            columns,
            is_unique,
            collation,
            triggers: triggers.map(|name| format!("`{name}`")).collect(),
        })
    }

    /// What would not keep ids unique, each with the statement that mends it; and what is good to know.
    pub(super) fn findings(&self, table: &str) -> Vec<Finding> {
        if self.engine.to_ascii_uppercase().ends_with("VIEW") {
            return vec![Finding::view()];
        }
        let mut found = Vec::new();
        let mut fault = |what: String, alter: &str| {
            let alter = format!("ALTER TABLE `{table}` {alter};");
            found.push(Finding::new(Weight::Fault, what, alter));
        };
        if !self.engine.eq_ignore_ascii_case("InnoDB") {
            let what = "which does not keep claims through a crash";
            fault(
                format!("its engine is {}, {what}", self.engine),
                "ENGINE = InnoDB",
            );
        }
        for (name, kinds) in [("max_id", &["bigint"][..]), ("step", &["bigint", "int"])] {
            let kind = self.columns.get(name).map_or("", |column| &column.kind);
            let is_one = |one: &&str| kind.starts_with(*one);
            // A step may be smaller, as Leaf's is: it is not counted up.
            if !kinds.iter().any(is_one) || kind.contains("unsigned") {
                fault(
                    format!("{name} is {kind}, not BIGINT, and would repeat ids at its end"),
                    &format!("MODIFY {name} BIGINT NOT NULL"),
                );
            }
        }
        if !self.is_unique {
            fault(
                "biz_tag is not unique, so a claim could move two rows".to_owned(),
                "ADD UNIQUE KEY (biz_tag)",
            );
        }
        if !self.collation.is_empty() && !self.collation.ends_with("_bin") {
            let length = self.columns.get("biz_tag").and_then(|column| column.length);
            let length = length.unwrap_or(128);
            found.push(Finding::new(
                Weight::Note,
                format!(
                    "biz_tag is compared by {}, for which names such as `a` and `A` may be one: a tag cannot be made \
                     beside such another",
                    self.collation
                ),
                format!(
                    "nothing, unless you need both; then: ALTER TABLE `{table}` MODIFY biz_tag VARCHAR({length}) \
                     CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;"
                ),
            ));
        }
        found
    }
}
