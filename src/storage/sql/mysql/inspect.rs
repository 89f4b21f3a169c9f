//! What kind of server answers, and whether its table keeps ids unique.
//!
//! The kind comes from the server's own answers, not from the handshake, which may be a proxy's.

use crate::storage::sql::SqlStore;
use crate::storage::sql::database::Sql;
use crate::storage::sql::errors::SqlError;
use crate::storage::sql::inspect::Inspection;
use crate::storage::sql::statements::Identity;
use crate::storage::sql::table::{Columns, column};
use crate::storage::{Finding, StoreError, Unusable, Weight};
use std::collections::HashMap;

pub(super) async fn inspect(store: &SqlStore) -> Result<Inspection, SqlError> {
    let version = first(
        store
            .texts(Sql::new("SELECT CONVERT(VERSION() USING utf8mb4)"))
            .await?,
    );
    let variables = variables(store).await?;
    let table = look(store).await?;
    if let Some(fault) = table.faults(store).first() {
        // It may have been dropped while it was looked at.
        store.reach_table().await?;
        let text = format!(
            "table `{}`: {}; run: {}",
            store.settings.table, fault.what, fault.todo
        );
        return Err(StoreError::from(Unusable::TableMisconfigured(text)).into());
    }
    let columns = table.columns;

    let mut warnings = Vec::new();
    let triggers = triggers(store).await?;
    if !triggers.is_empty() {
        warnings.push(format!(
            "table `{}` has triggers that run with each claim ({}), so a claim takes a statement more, to be right \
             whatever they do; where they fail or are slow, so do claims",
            store.settings.table,
            triggers.join(", ")
        ));
    }
    let set = |name: &str| variables.get(name).map_or("", String::as_str);
    let on_off = |name: &str| matches!(set(name), "ON" | "1");
    if set("innodb_flush_log_at_trx_commit") != "1" {
        warnings.push(format!(
            "innodb_flush_log_at_trx_commit is {}: a power cut may undo claims and repeat ids; set it to 1",
            set("innodb_flush_log_at_trx_commit")
        ));
    }
    if on_off("log_bin") && set("sync_binlog") != "1" {
        warnings.push(format!(
            "sync_binlog is {}: a power cut may lose claims on the replicas; set it to 1",
            set("sync_binlog")
        ));
    }
    let statement = on_off("log_bin") && set("binlog_format").eq_ignore_ascii_case("STATEMENT");
    let refusal = statement.then_some(
        "binlog_format is STATEMENT, under which a guarded claim applies nothing on the replica: \
         set binlog_format = ROW",
    );
    let primary = Identity::Expression(mysql_identity(&variables));
    let number = version.split('-').next().unwrap_or_default();
    let product = if version.contains("MariaDB") {
        "MariaDB"
    } else {
        "MySQL"
    };
    Ok(Inspection {
        product: format!("{product} {number}"),
        has_triggers: !triggers.is_empty(),
        ..store
            .inspection(primary, refusal, &columns, warnings)
            .await?
    })
}

/// A question to the catalogue about the table.
fn named(table: &str, before: &str, after: &str) -> Sql {
    Sql::new(before).bind(table).text(after)
}

/// The server's settings that matter, by name in lower case.
async fn variables(store: &SqlStore) -> Result<HashMap<String, String>, SqlError> {
    let asked = "SHOW VARIABLES WHERE Variable_name IN ('server_uuid', 'server_uid', 'wsrep_on', \
                 'wsrep_provider', 'group_replication_group_name', 'log_bin', 'binlog_format', \
                 'sync_binlog', 'innodb_flush_log_at_trx_commit')";
    let rows = store.texts(Sql::new(asked)).await?;
    let pairs = rows.into_iter().filter_map(|row| {
        let mut row = row.into_iter();
        Some((row.next()?.to_ascii_lowercase(), row.next()?))
    });
    Ok(pairs.collect())
}

/// The triggers that run with each claim, as far as the user may see them.
async fn triggers(store: &SqlStore) -> Result<Vec<String>, SqlError> {
    let rows = store.texts(named(
        &store.settings.table,
        "SELECT CONVERT(TRIGGER_NAME USING utf8mb4) FROM information_schema.TRIGGERS \
         WHERE EVENT_MANIPULATION = 'UPDATE' AND EVENT_OBJECT_SCHEMA = DATABASE() \
         AND EVENT_OBJECT_TABLE = ",
        "",
    ));
    let names = rows.await?.into_iter().flatten();
    Ok(names.map(|name| format!("`{name}`")).collect())
}

/// What the catalogue says of the table.
struct Table {
    engine: String,
    columns: Columns,
    /// Whether a key keeps two rows from having one name.
    is_unique: bool,
    /// How names are compared.
    collation: String,
}

async fn look(store: &SqlStore) -> Result<Table, SqlError> {
    let table = &store.settings.table;
    let engine = store.texts(named(
        table,
        "SELECT CONVERT(COALESCE(ENGINE, TABLE_TYPE) USING utf8mb4) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
        "",
    ));
    let engine = first(engine.await?);
    let columns = store.texts(named(
        table,
        "SELECT CONVERT(COLUMN_NAME USING utf8mb4), CONVERT(COLUMN_TYPE USING utf8mb4), \
         CONVERT(CHARACTER_MAXIMUM_LENGTH USING utf8mb4) FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
        "",
    ));
    let columns: Columns = columns.await?.into_iter().filter_map(column).collect();
    if columns.is_empty() {
        // The catalogue hides what the user may not see; the table itself says why. Else it is not asked: of a sharded
        // one that would need each shard.
        store.reach_table().await?;
    }
    let unique = store.texts(named(
        table,
        "SELECT CONVERT(INDEX_NAME USING utf8mb4) FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
        " AND NON_UNIQUE = 0 \
         GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MAX(LOWER(COLUMN_NAME) = 'biz_tag') = 1",
    ));
    let is_unique = !unique.await?.is_empty();
    let collation = store.texts(named(
        table,
        "SELECT CONVERT(COALESCE(COLLATION_NAME, '') USING utf8mb4) FROM information_schema.COLUMNS \
         WHERE COLUMN_NAME = 'biz_tag' AND TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
        "",
    ));
    let collation = first(collation.await?);
    store.has_columns(&columns)?;
    Ok(Table {
        engine,
        columns,
        is_unique,
        collation,
    })
}

/// Everything about the table that would not keep ids unique, with the ALTER to run; and what is good to know.
pub(super) async fn faults(store: &SqlStore) -> Result<Vec<Finding>, SqlError> {
    store.reach_table().await?;
    let table = look(store).await?;
    let mut found = table.faults(store);
    if !table.collation.is_empty() && !table.collation.ends_with("_bin") {
        found.push(Finding::new(
            Weight::Note,
            format!(
                "biz_tag is compared by {}, for which names such as `a` and `A` may be one: a tag cannot be made \
                 beside such another",
                table.collation
            ),
            format!(
                "nothing, unless you need both; then: ALTER TABLE `{}` MODIFY biz_tag VARCHAR({}) CHARACTER SET \
                 utf8mb4 COLLATE utf8mb4_bin NOT NULL;",
                store.settings.table,
                table.columns.get("biz_tag").and_then(|column| column.length).unwrap_or(128)
            ),
        ));
    }
    Ok(found)
}

impl Table {
    /// What would not keep ids unique, each with the statement that mends it.
    fn faults(&self, store: &SqlStore) -> Vec<Finding> {
        let table = &store.settings.table;
        if self.engine.to_ascii_uppercase().ends_with("VIEW") {
            return vec![Finding::view()];
        }
        let mut faults = Vec::new();
        let mut fault = |what: String, alter: &str| {
            let alter = format!("ALTER TABLE `{table}` {alter};");
            faults.push(Finding::new(Weight::Fault, what, alter));
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
        faults
    }
}

/// Which expression names the server. Where any node may take the write, the cluster's name.
fn mysql_identity(variables: &HashMap<String, String>) -> &'static str {
    let set = |name: &str| variables.get(name).map_or("", String::as_str);
    let galera =
        matches!(set("wsrep_on"), "ON" | "1") && !matches!(set("wsrep_provider"), "" | "none");
    if galera {
        "CONCAT('galera:', @@wsrep_cluster_name)"
    } else if !set("group_replication_group_name").is_empty() {
        "CONCAT('group:', @@group_replication_group_name)"
    } else if variables.contains_key("server_uuid") {
        "@@server_uuid"
    } else if variables.contains_key("server_uid") {
        // A hash of MAC address and port: alike for containers, so the replication id stands beside it.
        "CONCAT(@@server_uid, ':', @@server_id)"
    } else {
        "CONCAT(@@hostname, ':', @@port, ':', @@server_id)"
    }
}

fn first(rows: Vec<Vec<String>>) -> String {
    rows.into_iter().flatten().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(variables: &[(&str, &str)]) -> &'static str {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        mysql_identity(&variables.iter().map(own).collect())
    }

    #[test]
    fn each_flavour_has_its_identity() {
        assert_eq!(identity(&[("server_uuid", "u")]), "@@server_uuid");
        let maria = [
            ("server_uid", "u"),
            ("wsrep_on", "OFF"),
            ("wsrep_provider", "none"),
        ];
        assert_eq!(identity(&maria), "CONCAT(@@server_uid, ':', @@server_id)");
        assert!(identity(&[]).contains("@@server_id"));
        let galera = [
            ("server_uid", "u"),
            ("wsrep_on", "ON"),
            ("wsrep_provider", "/lib/g.so"),
        ];
        assert!(identity(&galera).contains("galera:"));
        let group = [("server_uuid", "u"), ("group_replication_group_name", "g")];
        assert!(identity(&group).contains("group:"));
        assert_eq!(
            identity(&[("server_uuid", "u"), ("group_replication_group_name", "")]),
            "@@server_uuid"
        );
    }
}
