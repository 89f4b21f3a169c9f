//! What kind of server answers, and whether its table keeps ids unique.
//!
//! The kind comes from the server's own answers, not from the handshake, which may be a proxy's.

use super::WORDS;
use crate::storage::sql::columns::{Columns, column, has_columns};
use crate::storage::sql::database::{Catalogue, Found};
use crate::storage::sql::dialect::{Identity, Sql};
use crate::storage::sql::errors::SqlError;
use crate::storage::{Finding, StoreError, Weight};
use std::collections::HashMap;

pub(super) async fn look(catalogue: &dyn Catalogue) -> Result<Found, SqlError> {
    let version = first(
        catalogue
            .texts(Sql::new("SELECT CONVERT(VERSION() USING utf8mb4)"))
            .await?,
    );
    let variables = variables(catalogue).await?;
    let table = Table::read(catalogue).await?;
    let findings = table.findings(catalogue.table());

    let mut warnings = Vec::new();
    let triggers = triggers(catalogue).await?;
    if !triggers.is_empty() {
        warnings.push(format!(
            "table `{}` has triggers that run with each claim ({}), so a claim takes a statement more, to be right \
             whatever they do; where they fail or are slow, so do claims",
            catalogue.table(),
            triggers.join(", ")
        ));
    }
    let set = |name: &str| variables.get(name).map_or("", String::as_str);
    let on_off = |name: &str| matches!(set(name), "ON" | "1");
    if !set("group_replication_group_name").is_empty() && !is_galera(&variables) {
        warnings.extend(membership(catalogue).await?);
    }
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
    let number = version.split('-').next().unwrap_or_default();
    // Others say which MySQL they take after.
    let product = [
        ("MariaDB", "MariaDB"),
        ("TiDB", "TiDB as MySQL"),
        ("Vitess", "Vitess as MySQL"),
    ];
    let product = product
        .into_iter()
        .find(|(name, _)| version.contains(name))
        .map_or("MySQL", |(_, words)| words);
    Ok(Found {
        product: format!("{product} {number}"),
        columns: table.columns,
        findings,
        primary: Identity::Expression(mysql_identity(&variables)),
        refusal,
        has_triggers: !triggers.is_empty(),
        warnings,
    })
}

/// A server of a group that has left it is nobody's primary, whether it takes writes or not: the group goes on, under
/// the same name. Refuses it; a warning where that cannot be seen.
async fn membership(catalogue: &dyn Catalogue) -> Result<Option<String>, SqlError> {
    let asked = "SELECT CONVERT(MEMBER_STATE USING utf8mb4) FROM \
                 performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid";
    let state = match catalogue.texts(Sql::new(asked)).await {
        Ok(rows) => first(rows),
        Err(SqlError {
            store: StoreError::Unusable(_),
            ..
        }) => {
            return Ok(Some(
                "whether this server has left its group cannot be seen: GRANT SELECT ON \
                 performance_schema.replication_group_members to this user"
                    .to_owned(),
            ));
        }
        Err(error) => return Err(error),
    };
    if state == "ONLINE" {
        return Ok(None);
    }
    Err(StoreError::ReadOnly(format!(
        "the database server has left its group ({}), so nothing is claimed there: START GROUP_REPLICATION, or lead database.url to the \
         group's primary; where it is to serve alone, unset group_replication_group_name",
        match state.as_str() {
            "" => "it is no member",
            state => state,
        }
    ))
    .into())
}

/// A question to the catalogue about the table.
fn named(table: &str, before: &str, after: &str) -> Sql {
    Sql::new(before).bind(table).text(after)
}

/// The server's settings that matter, by name in lower case.
async fn variables(catalogue: &dyn Catalogue) -> Result<HashMap<String, String>, SqlError> {
    let asked = "SHOW VARIABLES WHERE Variable_name IN ('server_uuid', 'server_uid', 'wsrep_on', \
                 'wsrep_provider', 'group_replication_group_name', 'log_bin', 'binlog_format', \
                 'sync_binlog', 'innodb_flush_log_at_trx_commit')";
    let rows = catalogue.texts(Sql::new(asked)).await?;
    let pairs = rows.into_iter().filter_map(|row| {
        let mut row = row.into_iter();
        Some((row.next()?.to_ascii_lowercase(), row.next()?))
    });
    Ok(pairs.collect())
}

/// The triggers that run with each claim, as far as the user may see them.
async fn triggers(catalogue: &dyn Catalogue) -> Result<Vec<String>, SqlError> {
    let rows = catalogue.texts(named(
        catalogue.table(),
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

impl Table {
    async fn read(catalogue: &dyn Catalogue) -> Result<Self, SqlError> {
        let table = catalogue.table();
        let engine = catalogue.texts(named(
        table,
        "SELECT CONVERT(COALESCE(ENGINE, TABLE_TYPE) USING utf8mb4) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
        "",
    ));
        let engine = first(engine.await?);
        let columns = catalogue.texts(named(
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
            catalogue.reach_table().await?;
        }
        let unique = catalogue.texts(named(
            table,
            "SELECT CONVERT(INDEX_NAME USING utf8mb4) FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
            " AND NON_UNIQUE = 0 \
         GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MAX(LOWER(COLUMN_NAME) = 'biz_tag') = 1",
        ));
        let is_unique = !unique.await?.is_empty();
        let collation = catalogue.texts(named(
        table,
        "SELECT CONVERT(COALESCE(COLLATION_NAME, '') USING utf8mb4) FROM information_schema.COLUMNS \
         WHERE COLUMN_NAME = 'biz_tag' AND TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
        "",
    ));
        let collation = first(collation.await?);
        has_columns(table, &columns, &WORDS)?;
        Ok(Self {
            engine,
            columns,
            is_unique,
            collation,
        })
    }

    /// What would not keep ids unique, each with the statement that mends it; and what is good to know.
    fn findings(&self, table: &str) -> Vec<Finding> {
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
            found.push(Finding::new(
            Weight::Note,
            format!(
                "biz_tag is compared by {}, for which names such as `a` and `A` may be one: a tag cannot be made \
                 beside such another",
                self.collation
            ),
            format!(
                "nothing, unless you need both; then: ALTER TABLE `{}` MODIFY biz_tag VARCHAR({}) CHARACTER SET \
                 utf8mb4 COLLATE utf8mb4_bin NOT NULL;",
                table,
                self.columns.get("biz_tag").and_then(|column| column.length).unwrap_or(128)
            ),
        ));
        }
        found
    }
}

/// Which expression names the server. Where any node may take the write, the cluster's name.
fn mysql_identity(variables: &HashMap<String, String>) -> &'static str {
    let set = |name: &str| variables.get(name).map_or("", String::as_str);
    if is_galera(variables) {
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

fn is_galera(variables: &HashMap<String, String>) -> bool {
    let set = |name: &str| variables.get(name).map_or("", String::as_str);
    matches!(set("wsrep_on"), "ON" | "1") && !matches!(set("wsrep_provider"), "" | "none")
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
