//! The heartbeat: renewed while a server runs, looked at before claims are made on a new connection.

use super::SqlStore;
use super::database::Sql;
use super::errors::SqlError;
use super::lineage::{Heartbeat, Known, Verdict, judge};
use super::mysql::DEADLOCK;
use super::pool::Lease;
use super::statements::{Identity, Statements, value};
use crate::domain::allowance::{MARGIN, SECOND, UNKNOWN_LAG};
use crate::storage::StoreError;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A heartbeat younger than this is not renewed: another server just did.
const RENEWED: i64 = 3 * SECOND / 2;
/// A claim looks for itself where nobody has looked for so long.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Turns of one look against other servers that write the same row.
const TURNS: u32 = 6;
/// The span in which going back is counted.
const HOUR: Duration = Duration::from_secs(3600);

/// What this server knows of the heartbeat.
#[derive(Debug, Default)]
pub(super) struct Heart {
    state: Mutex<State>,
    /// Whoever looks; the others wait for what is found.
    turn: tokio::sync::Mutex<()>,
    /// Whether a file in the place of the one that was opened was told of what was lost.
    told: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<Seen>,
    /// Why the last look failed, and when.
    failed: Option<(Instant, StoreError)>,
    /// When a row was found that was claimed on another primary: what was looked at before says nothing of it.
    doubted: Option<Instant>,
    /// When the data went back.
    went_back: VecDeque<Instant>,
}

#[derive(Debug, Clone)]
struct Seen {
    /// The primary that said so.
    primary: String,
    /// When that look began.
    began: Instant,
    beat: i64,
    lineage: i64,
    /// When the lineage was seen first.
    since: Instant,
    /// When the heartbeat was looked at last.
    at: Instant,
    /// How many connections had been made by then.
    connections: u64,
}

/// A look at the heartbeat: when it began, and how many connections had been made by then.
#[derive(Debug, Clone, Copy)]
struct Look {
    began: Instant,
    connections: u64,
}

impl Heart {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what a look found. The primary of a lineage stays the same, so one that is known need not be told.
    fn saw(&self, look: &Look, beat: i64, lineage: i64, primary: Option<String>) {
        let now = Instant::now();
        let mut state = self.state();
        let (since, known) = match &state.seen {
            Some(seen) if seen.lineage == lineage => (seen.since, seen.primary.clone()),
            _ => (now, String::new()),
        };
        state.failed = None;
        state.seen = Some(Seen {
            beat,
            lineage,
            since,
            at: now,
            connections: look.connections,
            began: look.began,
            primary: primary.unwrap_or(known),
        });
    }

    fn known(&self) -> Option<Known> {
        let state = self.state();
        let seen = state.seen.as_ref()?;
        Some(Known {
            beat: seen.beat,
            lineage: seen.lineage,
            age: i64::try_from(seen.since.elapsed().as_micros()).unwrap_or(i64::MAX),
        })
    }

    /// A row was found that was claimed elsewhere, on this primary, with what was known of its lineage: whether
    /// that is to be asked again. Not where the heartbeat was looked at for another such row a moment ago, on the same
    /// primary, and said the same: thousands of rows cost one look.
    pub(super) fn doubt(&self, primary: &str, lineage: i64) -> bool {
        let mut state = self.state();
        let looked = state.seen.as_ref().filter(|seen| {
            let doubted = state.doubted;
            let is_recent = doubted.is_some_and(|at| at.elapsed() < LOOK_EVERY && seen.began >= at);
            is_recent && !primary.is_empty() && seen.primary == primary
        });
        if let Some(seen) = looked {
            return seen.lineage != lineage;
        }
        state.doubted = Some(Instant::now());
        true
    }

    /// The lineage, where it was looked at lately and no connection was made since.
    fn fresh(&self, connections: u64) -> Option<i64> {
        let state = self.state();
        let seen = state.seen.as_ref()?;
        let is_fresh = seen.at.elapsed() < LOOK_EVERY
            && seen.connections == connections
            && state.doubted.is_none_or(|doubted| seen.began >= doubted);
        is_fresh.then_some(seen.lineage)
    }
}

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
        let (now, greatest) = (words.now(), words.greatest());
        let table = words.quoted(&format!("{}_heartbeat", self.settings.table));
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
        let connections = self.pool.database.renewal().connections_made();
        if let Some(lineage) = self.heart.fresh(connections) {
            return Ok(Some(lineage));
        }
        let asked = Instant::now();
        let _turn = self.heart.turn.lock().await;
        if let Some(lineage) = self.heart.fresh(connections) {
            return Ok(Some(lineage));
        }
        // Those who waited for a look that failed do not each try the same again.
        let failed = self.heart.state().failed.clone();
        if let Some((_, error)) = failed.filter(|(at, _)| *at > asked) {
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
            self.heart.state().failed = Some((Instant::now(), error.store.clone()));
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
            connections: self.pool.database.renewal().connections_made(),
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
            let place = &self.pool.place;
            if value::<i64>(row, "writable", place)? == 0 {
                self.pool.leave();
                let text = format!("the database is read-only: {}", place.endpoint);
                return Err(StoreError::ReadOnly(text).into());
            }
            let found = Heartbeat {
                beat: value(row, "beat", place)?,
                identity: value(row, "identity", place)?,
                here: value::<i64>(row, "here", place)? != 0,
                lineage: value(row, "lineage", place)?,
                now: value(row, "now", place)?,
            };
            let primary: String = value(row, "primary_name", place)?;
            let verdict = judge(&found, known.as_ref());
            let lineage = match verdict {
                Verdict::Goes => {
                    self.heart
                        .saw(&look, found.beat, found.lineage, Some(primary));
                    if found.beat > found.now.saturating_sub(RENEWED) {
                        return Ok(found.lineage);
                    }
                    continue;
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
        let sql = Sql::new(format!("UPDATE {table} SET lineage = ")).bind(beyond);
        let sql = sql.text(" WHERE id = 1 AND lineage = ").bind(known.lineage);
        if on.execute(&statements.only_writable(sql)).await? > 0 {
            tracing::error!(
                lineage = beyond,
                "a row belongs to a later history than the heartbeat beside the table: every tag is moved"
            );
        }
        self.heart.state().seen = None;
        Ok(())
    }

    /// Refuses where the data went back too often: two primaries take turns.
    fn may_go_back(&self) -> Result<(), StoreError> {
        let mut state = self.heart.state();
        state.went_back.retain(|at| at.elapsed() < HOUR);
        let times = state.went_back.len();
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
                self.heart.state().went_back.push_back(Instant::now());
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

/// The statements of the heartbeat.
struct Words<'a> {
    statements: &'a Statements,
    /// Quoted.
    table: &'a str,
    /// What the server says it is.
    identity: &'a Identity,
}

impl Words<'_> {
    /// Renews it where it goes on as it is known.
    fn renew(&self, known: &Known) -> Sql {
        let words = self.statements.dialect;
        let (now, [before, after]) = (words.now(), words.returned());
        let sql = Sql::new(format!(
            "UPDATE {} SET beat = {before}{now}{after} WHERE id = 1 AND lineage = ",
            self.table
        ));
        let sql = sql.bind(known.lineage).text(" AND beat BETWEEN ");
        let sql = sql
            .bind(known.beat)
            .text(&format!(" AND {now} - {RENEWED} AND "));
        let sql = self.statements.here(sql, "identity", self.identity);
        self.statements
            .only_writable(sql)
            .text(&words.returning("beat"))
    }

    fn read(&self) -> Sql {
        let words = self.statements.dialect;
        let sql = self.statements.here(
            Sql::new("SELECT beat, identity, lineage, ("),
            "identity",
            self.identity,
        );
        let sql = sql.text(&format!(
            ") AS here, ({}) AS writable, {} AS now",
            words.writable(),
            words.now()
        ));
        let from = format!(" FROM {} WHERE id = 1{}", self.table, words.locking());
        self.statements.primary_name(sql).text(&from)
    }

    /// The row, where somebody took it away: beyond what any tag says.
    fn make(&self, known: i64) -> Sql {
        let words = self.statements.dialect;
        let sql = Sql::new(format!(
            "INSERT INTO {} (id, beat, identity, lineage) SELECT 1, {}, '', {}(COALESCE(MAX(lineage), 0), ",
            self.table,
            words.now(),
            words.greatest()
        ));
        let lost = MARGIN + UNKNOWN_LAG;
        sql.bind(known)
            .text(&format!(") + {lost} FROM {}", self.statements.table))
    }

    /// Begins a lineage on this primary, where the heartbeat still is what was read.
    fn begin(&self, read: &Heartbeat, lineage: i64) -> Sql {
        let now = self.statements.dialect.now();
        let sql = Sql::new(format!(
            "UPDATE {} SET beat = {now}, lineage = ",
            self.table
        ));
        let sql = sql.bind(lineage).text(", identity = ");
        let sql = self.statements.identity(sql, self.identity);
        let sql = sql.text(" WHERE id = 1 AND beat = ").bind(read.beat);
        let sql = sql.text(" AND lineage = ").bind(read.lineage);
        let sql = sql.text(" AND identity = ").bind(read.identity.as_str());
        self.statements.only_writable(sql)
    }
}
