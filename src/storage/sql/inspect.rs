//! What kind of server answers, and whether its table keeps ids unique.
//!
//! The kind comes from the server's own answers, not from the handshake, which may be a proxy's.

use super::connect::Generation;
use super::dialect::{Backend, Dialect, Identity, quoted, text_at, value};
use super::errors::{Kind, SqlError};
use super::table::{Columns, column};
use super::{GuardMode, SqlStore};
use crate::storage::{StoreError, StoreReport, Unusable};
use sea_orm::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What claims need to know of server and table.
#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) dialect: Dialect,
    /// For people: `MariaDB 10.11.6`.
    product: String,
    warnings: Vec<String>,
    /// Characters that fit biz_tag and description, where the column says so.
    pub(super) lengths: (Option<usize>, Option<usize>),
}

const GUARD_COLUMNS: [&str; 5] = [
    "claimed_to",
    "claimed_on",
    "claimed_size",
    "moves",
    "retired_at",
];

impl SqlStore {
    /// What this generation's server is; looked at once, then by each [`SqlStore::check_store`].
    pub(super) async fn inspected(&self, on: &Generation) -> Result<Arc<Inspection>, StoreError> {
        match on.inspection.load_full() {
            Some(known) => Ok(known),
            None => self.inspect(on).await,
        }
    }

    pub(super) async fn check_store(&self) -> Result<StoreReport, StoreError> {
        let on = self.pool.current();
        let found = self.inspect(&on).await?;
        let place = &self.pool.place;
        let rows = self
            .pool
            .rows(&on, Kind::Read, found.dialect.count())
            .await?;
        let tags = match rows.first() {
            Some(row) => value::<i64>(row, "tags", place)?,
            None => 0,
        };
        let description = match self.pool.backend {
            Backend::MySql => format!("{} ({})", place.endpoint, found.product),
            Backend::Sqlite => place.endpoint.clone(),
        };
        Ok(StoreReport {
            description,
            tags: u64::try_from(tags).unwrap_or(0),
            guard_active: found.dialect.identity.is_some(),
            warnings: found.warnings.clone(),
        })
    }

    pub(super) async fn reach_table(&self) -> Result<(), StoreError> {
        let on = self.pool.current();
        let touch = format!(
            "SELECT 1 FROM {} LIMIT 0",
            quoted(&self.settings.table, self.pool.backend)
        );
        let reached = self.texts(&on, &touch, vec![]).await;
        reached.map(drop).map_err(|error| self.noted(&on, error))
    }

    async fn inspect(&self, on: &Generation) -> Result<Arc<Inspection>, StoreError> {
        let looked = match self.pool.backend {
            Backend::MySql => self.inspect_mysql(on).await,
            Backend::Sqlite => self.inspect_sqlite(on).await,
        };
        match looked {
            Ok(found) => {
                let found = Arc::new(found);
                on.inspection.store(Some(found.clone()));
                Ok(found)
            }
            Err(error) => {
                if !error.store.is_transient() {
                    on.inspection.store(None);
                }
                Err(error.store)
            }
        }
    }

    /// The rows of a question to the catalogue, as texts.
    pub(super) async fn texts(
        &self,
        on: &Generation,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Vec<String>>, SqlError> {
        let rows = self
            .pool
            .rows(on, Kind::Read, self.pool.backend.statement(sql, values))
            .await?;
        rows.iter()
            .map(|row| {
                let columns = 0..row.column_names().len();
                columns
                    .map(|index| text_at(row, index).map_err(SqlError::from))
                    .collect()
            })
            .collect()
    }

    async fn inspect_mysql(&self, on: &Generation) -> Result<Inspection, SqlError> {
        let table = &self.settings.table;
        let name = || vec![Value::from(table.as_str())];
        // First the table itself: the catalogue hides what the user may not see.
        let touch = format!("SELECT 1 FROM `{table}` LIMIT 0");
        self.texts(on, &touch, vec![]).await?;

        let version = first(
            self.texts(on, "SELECT CONVERT(VERSION() USING utf8mb4)", vec![])
                .await?,
        );
        let variables: HashMap<String, String> = self
            .texts(
                on,
                "SHOW VARIABLES WHERE Variable_name IN ('server_uuid', 'server_uid', 'wsrep_on', \
                 'wsrep_provider', 'group_replication_group_name', 'log_bin', 'binlog_format', \
                 'sync_binlog', 'innodb_flush_log_at_trx_commit')",
                vec![],
            )
            .await?
            .into_iter()
            .filter_map(|row| {
                let mut row = row.into_iter();
                Some((row.next()?.to_ascii_lowercase(), row.next()?))
            })
            .collect();

        let engine = self
            .texts(
                on,
                "SELECT CONVERT(COALESCE(ENGINE, TABLE_TYPE) USING utf8mb4) FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
                name(),
            )
            .await?;
        let columns: Columns = self
            .texts(
                on,
                "SELECT CONVERT(COLUMN_NAME USING utf8mb4), CONVERT(COLUMN_TYPE USING utf8mb4), \
                 CONVERT(CHARACTER_MAXIMUM_LENGTH USING utf8mb4) FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
                name(),
            )
            .await?
            .into_iter()
            .filter_map(column)
            .collect();
        let unique = self
            .texts(
                on,
                "SELECT CONVERT(INDEX_NAME USING utf8mb4) FROM information_schema.STATISTICS \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND NON_UNIQUE = 0 \
                 GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MAX(LOWER(COLUMN_NAME) = 'biz_tag') = 1",
                name(),
            )
            .await?;
        self.mysql_table(&first(engine), &columns, !unique.is_empty())?;

        let mut warnings = Vec::new();
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
        let identity = match &self.settings.server_identity {
            Some(identity) => Identity::Configured(identity.clone()),
            None => Identity::Expression(mysql_identity(&variables)),
        };
        let identity = self.guarded(identity, refusal, &columns, &mut warnings)?;
        let number = version.split('-').next().unwrap_or_default();
        let product = if version.contains("MariaDB") {
            "MariaDB"
        } else {
            "MySQL"
        };
        Ok(Inspection {
            product: format!("{product} {number}"),
            ..self.inspection(identity, &columns, warnings)
        })
    }

    pub(super) fn inspection(
        &self,
        identity: Option<Identity>,
        columns: &Columns,
        warnings: Vec<String>,
    ) -> Inspection {
        let length = |name: &str| columns.get(name).and_then(|column| column.length);
        Inspection {
            dialect: Dialect {
                backend: self.pool.backend,
                table: quoted(&self.settings.table, self.pool.backend),
                identity,
                retirable: columns.contains_key("retired_at"),
            },
            product: "SQLite".to_owned(),
            warnings,
            lengths: (length("biz_tag"), length("description")),
        }
    }

    /// The identity, where claims may carry the guard; logs once per generation where not.
    pub(super) fn guarded(
        &self,
        identity: Identity,
        refusal: Option<&'static str>,
        columns: &Columns,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Identity>, StoreError> {
        let table = &self.settings.table;
        if self.settings.guard == GuardMode::Off {
            return Ok(None);
        }
        let missing: Vec<_> = GUARD_COLUMNS
            .into_iter()
            .filter(|name| !columns.contains_key(*name))
            .collect();
        let why = if !missing.is_empty() {
            format!(
                "table `{table}` lacks {}: run `id-alloc migrate up`",
                missing.join(", ")
            )
        } else if let Some(refusal) = refusal {
            refusal.to_owned()
        } else {
            return Ok(Some(identity));
        };
        if self.settings.guard == GuardMode::On {
            return Err(Unusable::TableMisconfigured(format!(
                "database.guard is \"on\" but {why}"
            ))
            .into());
        }
        let text = format!("the guard is off, a failover may repeat ids: {why}");
        if self
            .said
            .lock()
            .is_ok_and(|mut said| said.replace(text.clone()) != Some(text.clone()))
        {
            if missing.is_empty() {
                tracing::error!("{text}");
            } else {
                tracing::warn!("{text}");
            }
        }
        warnings.push(text);
        Ok(None)
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
