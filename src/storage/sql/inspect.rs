//! Looking at server and table: whether ids stay unique there, and how claims are written on it.

use super::SqlStore;
use super::columns::{Column, Columns};
use super::count::COUNTED;
use super::database::{Catalogue as _, Found};
use super::dialect::{Identity, Sql};
use super::errors::SqlError;
use super::inspection::Inspection;
use super::mysql::SHARDED;
use super::shards;
use super::statements::Statements;
use crate::config::{DatabaseKind, Guard};
use crate::storage::{Finding, StoreError, StoreReport, Unusable, Weight};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

const GUARD_COLUMNS: [&str; 5] = [
    "claimed_to",
    "claimed_on",
    "claimed_size",
    "moves",
    "retired_at",
];

/// The columns that say how much may be claimed of a row, and of which history it is part.
const ACCOUNT_COLUMNS: [&str; 8] = [
    "allowance",
    "allowance_before",
    "allowance_at",
    "needed_at",
    "paid_until",
    "lineage",
    "advance_to",
    "advance_at",
];

impl SqlStore {
    /// What the server and the table are; looked at once, then by each [`SqlStore::report`].
    pub(super) async fn inspected(&self) -> Result<Arc<Inspection>, StoreError> {
        if let Some(known) = self.pool.inspection() {
            return Ok(known);
        }
        let asked = Instant::now();
        let mut failed = self.pool.inspecting.lock().await;
        if let Some(known) = self.pool.inspection() {
            return Ok(known);
        }
        // Those who waited for a look that failed do not each try the same again.
        if let Some((at, error)) = &*failed
            && *at > asked
        {
            return Err(error.clone());
        }
        let found = self.inspect().await;
        *failed = found
            .as_ref()
            .err()
            .map(|error| (Instant::now(), error.clone()));
        found
    }

    /// Looks at server and table anew.
    pub(super) async fn report(&self) -> Result<StoreReport, StoreError> {
        let found = self.inspect().await?;
        let place = &self.pool.place;
        let mut warnings = found.warnings.clone();
        let (tags, looked_at) = match self.count(&found.statements).await {
            Ok(counted) => (counted.tags, counted.looked_at),
            // Claims on the other shards need no count.
            Err(error) if shards::may_be_gone(&error) => {
                warnings.push(format!("the tags cannot be counted: {}", error.store));
                (0, COUNTED)
            }
            Err(error) => return Err(error.into()),
        };
        let product = match found.product.as_str() {
            "" => String::new(),
            product => format!(" ({product})"),
        };
        Ok(StoreReport {
            description: format!("{}{product}", place.endpoint),
            tags: u64::try_from(tags).unwrap_or(0),
            more_tags: looked_at >= COUNTED,
            guard_active: found.statements.identity.is_some(),
            warnings,
        })
    }

    /// Whether the table takes writes: changes a row that there is not, as claims change theirs. A server that is
    /// read-only, a right that is missing, or a lock on the whole table refuse it; a lock on a row does not.
    pub(super) async fn write_nothing(&self) -> Result<(), SqlError> {
        let table = self.pool.dialect().quoted(&self.settings.table);
        let write = |name| {
            let sql =
                format!("UPDATE {table} SET max_id = max_id WHERE biz_tag = '{name}' AND 1 = 0");
            async move { self.pool.execute(&Sql::new(sql)).await }
        };
        shards::any(write).await.map(drop)
    }

    async fn inspect(&self) -> Result<Arc<Inspection>, StoreError> {
        let epoch = self.pool.renewal().epoch();
        match self.look_at_table().await {
            Ok(found) => {
                let found = Arc::new(found);
                self.pool.inspected(epoch, Some(found.clone()));
                Ok(found)
            }
            Err(error) => {
                let is_left = matches!(error.store, StoreError::ReadOnly(_));
                if is_left || !error.store.is_transient() {
                    self.pool.inspected(epoch, None);
                }
                if is_left {
                    self.pool.renewal().leave();
                }
                Err(error.store)
            }
        }
    }

    async fn look_at_table(&self) -> Result<Inspection, SqlError> {
        let found = self.pool.database.look(&self.pool).await?;
        let fault = |finding: &&Finding| finding.weight == Weight::Fault;
        if let Some(fault) = found.findings.iter().find(fault) {
            // It may have been dropped while it was looked at.
            self.pool.reach_table().await?;
            let table = &self.settings.table;
            let text = format!("table `{table}`: {}; do: {}", fault.what, fault.todo);
            return Err(StoreError::from(Unusable::TableMisconfigured(text)).into());
        }
        self.inspection(found).await
    }

    /// What was found, with the guard as far as table and server allow it.
    async fn inspection(&self, found: Found) -> Result<Inspection, SqlError> {
        let (columns, mut warnings) = (found.columns, found.warnings);
        let dialect = self.pool.dialect();
        let (mut identity, mut primary, mut heartbeat) = (None, None, None);
        let lacking = missing(&ACCOUNT_COLUMNS, &columns);
        if self.is_guarded(found.refusal, &columns, &mut warnings)? {
            let configured = self.settings.server_identity.clone();
            identity = Some(configured.map_or_else(|| found.primary.clone(), Identity::Configured));
            primary = Some(found.primary);
            heartbeat = self.heartbeat(&lacking, &mut warnings).await?;
            if lacking.is_empty() {
                self.was_guarded.store(true, Ordering::Release);
            }
        }
        let is_int = |column: &Column| column.kind.starts_with("int(") || column.kind == "int";
        let is_mysql = matches!(self.settings.url.kind(), DatabaseKind::MySql);
        let is_int = is_mysql && columns.get("step").is_some_and(is_int);
        Ok(Inspection {
            statements: Statements {
                dialect,
                table: dialect.quoted(&self.settings.table),
                counted: identity.is_some() && lacking.is_empty(),
                identity,
                primary,
                heartbeat,
                retirable: columns.contains_key("retired_at"),
                limited: columns.contains_key("id_limit"),
            },
            columns,
            product: found.product,
            has_triggers: found.has_triggers,
            warnings,
            largest_step: if is_int { i32::MAX.into() } else { i64::MAX },
        })
    }

    /// The heartbeat's table, where it can be renewed; else a warning that says what to do.
    async fn heartbeat(
        &self,
        lacking: &[&str],
        warnings: &mut Vec<String>,
    ) -> Result<Option<String>, SqlError> {
        let table = &self.settings.table;
        let quoted = self.beside("heartbeat");
        let touch = Sql::new(format!("UPDATE {quoted} SET beat = beat WHERE id = 0"));
        self.has_lost(lacking)?;
        let why = if !lacking.is_empty() {
            format!(
                "table `{table}` lacks {}: run `id-alloc migrate up`; until then claims are not counted, \
                 and a failover while they grow may repeat ids",
                lacking.join(", ")
            )
        } else {
            let Err(SqlError {
                store: StoreError::Unusable(why),
                ..
            }) = self.pool.execute(&touch).await
            else {
                return Ok(Some(quoted));
            };
            let todo = match why.to_string() {
                // There is nothing to be done.
                why if why.contains(SHARDED) => why,
                why => format!(
                    "grant SELECT and UPDATE on `{table}_heartbeat`, which `id-alloc migrate up` makes ({why})"
                ),
            };
            format!(
                "the heartbeat cannot be renewed, so each failover is taken to have lost 30 seconds, and \
                 data that went back is not seen: {todo}"
            )
        };
        self.goes_without(&why, why.clone(), false, warnings)?;
        Ok(None)
    }

    /// Whether claims may carry the guard.
    fn is_guarded(
        &self,
        refusal: Option<&'static str>,
        columns: &Columns,
        warnings: &mut Vec<String>,
    ) -> Result<bool, StoreError> {
        if self.settings.guard == Guard::Off {
            return Ok(false);
        }
        let missing = missing(&GUARD_COLUMNS, columns);
        self.has_lost(&missing)?;
        let why = match refusal {
            _ if !missing.is_empty() => format!(
                "table `{}` lacks {}: run `id-alloc migrate up`",
                self.settings.table,
                missing.join(", ")
            ),
            Some(refusal) => refusal.to_owned(),
            None => return Ok(true),
        };
        let text = format!("the guard is off, so a failover may repeat ids: {why}");
        self.goes_without(&why, text, missing.is_empty(), warnings)?;
        Ok(false)
    }

    /// Warns that claims are made with less than the whole guard, unless that is not wanted.
    fn goes_without(
        &self,
        why: &str,
        text: String,
        is_grave: bool,
        warnings: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        if self.settings.guard == Guard::On {
            let text = format!("database.guard is \"on\" but {why}");
            return Err(Unusable::TableMisconfigured(text).into());
        }
        // Not every minute the same.
        let said = self.said.lock();
        if said.is_ok_and(|mut said| said.replace(text.clone()).as_ref() != Some(&text)) {
            match is_grave {
                true => tracing::error!("{text}"),
                false => tracing::warn!("{text}"),
            }
        }
        warnings.push(text);
        Ok(())
    }

    /// Refuses a table without columns that it had when this server claimed under the guard: without them, as on a
    /// replica that never had them, nothing tells what was lost.
    fn has_lost(&self, missing: &[&str]) -> Result<(), StoreError> {
        if missing.is_empty() || !self.was_guarded.load(Ordering::Acquire) {
            return Ok(());
        }
        let table = &self.settings.table;
        Err(Unusable::TableMisconfigured(format!(
            "table `{table}` lacks {}, which it had before (a replica without them was promoted?), so nothing is \
             claimed: run `id-alloc migrate up`, then `id-alloc tag advance --all --now --by N` with N more than may \
             be lost",
            missing.join(", ")
        ))
        .into())
    }
}

fn missing(wanted: &[&'static str], columns: &Columns) -> Vec<&'static str> {
    let is_missing = |name: &&&str| !columns.contains_key(**name);
    wanted.iter().filter(is_missing).copied().collect()
}
