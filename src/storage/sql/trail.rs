//! The record of claims, where `database.claim_records` asks for one: which server claimed which ids when. A row is
//! written after the claim is committed and before its ids are handed out. Where that fails the ids are handed out all
//! the same, and the log says so: a record is for people, and no request waits for one.

use super::SqlStore;
use super::dialect::Sql;
use super::row::Fetched;
use crate::domain::{BizTag, IdRange};
use crate::storage::{ClaimRecord, Instance, StoreError, Unusable};
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
        let is_wanted = !self.settings.claim_records.is_zero();
        let Some(me) = self.me.get().filter(|_| is_wanted) else {
            return;
        };
        let (table, now) = (self.beside("claims"), self.pool.dialect().now);
        let write = Sql::of(
            &format!(
                "INSERT INTO {table} (biz_tag, first_id, end_id, claimed_at, server, name, version) \
                 VALUES (?, ?, ?, {now}, ?, ?, ?)"
            ),
            [
                tag.as_str().into(),
                range.first().into(),
                range.end().into(),
                me.id.as_str().into(),
                me.name.as_str().into(),
                me.version.as_str().into(),
            ],
        );
        if let Err(error) = self.pool.execute(&write).await {
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
        let (table, now) = (self.beside("claims"), self.pool.dialect().now);
        let kept = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        // Numbers rise with time, so the oldest are those with the lowest; a bound on numbers deletes few at once.
        let sql = Sql::new(format!(
            "DELETE FROM {table} WHERE claimed_at < {now} - {kept} AND id < \
             (SELECT least FROM (SELECT COALESCE(MIN(id), 0) + {PRUNED} AS least FROM {table}) AS oldest)"
        ));
        match self.pool.execute(&sql).await {
            Ok(PRUNED..) => self.prune_at.store(0, Ordering::Relaxed),
            Ok(_) => {}
            Err(error) => {
                let is_denied =
                    matches!(error.store, StoreError::Unusable(Unusable::AccessDenied(_)));
                let todo = match is_denied {
                    true => format!("grant DELETE on {}", self.names_beside(&["claims"])),
                    false => "it is tried again in ten minutes".to_owned(),
                };
                tracing::warn!(
                    error = %error.store,
                    "records older than database.claim_records cannot be deleted: {todo}"
                );
            }
        }
    }

    /// Who claimed this id, the oldest claim first.
    pub async fn trace(&self, tag: &BizTag, id: i64) -> Result<Vec<ClaimRecord>, StoreError> {
        let (table, now) = (self.beside("claims"), self.pool.dialect().now);
        let asked = format!(
            "SELECT first_id, end_id, {now} - claimed_at AS age, server, name, version FROM {table} \
             WHERE biz_tag = ? AND end_id > ? AND first_id <= ? ORDER BY id LIMIT {READ}"
        );
        let asked = Sql::of(&asked, [tag.as_str().into(), id.into(), id.into()]);
        let record = |row: &Fetched<'_>| {
            Ok(ClaimRecord {
                first: row.value("first_id")?,
                end: row.value("end_id")?,
                age: row.age()?,
                by: row.instance("server")?,
            })
        };
        let rows = self.pool.rows(&asked).await?;
        rows.iter().map(record).collect()
    }

    /// Says who this process is: from now on its claims are written down, where that is wanted.
    pub fn introduce(&self, me: Instance) {
        let _ = self.me.set(me);
    }
}
