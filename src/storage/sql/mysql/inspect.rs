//! What kind of server answers, and what of its settings weakens a promise.
//!
//! The kind comes from the server's own answers, not from the handshake, which may be a proxy's.

use super::table::Table;
use crate::storage::StoreError;
use crate::storage::sql::database::{Catalogue, Found};
use crate::storage::sql::dialect::{Identity, Sql};
use crate::storage::sql::errors::SqlError;
use std::collections::HashMap;

pub(super) async fn look(catalogue: &dyn Catalogue) -> Result<Found, SqlError> {
    let version = Sql::new("SELECT CONVERT(VERSION() USING utf8mb4)");
    let version = catalogue.texts(version).await?.concat().concat();
    let variables = variables(catalogue).await?;
    let table = Table::read(catalogue).await?;
    let findings = table.findings(catalogue.table());

    let mut warnings = Vec::new();
    if !table.triggers.is_empty() {
        warnings.push(format!(
            "table `{}` has triggers that run with each claim ({}), so a claim takes a statement more, to be right \
             whatever they do; where they fail or are slow, so do claims",
            catalogue.table(),
            table.triggers.join(", ")
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
    let product = match version.as_str() {
        version if version.contains("MariaDB") => "MariaDB",
        // Others say which MySQL they take after.
        version if version.contains("TiDB") => "TiDB as MySQL",
        version if version.contains("Vitess") => "Vitess as MySQL",
        _ => "MySQL",
    };
    Ok(Found {
        product: format!("{product} {number}"),
        columns: table.columns,
        findings,
        primary: Identity::Expression(mysql_identity(&variables)),
        refusal,
        has_triggers: !table.triggers.is_empty(),
        warnings,
    })
}

/// A server of a group that has left it is nobody's primary, whether it takes writes or not: the group goes on, under
/// the same name. Refuses it; a warning where that cannot be seen.
async fn membership(catalogue: &dyn Catalogue) -> Result<Option<String>, SqlError> {
    let asked = "SELECT CONVERT(MEMBER_STATE USING utf8mb4) FROM \
                 performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid";
    let state = match catalogue.texts(Sql::new(asked)).await {
        Ok(rows) => rows.concat().concat(),
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
