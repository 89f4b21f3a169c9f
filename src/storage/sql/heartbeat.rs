//! The heartbeat: renewed while a server runs, looked at before claims are made on a new connection.

use super::SqlStore;
use super::beat_statements::{RENEWED, Words};
use super::dialect::Sql;
use super::errors::SqlError;
use super::heart::Look;
use super::lineage::{Heartbeat, Verdict, judge};
use super::mysql::DEADLOCK;
use super::pool::Lease;
use super::statements::Statements;
use crate::domain::allowance::{MARGIN, SECOND, UNKNOWN_LAG};
use crate::storage::StoreError;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Turns of one look against other servers that write the same row.
const TURNS: u32 = 6;

impl SqlStore {
    /// Renews the heartbeat, unless another server just did. To be called every two seconds while a server
    /// runs; nothing is lost where it fails, but a failover then skips more.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::FailoverFlapping`].
    pub async fn beat(&self) -> Result<(), StoreError> {
        if let Some((_, true)) = self.pool.database.file_fault() {
            self.tell_file().await;
        }
        let inspection = self.inspected().await?;
        let statements = &inspection.statements;
        if statements.heartbeat.is_none() {
            return Ok(());
        }
        let mut on = self.pool.acquire().await?;
        let _turn = self.heart.turn.lock().await;
        let looked = self.look(&mut on, statements).await;
        looked.map(drop).map_err(|error| self.noted(error))
    }

    /// Begins another lineage in a file that took the place of the one that was opened, once: who is started on it
    /// moves each tag past what was claimed in the old one. This server claims nothing there.
    async fn tell_file(&self) {
        let Some(known) = self.heart.known() else {
            return;
        };
        if self.heart.told.swap(true, Ordering::AcqRel) {
            return;
        }
        let words = self.pool.dialect();
        let (now, greatest) = (words.now, words.greatest);
        let table = self.beside("heartbeat");
        let update = format!(
            "UPDATE {table} SET lineage = {greatest}(lineage, {}) + {MARGIN} + {greatest}({now} - beat, 0), \
             beat = {now} WHERE id = 1",
            known.lineage
        );
        match self.pool.database.write_into_file(update).await {
            Ok(rows) if rows > 0 => tracing::error!(
                "{}: another file is in the place of the one that was open: whoever is started on it moves each \
                 tag past what may be lost",
                self.pool.place.endpoint
            ),
            done => tracing::error!(
                ?done,
                "{}: another file is in the place of the one that was open, and cannot be told what is lost: after a \
                 restart run `id-alloc tag advance --all --now --by N`",
                self.pool.place.endpoint
            ),
        }
    }

    /// The lineage in which claims are to be made on this connection; `None` where no heartbeat tells.
    pub(super) async fn lineage(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
    ) -> Result<Option<i64>, SqlError> {
        if statements.heartbeat.is_none() {
            return Ok(None);
        }
        let connections = self.pool.renewal().connections_made();
        if let Some(lineage) = self.heart.fresh(connections) {
            return Ok(Some(lineage));
        }
        let asked = Instant::now();
        let _turn = self.heart.turn.lock().await;
        if let Some(lineage) = self.heart.fresh(connections) {
            return Ok(Some(lineage));
        }
        // Those who waited for a look that failed do not each try the same again.
        if let Some(error) = self.heart.failed_since(asked) {
            return Err(error.into());
        }
        self.look(on, statements).await.map(Some)
    }

    /// The lineage for a row that is made outside of a claim.
    pub(super) async fn lineage_now(
        &self,
        statements: &Statements,
    ) -> Result<Option<i64>, SqlError> {
        if statements.heartbeat.is_none() {
            return Ok(None);
        }
        let mut on = self.pool.acquire().await?;
        self.lineage(&mut on, statements).await
    }

    /// Renews the heartbeat or finds out why that cannot be done, and returns its lineage.
    async fn look(&self, on: &mut Lease<'_>, statements: &Statements) -> Result<i64, SqlError> {
        let looked = self.try_look(on, statements).await;
        if let Err(error) = &looked {
            self.heart.note_failed(&error.store);
        }
        looked
    }

    async fn try_look(&self, on: &mut Lease<'_>, statements: &Statements) -> Result<i64, SqlError> {
        let (Some(table), Some(identity)) = (&statements.heartbeat, &statements.primary) else {
            return Err(StoreError::Transient("there is no heartbeat".to_owned()).into());
        };
        let words = Words {
            statements,
            table,
            identity,
        };
        // Those made while this one looks are looked at again.
        let look = Look {
            began: Instant::now(),
            connections: self.pool.renewal().connections_made(),
        };
        for _ in 0..TURNS {
            let known = self.heart.known();
            if let Some(known) = known {
                match on.claim(&words.renew(&known)).await {
                    Ok(Some(beat)) => {
                        let beat = i64::try_from(beat).unwrap_or(known.beat);
                        self.heart.saw(&look, beat, known.lineage, None);
                        return Ok(known.lineage);
                    }
                    Ok(None) => {}
                    Err(error) if error.mysql == Some(DEADLOCK) => continue,
                    Err(error) => return Err(error),
                }
            }
            let rows = on.rows(&words.read()).await?;
            let Some(row) = rows.first() else {
                on.execute(&words.make(known.map_or(0, |known| known.lineage)))
                    .await?;
                continue;
            };
            if !row.holds("writable")? {
                return Err(self.leave_read_only().into());
            }
            let found = Heartbeat {
                beat: row.value("beat")?,
                identity: row.value("identity")?,
                here: row.holds("here")?,
                lineage: row.value("lineage")?,
                now: row.value("clock")?,
            };
            let primary: String = row.value("primary_name")?;
            let verdict = judge(&found, known.as_ref());
            let lineage = match verdict {
                Verdict::Goes => {
                    self.heart
                        .saw(&look, found.beat, found.lineage, Some(primary.clone()));
                    let is_recent = found.beat > found.now.saturating_sub(RENEWED);
                    if is_recent || !self.heart.may_renew(&found) {
                        return Ok(found.lineage);
                    }
                    found.lineage
                }
                Verdict::First => found.lineage,
                Verdict::WentBack { lineage, .. } => {
                    self.may_go_back()?;
                    lineage
                }
                Verdict::NewPrimary { lineage, .. } | Verdict::ClockWentBack { lineage } => lineage,
            };
            match on.execute(&words.begin(&found, lineage)).await {
                Ok(0) => {}
                Ok(_) => {
                    self.heart.saw(&look, found.now, lineage, Some(primary));
                    self.tell(&found, verdict);
                    return Ok(lineage);
                }
                Err(error) if error.mysql == Some(DEADLOCK) => {}
                Err(error) => return Err(error),
            }
        }
        Err(
            StoreError::Transient("the heartbeat kept changing while it was read".to_owned())
                .into(),
        )
    }

    /// Begins a lineage beyond one that a row says, which no heartbeat has.
    pub(super) async fn begin_beyond(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        lineage: i64,
    ) -> Result<(), SqlError> {
        let (Some(table), Some(known)) = (&statements.heartbeat, self.heart.known()) else {
            return Ok(());
        };
        let beyond = lineage.saturating_add(MARGIN + UNKNOWN_LAG);
        let begin = format!("UPDATE {table} SET lineage = ? WHERE id = 1 AND lineage = ?");
        let sql = Sql::of(&begin, [beyond.into(), known.lineage.into()]);
        if on.execute(&statements.only_writable(sql)).await? > 0 {
            tracing::error!(
                lineage = beyond,
                "a row belongs to a later history than the heartbeat beside the table: every tag is moved"
            );
        }
        self.heart.forget();
        Ok(())
    }

    /// Refuses where the data went back too often: two primaries take turns.
    fn may_go_back(&self) -> Result<(), StoreError> {
        let times = self.heart.times_back();
        if times < self.settings.failover_limit as usize {
            return Ok(());
        }
        Err(StoreError::FailoverFlapping(format!(
            "the database came back {times} times within an hour without what was claimed meanwhile \
             (database.failover_limit); claims wait. Are there two primaries?"
        )))
    }

    fn tell(&self, found: &Heartbeat, verdict: Verdict) {
        let seconds = |time: i64| time as f64 / SECOND as f64;
        let was = &found.identity;
        match verdict {
            Verdict::Goes | Verdict::First => {}
            Verdict::NewPrimary { stale, lineage } => tracing::warn!(
                was,
                lineage,
                stale_seconds = seconds(stale),
                "the database has another primary: each tag is moved past what may be lost, once"
            ),
            Verdict::WentBack { stale, lineage } => {
                self.heart.note_back();
                tracing::error!(
                    was,
                    lineage,
                    stale_seconds = seconds(stale),
                    "the database went back to an earlier state (a restore, or a primary without what \
                     was claimed meanwhile): each tag is moved past what may be lost, once"
                );
            }
            Verdict::ClockWentBack { lineage } => tracing::warn!(
                was,
                lineage,
                "the database's clock went back: each tag is moved past what may be lost, once"
            ),
        }
    }
}
