//! Looking at server and table: whether ids stay unique there, and how claims are written on it.

use super::SqlStore;
use super::columns::{Column, Columns};
use super::database::{Catalogue as _, Found};
use super::dialect::{Identity, Sql};
use super::errors::SqlError;
use super::inspection::Inspection;
use super::mysql::SHARDED;
use super::row::value;
use super::shards;
use super::statements::{COUNTED, Statements};
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
        let (tags, looked_at) = match self.pool.rows(&found.statements.count()).await {
            Ok(rows) => match rows.first() {
                Some(row) => (
                    value::<i64>(row, "tags", place)?,
                    value::<i64>(row, "looked_at", place)?,
                ),
                None => (0, 0),
            },
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
        let Found {
            columns,
            primary,
            mut warnings,
            ..
        } = found;
        let configured = self.settings.server_identity.clone();
        let identity = configured.map_or_else(|| primary.clone(), Identity::Configured);
        let identity = self.guarded(identity, found.refusal, &columns, &mut warnings)?;
        let heartbeat = match &identity {
            Some(_) => self.heartbeat(&columns, &mut warnings).await?,
            None => None,
        };
        if identity.is_some() && missing(&ACCOUNT_COLUMNS, &columns).is_empty() {
            self.was_guarded.store(true, Ordering::Release);
        }
        let is_int = |column: &Column| column.kind.starts_with("int(") || column.kind == "int";
        let is_mysql = matches!(self.settings.url.kind(), DatabaseKind::MySql);
        let is_int = is_mysql && columns.get("step").is_some_and(is_int);
        let length = |name: &str| columns.get(name).and_then(|column| column.length);
        Ok(Inspection {
            statements: Statements {
                dialect: self.pool.dialect(),
                table: self.pool.dialect().quoted(&self.settings.table),
                primary: identity.is_some().then_some(primary),
                counted: identity.is_some() && missing(&ACCOUNT_COLUMNS, &columns).is_empty(),
                heartbeat,
                identity,
                retirable: columns.contains_key("retired_at"),
                limited: columns.contains_key("id_limit"),
            },
            product: found.product,
            has_triggers: found.has_triggers,
            warnings,
            lengths: (length("biz_tag"), length("description")),
            largest_step: if is_int { i32::MAX.into() } else { i64::MAX },
        })
    }

    /// The heartbeat's table, where it can be renewed; else a warning that says what to do.
    async fn heartbeat(
        &self,
        columns: &Columns,
        warnings: &mut Vec<String>,
    ) -> Result<Option<String>, SqlError> {
        let table = &self.settings.table;
        let beside = format!("{table}_heartbeat");
        let quoted = self.pool.dialect().quoted(&beside);
        let touch = Sql::new(format!("UPDATE {quoted} SET beat = beat WHERE id = 0"));
        let lacking = missing(&ACCOUNT_COLUMNS, columns);
        self.has_lost(&lacking)?;
        let why = if !lacking.is_empty() {
            format!(
                "table `{table}` lacks {}: run `id-alloc migrate up`; until then claims are not counted, \
                 and a failover while they grow may repeat ids",
                lacking.join(", ")
            )
        } else {
            match self.pool.execute(&touch).await {
                Err(SqlError {
                    store: StoreError::Unusable(why),
                    ..
                }) => {
                    let todo = match why.to_string() {
                        // There is nothing to be done.
                        why if why.contains(SHARDED) => why,
                        why => format!(
                            "grant SELECT and UPDATE on `{beside}`, which `id-alloc migrate up` makes ({why})"
                        ),
                    };
                    format!(
                        "the heartbeat cannot be renewed, so each failover is taken to have lost 30 seconds, and \
                         data that went back is not seen: {todo}"
                    )
                }
                _ => return Ok(Some(quoted)),
            }
        };
        if self.settings.guard == Guard::On {
            let text = format!("database.guard is \"on\" but {why}");
            return Err(StoreError::from(Unusable::TableMisconfigured(text)).into());
        }
        if self.says(&why) {
            tracing::warn!("{why}");
        }
        warnings.push(why);
        Ok(None)
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

    /// Whether this is not what was said last, so that it is not said every minute.
    fn says(&self, text: &str) -> bool {
        let said = self.said.lock();
        said.is_ok_and(|mut said| said.replace(text.to_owned()).as_deref() != Some(text))
    }

    /// The identity, where claims may carry the guard; logs it where not, unless it said the same before.
    fn guarded(
        &self,
        identity: Identity,
        refusal: Option<&'static str>,
        columns: &Columns,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Identity>, StoreError> {
        let table = &self.settings.table;
        if self.settings.guard == Guard::Off {
            return Ok(None);
        }
        let missing = missing(&GUARD_COLUMNS, columns);
        self.has_lost(&missing)?;
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
        if self.settings.guard == Guard::On {
            return Err(Unusable::TableMisconfigured(format!(
                "database.guard is \"on\" but {why}"
            ))
            .into());
        }
        let text = format!("the guard is off, so a failover may repeat ids: {why}");
        if self.says(&text) {
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

fn missing(wanted: &[&'static str], columns: &Columns) -> Vec<&'static str> {
    let is_missing = |name: &&&str| !columns.contains_key(**name);
    wanted.iter().filter(is_missing).copied().collect()
}
