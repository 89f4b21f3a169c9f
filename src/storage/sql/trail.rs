//! The record of claims, where `database.claim_records` asks for one: which server claimed which ids when. A row is
//! written after the claim is committed and before its ids are handed out. Where that fails the ids are handed out all
//! the same, and the log says so: a record is for people, and no request waits for one.

use super::SqlStore;
use super::dialect::Sql;
use super::row::value;
use crate::domain::{BizTag, IdRange};
use crate::storage::{ClaimRecord, Instance, StoreError};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Old records are deleted this often, so many at a time.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
const PRUNED: u64 = 10_000;
/// Records of one id that are read: more than one is a duplicate.
const READ: i64 = 100;

impl SqlStore {
    /// Writes down a claim that was committed.
    pub(super) async fn write_down(&self, tag: &BizTag, range: IdRange) {
        let Some(me) = self
            .me
            .get()
            .filter(|_| !self.settings.claim_records.is_zero())
        else {
            return;
        };
        let (table, now) = (self.beside("claims"), self.pool.dialect().now());
        let sql = Sql::new(format!(
            "INSERT INTO {table} (biz_tag, first_id, end_id, claimed_at, server, name, version) VALUES ("
        ));
        let sql = sql.bind(tag.as_str()).text(", ").bind(range.first());
        let sql = sql.text(", ").bind(range.end()).text(&format!(", {now}, "));
        let sql = sql.bind(&*me.id).text(", ").bind(&*me.name).text(", ");
        let written = self.pool.execute(&sql.bind(&*me.version).text(")")).await;
        if let Err(error) = written {
            tracing::warn!(
                biz_tag = %tag, first = range.first(), end = range.end(), error = %error.store,
                "a claim was not written down (database.claim_records)"
            );
        }
    }

    /// Deletes records that are older than `database.claim_records`, now and then.
    pub(super) async fn prune_records(&self) {
        let kept = self.settings.claim_records;
        let passed = self.opened.elapsed();
        let next = Duration::from_millis(self.prune_at.load(Ordering::Relaxed));
        if kept.is_zero() || passed < next {
            return;
        }
        let later = u64::try_from((passed + PRUNE_EVERY).as_millis()).unwrap_or(u64::MAX);
        self.prune_at.store(later, Ordering::Relaxed);
        let (table, now) = (self.beside("claims"), self.pool.dialect().now());
        let kept = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        // Numbers rise with time, so the oldest are those with the lowest; a bound on numbers deletes few at once.
        let sql = Sql::new(format!(
            "DELETE FROM {table} WHERE claimed_at < {now} - {kept} AND id < \
             (SELECT least FROM (SELECT COALESCE(MIN(id), 0) + {PRUNED} AS least FROM {table}) AS oldest)"
        ));
        match self.pool.execute(&sql).await {
            Ok(PRUNED..) => self.prune_at.store(0, Ordering::Relaxed),
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error.store, "old records of claims stay"),
        }
    }

    /// Who claimed this id, the oldest claim first.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::Unusable`] where the table is not there or may not be read.
    pub async fn trace(&self, tag: &BizTag, id: i64) -> Result<Vec<ClaimRecord>, StoreError> {
        let (table, now) = (self.beside("claims"), self.pool.dialect().now());
        let sql = Sql::new(format!(
            "SELECT first_id, end_id, {now} - claimed_at AS age, server, name, version FROM {table} WHERE biz_tag = "
        ));
        let sql = sql.bind(tag.as_str()).text(" AND end_id > ").bind(id);
        let sql = sql.text(" AND first_id <= ").bind(id);
        let sql = sql.text(&format!(" ORDER BY id LIMIT {READ}"));
        let rows = self.pool.rows(&sql).await?;
        let place = &self.pool.place;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let age: i64 = value(row, "age", place)?;
            found.push(ClaimRecord {
                first: value(row, "first_id", place)?,
                end: value(row, "end_id", place)?,
                age: Duration::from_micros(age.max(0).unsigned_abs()),
                by: Instance {
                    id: value(row, "server", place)?,
                    name: value(row, "name", place)?,
                    version: value(row, "version", place)?,
                },
            });
        }
        Ok(found)
    }

    /// Says who this process is: from now on its claims are written down, where that is wanted.
    pub fn introduce(&self, me: Instance) {
        let _ = self.me.set(me);
    }
}
