//! Whether it is safe to serve from the table as it is: everything that is wrong with it, not only the first.

use super::SqlStore;
use super::dialect::Sql;
use super::doctor_rows::Rows;
use super::errors::SqlError;
use super::mysql::SHARDED;
use super::statements::Statements;
use crate::config::Guard;
use crate::domain::BizTag;
use crate::domain::allowance::{Allowance, MARGIN, SECOND};
use crate::storage::{
    Finding, InUse, Listing, StoreError, TagAdministration as _, Unusable, Weight,
};

/// Rows read at once.
const PAGE: u64 = 1000;
/// While a server runs the heartbeat is younger than this.
const BEATS: i64 = 10 * SECOND;
impl SqlStore {
    /// What is wrong with the table, and what is not certain. `moved`: that rows were claimed on another database
    /// server is known and wanted.
    pub async fn examine(&self, in_use: &[InUse], moved: bool) -> Result<Vec<Finding>, StoreError> {
        let mut found = match self.pool.database.look(&self.pool).await {
            Ok(found) => found.findings,
            Err(SqlError {
                store:
                    StoreError::Unusable(
                        why @ (Unusable::TableMissing(_) | Unusable::TableMisconfigured(_)),
                    ),
                ..
            }) => {
                let todo = "run `id-alloc migrate up` for a new one; restore one that was there";
                return Ok(vec![Finding::new(Weight::Fault, why.to_string(), todo)]);
            }
            Err(error) => return Err(error.store),
        };
        match self.report().await {
            Ok(report) => {
                for warning in report.warnings {
                    found.push(warned(&warning));
                }
                if self.settings.guard == Guard::Off {
                    found.push(Finding::new(
                        Weight::Fault,
                        "the guard is turned off: a restore or a failover may repeat ids",
                        "set database.guard = \"auto\"",
                    ));
                }
                let inspection = self.inspected().await?;
                self.examine_rows(moved, &inspection.statements, &mut found)
                    .await?;
            }
            // Said already, with more of the same kind.
            Err(StoreError::Unusable(Unusable::TableMisconfigured(_))) if !found.is_empty() => {}
            Err(StoreError::Unusable(Unusable::TableMisconfigured(why))) => {
                found.push(warned(&why));
            }
            Err(error) => return Err(error),
        }
        for column in in_use {
            found.extend(self.examine_use(column).await?);
        }
        found.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        Ok(found)
    }

    async fn examine_rows(
        &self,
        moved: bool,
        statements: &Statements,
        found: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::default();
        let mut after: Option<String> = None;
        loop {
            let page = self.list(&Listing::page(after.as_deref(), PAGE)).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.biz_tag.clone());
            for row in &page {
                rows.take_in(row, self.limits.max_step);
            }
        }
        found.extend(rows.findings(moved, statements.identity.is_some()));
        if let Some(heartbeat) = &statements.heartbeat
            && rows.at_their_end > 0
        {
            found.extend(self.examine_heartbeat(heartbeat, &statements.table).await?);
        }
        Ok(())
    }

    /// Whether any server lives that would notice that the data went back.
    async fn examine_heartbeat(
        &self,
        heartbeat: &str,
        table: &str,
    ) -> Result<Option<Finding>, StoreError> {
        let now = self.pool.dialect().now;
        let asked = Sql::new(format!(
            "SELECT beat, {now} - beat AS age, (SELECT COALESCE(MAX(allowance), 0) FROM {table}) AS allowance \
             FROM {heartbeat} WHERE id = 1 AND beat > 0"
        ));
        let rows = self.pool.rows(&asked).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let age: i64 = row.value("age")?;
        if age < BEATS {
            return Ok(None);
        }
        // What was claimed long after the last beat was claimed by a server that has only just started, on what is there.
        let lasted = row.value::<i64>("beat")?.saturating_add(2 * BEATS);
        let asked = format!(
            "SELECT COUNT(*) AS claimed_before FROM {table} WHERE claimed_to > 0 AND max_id <= claimed_to \
             AND paid_until <= ?"
        );
        let rows = self.pool.rows(&Sql::of(&asked, [lasted.into()])).await?;
        match rows.first() {
            Some(row) if row.value::<i64>("claimed_before")? > 0 => {}
            _ => return Ok(None),
        }
        let largest = Allowance {
            ids: row.value("allowance")?,
            before: 0,
            written_at: 0,
            needed_at: 0,
            paid_until: 0,
        };
        let by = largest.skip(age.saturating_add(MARGIN));
        Ok(Some(Finding::new(
            Weight::Unsure,
            format!(
                "no server has run on this table for {} s, so none can tell whether it is an older copy",
                age / SECOND
            ),
            format!(
                "if it was restored from a backup: id-alloc tag advance --all --now --by {by} (more than could be \
                 claimed since), before any server is started; if the servers were only stopped, nothing"
            ),
        )))
    }

    /// Whether ids that callers hold already lie ahead of the row.
    async fn examine_use(&self, column: &InUse) -> Result<Option<Finding>, StoreError> {
        let words = self.pool.dialect();
        let parts: Vec<String> = column.table.iter().map(|part| words.quoted(part)).collect();
        let named = column.table.join(".");
        let asked = Sql::new(format!(
            "SELECT {} AS largest FROM {}",
            words.integer(&format!("MAX({})", words.quoted(&column.column))),
            parts.join(".")
        ));
        let rows = self.pool.rows(&asked).await.map_err(|error| {
            let text = format!("cannot read {named}.{}: {}", column.column, error.store);
            StoreError::Rejected(text)
        })?;
        let largest = rows.first().map(|row| row.value::<Option<i64>>("largest"));
        let Some(largest) = largest.transpose()?.flatten() else {
            return Ok(None);
        };
        let tag = &column.tag;
        let max_id = self.max_id(tag).await?;
        if max_id > largest {
            return Ok(None);
        }
        let next = largest.saturating_add(1);
        Ok(Some(Finding::new(
            Weight::Fault,
            format!(
                "biz_tag {tag}: max_id is {max_id}, but {named}.{} holds ids up to {largest} already: they would be \
                 handed out again",
                column.column
            ),
            format!("id-alloc tag advance {tag} --to {next} --now --drop-buffers"),
        )))
    }

    /// Read for itself: the rest of the table may be broken.
    async fn max_id(&self, tag: &BizTag) -> Result<i64, StoreError> {
        let words = self.pool.dialect();
        let table = words.quoted(&self.settings.table);
        let (max_id, key) = (words.integer("max_id"), words.bytes("biz_tag"));
        let binary = words.binary;
        let asked =
            format!("SELECT {max_id} AS max_id FROM {table} WHERE {key} = CAST(? AS {binary})");
        let asked = Sql::of(&asked, [tag.as_str().into()]);
        let rows = self.pool.rows(&asked).await?;
        let row = rows.first().ok_or_else(|| {
            StoreError::Rejected(format!(
                "tag {:?} does not exist: id-alloc tag list shows those that do",
                tag.as_str()
            ))
        })?;
        Ok(row.value::<Option<i64>>("max_id")?.unwrap_or(0))
    }
}

/// A warning of the store, which says itself what to do.
fn warned(text: &str) -> Finding {
    let weight = match text.contains(SHARDED) {
        true => Weight::Note,
        false => Weight::Fault,
    };
    Finding::new(weight, text, "")
}
