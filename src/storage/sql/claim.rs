//! The claim: one statement where the row stands right, else look, decide, put right, claim again.
//!
//! Everything that changes the row on the way is a compare-and-set on what was read, so that of
//! several servers that see the same fault one puts it right and the others find it done. A statement
//! whose outcome is unknown ends the claim: the next one looks at the row anew.

use super::SqlStore;
use super::decide::{Account, Decision, Row, decide, wanted};
use super::edit::NAMES;
use super::errors::SqlError;
use super::mysql::{DEADLOCK, UNKNOWN_COLUMN};
use super::pool::Lease;
use super::statements::{PreparedClaim, Statements, value};
use crate::domain::{Allowance, BizTag, ClaimRequest, IdRange};
use crate::storage::{Claim, GuardRow, Limited, Repairs, SegmentStore, StoreError, StoreReport};
use async_trait::async_trait;
use sea_orm::QueryResult;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Turns of one claim; each is a statement or two.
const TURNS: u32 = 12;
/// Deadlocks (Galera: a write on another node came first) that are tried again at once.
const DEADLOCKS: u32 = 3;
#[derive(Default)]
struct Progress {
    reconnected: bool,
    looked: bool,
    deadlocks: u32,
}

#[async_trait]
impl SegmentStore for SqlStore {
    async fn claim(&self, request: &ClaimRequest, repairs: &Repairs) -> Result<Claim, StoreError> {
        let mut progress = Progress::default();
        // The step to claim with, and how many ids where that was decided.
        let mut next = request.step.or_else(|| self.likely_step.guess());
        let mut exactly = None;
        // The max_id that was read for it.
        let mut read = None;
        for _ in 0..TURNS {
            let epoch = self.pool.epoch();
            let inspection = self.inspected().await?;
            let statements = &inspection.statements;
            let on = self.pool.acquire().await;
            let mut on = on.map_err(|error| self.noted(error))?;
            if self.pool.epoch() != epoch {
                // A new connection has other settings than those that were looked at.
                continue;
            }
            let lineage = self.lineage(&mut on, statements).await;
            let lineage = lineage.map_err(|error| self.noted(error))?;
            let compares = inspection.has_triggers || self.compares.load(Ordering::Relaxed);
            let compared = read.take().filter(|_| compares);
            if let Some(step) = next.filter(|_| !compares || compared.is_some()) {
                let claim = PreparedClaim {
                    request,
                    n: exactly.take().unwrap_or_else(|| wanted(request, step)),
                    step,
                    limit: self.limits.id_limit,
                    lineage,
                    read: compared,
                };
                match self.try_claim(&mut on, statements, &claim).await {
                    // A step of 1 at start 0 held only id 0.
                    Ok(Some(claimed)) if claimed.range.is_empty() => continue,
                    Ok(Some(claimed)) => {
                        if request.step.is_none() {
                            self.likely_step.found(step);
                        }
                        drop(on);
                        self.write_down(&request.tag, claimed.range).await;
                        return Ok(claimed);
                    }
                    Ok(None) => {}
                    Err(error) if progress.again(&error) => continue,
                    Err(error) => return Err(self.noted(error)),
                }
            }
            let (row, primary) = match self.read_row(&mut on, statements, &request.tag).await {
                Ok(read) => read,
                Err(error) if progress.again(&error) => continue,
                Err(error) => return Err(self.noted(error)),
            };
            let decision = decide(row.as_ref(), request, &self.limits, lineage);
            let (Some(row), false) = (row, decision == Decision::Unknown) else {
                self.likely_step.missed();
                return Err(StoreError::UnknownTag);
            };
            if let Decision::Claim { step, n } = decision {
                (next, exactly, read) = (Some(step), Some(n), Some(row.max_id));
                continue;
            }
            if matches!(decision, Decision::Regressed { .. })
                && !progress.reconnected
                && !self.pool.is_renewed(epoch)
            {
                // The connection may lead to a replica or to the primary of yesterday. Thousands of rows that
                // went backwards together cost this once.
                progress.reconnected = true;
                self.pool.renew(epoch);
                continue;
            }
            if matches!(decision, Decision::Foreign { .. })
                && let Some(lineage) = lineage
                && !progress.looked
            {
                // The heartbeat of the server that answered tells how much was lost.
                progress.looked = true;
                if self.heart.doubt(&primary, lineage) {
                    continue;
                }
            }
            if let Some(refusal) = self.refusal(request, &row, &decision) {
                return Err(refusal);
            }
            let tag = &request.tag;
            let put_right =
                self.put_right(&mut on, statements, tag, &row, decision, lineage, repairs);
            match put_right.await {
                Ok(()) => {}
                Err(error) if progress.again(&error) => {}
                Err(error) => return Err(self.noted(error)),
            }
        }
        Err(StoreError::Transient(format!(
            "biz_tag {}: the row kept changing while it was claimed",
            request.tag
        )))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.write_nothing()
            .await
            .map_err(|error| self.noted(error))
    }

    async fn check(&self) -> Result<StoreReport, StoreError> {
        self.prune_records().await;
        self.report().await
    }

    async fn retired(&self, of: &[BizTag]) -> Result<Vec<BizTag>, StoreError> {
        let found = self.inspected().await?;
        let mut retired = Vec::new();
        if found.statements.retirable {
            for some in of.chunks(NAMES) {
                retired.extend(self.names(found.statements.retired(some)).await?);
            }
        }
        Ok(retired)
    }

    async fn limited(&self, limit: u64) -> Result<Vec<Limited>, StoreError> {
        self.tags_with_limits(limit).await
    }

    async fn existing(&self, names: &[BizTag]) -> Result<HashSet<BizTag>, StoreError> {
        self.existing_names(names).await
    }

    fn connections(&self) -> (usize, usize) {
        self.pool.database.connections()
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

impl SqlStore {
    /// What was claimed, or `None` where no row matched, or where it is not known what was claimed, which so is lost.
    async fn try_claim(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        claim: &PreparedClaim<'_>,
    ) -> Result<Option<Claim>, SqlError> {
        let Some(answer) = on.claim(&statements.claim(claim)).await? else {
            return Ok(None);
        };
        let misconfigured = |text: String| StoreError::TagMisconfigured(text);
        let max_id = match claim.read {
            Some(read) => read.saturating_add(claim.n),
            None => i64::try_from(answer)
                .map_err(|_| misconfigured("max_id exceeds 63 bits".to_owned()))?,
        };
        if max_id - claim.n < claim.request.mark.max(0) {
            // The statement asked for a row at or above it.
            if !self.compares.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    biz_tag = %claim.request.tag, answer,
                    "a claim was answered with ids below those claimed before, as where a trigger on the table changes \
                     LAST_INSERT_ID(); that one is lost, and from now on each is compared with the row"
                );
            }
            return Ok(None);
        }
        let range =
            IdRange::claimed(max_id, claim.n).map_err(|error| misconfigured(error.to_string()))?;
        Ok(Some(Claim {
            range,
            max_id,
            step: claim.step,
        }))
    }

    /// The error of a decision after which nothing can be claimed.
    fn refusal(
        &self,
        request: &ClaimRequest,
        row: &Row,
        decision: &Decision,
    ) -> Option<StoreError> {
        match decision {
            Decision::Misconfigured(why) => Some(StoreError::TagMisconfigured(why.clone())),
            Decision::Exhausted { remaining } => {
                Some(self.exhausted(request, row.id_limit, *remaining))
            }
            Decision::UsedUp { wait, step } => Some(used_up(request, *wait, *step)),
            Decision::ReadOnly => {
                // With SUPER no statement fails here; only this tells that it was demoted.
                self.pool.leave();
                Some(StoreError::ReadOnly(format!(
                    "the database is read-only: {}",
                    self.pool.place.endpoint
                )))
            }
            _ => None,
        }
    }

    /// No ids are left; what to do depends on whose limit it is.
    fn exhausted(&self, request: &ClaimRequest, of_row: i64, remaining: i64) -> StoreError {
        let (tag, needed) = (&request.tag, request.at_least.max(1));
        let limit = self.limits.of_row(of_row).id_limit;
        let advice = match limit < self.limits.id_limit {
            true => format!(
                "this tag's own limit: raise it with `id-alloc tag set {tag} --limit N` once everything that \
                 holds these ids has room for larger ones, or take another tag"
            ),
            false => {
                "allocation.id_limit: raise it if callers can hold larger ids, or take another tag"
                    .to_owned()
            }
        };
        StoreError::TagExhausted(format!(
            "biz_tag {tag}: {remaining} ids are left below {limit}, but {needed} are needed ({advice})"
        ))
    }

    /// The row, and which primary answered.
    pub(super) async fn read_row(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        tag: &BizTag,
    ) -> Result<(Option<Row>, String), SqlError> {
        let place = &self.pool.place;
        // On MySQL the lock makes it a write for a proxy; it changes nothing.
        let rows = on.rows(&statements.row(tag)).await?;
        let Some(row) = rows.first() else {
            return Ok((None, String::new()));
        };
        let primary = match statements.counted {
            true => value(row, "primary_name", place)?,
            false => String::new(),
        };
        let guard = match statements.identity {
            None => None,
            Some(_) => Some(self.guard_row(row, statements)?),
        };
        // A column may allow NULL; that is this row's fault, not the table's.
        let number = |name: &str| match value::<Option<i64>>(row, name, place) {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(SqlError::from(StoreError::TagMisconfigured(format!(
                "biz_tag {tag}: {name} is NULL: set it (max_id above every id in use)"
            )))),
            Err(error) => Err(error),
        };
        let row = Row {
            max_id: number("max_id")?,
            step: number("step")?,
            retired: value::<i64>(row, "retired", place)? != 0,
            id_limit: value(row, "id_limit", place)?,
            writable: value::<i64>(row, "writable", place)? != 0,
            guard,
            account: statements.counted.then(|| self.account(row)).transpose()?,
        };
        Ok((Some(row), primary))
    }

    fn account(&self, row: &QueryResult) -> Result<Account, SqlError> {
        let number = |name: &str| value::<i64>(row, name, &self.pool.place);
        Ok(Account {
            allowance: Allowance {
                ids: number("allowance")?,
                before: number("allowance_before")?,
                written_at: number("allowance_at")?,
                needed_at: number("needed_at")?,
                paid_until: number("paid_until")?,
            },
            lineage: number("lineage")?,
            advance_to: number("advance_to")?,
            advance_at: number("advance_at")?,
            now: number("now")?,
        })
    }

    pub(super) fn guard_row(
        &self,
        row: &QueryResult,
        statements: &Statements,
    ) -> Result<GuardRow, SqlError> {
        let place = &self.pool.place;
        Ok(GuardRow {
            claimed_to: value(row, "claimed_to", place)?,
            claimed_size: value(row, "claimed_size", place)?,
            claimed_on: value(row, "claimed_on", place)?,
            here: value::<i64>(row, "here", place)? != 0,
            moves: value(row, "moves", place)?,
            advance_to: match statements.counted {
                true => value(row, "advance_to", place)?,
                false => 0,
            },
        })
    }

    /// Changes the row as was decided, unless another was first.
    #[allow(
        clippy::too_many_arguments,
        reason = "what was read, decided and known, each once"
    )]
    async fn put_right(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        tag: &BizTag,
        row: &Row,
        decision: Decision,
        lineage: Option<i64>,
        repairs: &Repairs,
    ) -> Result<(), SqlError> {
        let statement = match (&decision, &statements.identity, &row.account) {
            (Decision::LineageBehind(behind), ..) => {
                return self.begin_beyond(on, statements, *behind).await;
            }
            (Decision::Regressed { target }, ..) => {
                statements.raise(tag, row.max_id, *target, true)
            }
            (Decision::Foreign { target, .. }, Some(identity), _) => {
                statements.take_over(tag, identity, row, lineage, *target)
            }
            (Decision::Adopt, ..) => statements.adopt(tag, lineage.unwrap_or(0)),
            (Decision::Advance { target }, ..) => statements.raise(tag, row.max_id, *target, false),
            (Decision::Allow(change), _, Some(account)) => {
                statements.allow(tag, &account.allowance, *change)
            }
            (Decision::ClockWentBack, ..) => statements.heed_clock(tag),
            _ => return Ok(()),
        };
        repairs.note_under_way();
        if on.execute(&statement).await? == 0 {
            return Ok(());
        }
        match &decision {
            Decision::Regressed { target } => {
                repairs.note_raised();
                tracing::error!(
                    biz_tag = %tag, max_id = row.max_id, raised_to = target,
                    "max_id had gone backwards (a restore, or somebody lowered it) and was raised"
                );
            }
            Decision::Foreign { target, regressed } => {
                repairs.note_moved();
                if *regressed {
                    repairs.note_raised();
                }
                let claimed_on = row.guard.as_ref().map_or("", |guard| &guard.claimed_on);
                tracing::error!(
                    biz_tag = %tag, claimed_on, max_id = row.max_id, moved_to = target,
                    "the newest claim was made on another primary: moved past what it may have lost"
                );
            }
            Decision::Allow(change) => {
                tracing::debug!(biz_tag = %tag, allowance = change.ids, "another allowance");
            }
            _ => {}
        }
        Ok(())
    }

    /// A column that is gone means the table is not what was inspected: look again next time.
    pub(super) fn noted(&self, error: SqlError) -> StoreError {
        if error.mysql == Some(UNKNOWN_COLUMN) || matches!(error.store, StoreError::Unusable(_)) {
            self.pool.inspected(self.pool.epoch(), None);
        }
        error.store
    }
}

fn used_up(request: &ClaimRequest, wait: i64, step: Option<i64>) -> StoreError {
    let advice = match step {
        Some(step) => format!(
            "; a step of {step} keeps as many permitted (id-alloc tag set {} --step {step})",
            request.tag
        ),
        None => String::new(),
    };
    StoreError::AllowanceUsedUp {
        wait: Duration::from_micros(wait.unsigned_abs()),
        text: format!(
            "biz_tag {}: {} ids are more than may be claimed at once by now{advice}",
            request.tag,
            request.at_least.max(1)
        ),
    }
}

impl Progress {
    fn again(&mut self, error: &SqlError) -> bool {
        self.deadlocks += 1;
        error.mysql == Some(DEADLOCK) && self.deadlocks <= DEADLOCKS
    }
}
