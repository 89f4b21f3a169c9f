//! The claim: one statement where the row stands right, else look, decide, put right, claim again.
//!
//! Everything that changes the row on the way is a compare-and-set on what was read, so that of
//! several servers that see the same fault one puts it right and the others find it done. A statement
//! whose outcome is unknown ends the claim: the next one looks at the row anew.

use super::SqlStore;
use super::decide::{Decision, Row, decide, wanted};
use super::errors::SqlError;
use super::mysql::{DEADLOCK, UNKNOWN_COLUMN};
use super::pool::Lease;
use super::statements::{Statements, value};
use crate::domain::{BizTag, IdRange};
use crate::storage::{
    Claim, ClaimRequest, GuardRow, Repairs, SegmentStore, StoreError, StoreReport,
};
use async_trait::async_trait;
use sea_orm::QueryResult;
use std::collections::{HashMap, VecDeque};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Turns of one claim; each is a statement or two.
const TURNS: u32 = 8;
/// Deadlocks (Galera: a write on another node came first) that are tried again at once.
const DEADLOCKS: u32 = 3;
/// The span in which moves are counted.
const HOUR: Duration = Duration::from_secs(3600);

/// When each tag was moved within the last hour.
pub(super) type Moves = HashMap<BizTag, VecDeque<Instant>>;

#[derive(Default)]
struct Progress {
    reconnected: bool,
    deadlocks: u32,
}

#[async_trait]
impl SegmentStore for SqlStore {
    async fn claim(&self, request: &ClaimRequest, repairs: &Repairs) -> Result<Claim, StoreError> {
        let mut progress = Progress::default();
        let mut step = request.step.or_else(|| self.likely_step.guess());
        // Set where exactly so many are to be claimed.
        let mut rest = None;
        for _ in 0..TURNS {
            let inspection = self.inspected().await?;
            let statements = &inspection.statements;
            let epoch = self.pool.epoch();
            let mut on = match self.pool.acquire().await {
                Ok(on) => on,
                Err(error) => return Err(self.noted(error)),
            };
            if let Some(step) = step {
                let n = rest.take().unwrap_or_else(|| wanted(request, step));
                match self.try_claim(&mut on, statements, request, n, step).await {
                    Ok(Some(max_id)) => {
                        let range = IdRange::claimed(max_id, n)
                            .map_err(|error| StoreError::TagMisconfigured(error.to_string()))?;
                        if range.is_empty() {
                            // A step of 1 at start 0 held only id 0.
                            continue;
                        }
                        if request.step.is_none() {
                            self.likely_step.found(step);
                        }
                        return Ok(Claim {
                            range,
                            max_id,
                            step,
                        });
                    }
                    Ok(None) => {}
                    Err(error) if progress.again(&error) => continue,
                    Err(error) => return Err(self.noted(error)),
                }
            }
            let row = match self.read_row(&mut on, statements, &request.tag).await {
                Ok(row) => row,
                Err(error) if progress.again(&error) => continue,
                Err(error) => return Err(self.noted(error)),
            };
            let asked = ClaimRequest {
                step,
                ..request.clone()
            };
            match (decide(row.as_ref(), &asked, &self.limits), row) {
                (Decision::Unknown, _) | (_, None) => {
                    self.likely_step.missed();
                    return Err(StoreError::UnknownTag);
                }
                (Decision::Misconfigured(why), _) => return Err(StoreError::TagMisconfigured(why)),
                (Decision::Exhausted { remaining }, _) => {
                    return Err(StoreError::TagExhausted(format!(
                        "biz_tag {}: {remaining} ids are left below {}, {} are needed",
                        request.tag, self.limits.id_limit, request.at_least
                    )));
                }
                (Decision::StepChanged(new), _) => step = Some(new),
                (Decision::TakeRest(n), Some(row)) => (step, rest) = (Some(row.step), Some(n)),
                (Decision::Retry, _) => {}
                (Decision::ReadOnly, _) => {
                    // With SUPER no statement fails here; only this tells that it was demoted.
                    self.pool.leave();
                    return Err(StoreError::ReadOnly(format!(
                        "the database is read-only: {}",
                        self.pool.place.endpoint
                    )));
                }
                (Decision::Regressed { .. }, _) if !progress.reconnected => {
                    // The connection may lead to a replica or to the primary of yesterday.
                    progress.reconnected = true;
                    self.pool.renew(epoch);
                }
                (decision, Some(row)) => {
                    let put_right =
                        self.put_right(&mut on, statements, &request.tag, &row, decision, repairs);
                    match put_right.await {
                        Ok(()) => {}
                        Err(error) if progress.again(&error) => {}
                        Err(error) => return Err(self.noted(error)),
                    }
                }
            }
        }
        Err(StoreError::Transient(format!(
            "biz_tag {}: the row kept changing while it was claimed",
            request.tag
        )))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reach_table().await.map_err(|error| self.noted(error))
    }

    async fn check(&self) -> Result<StoreReport, StoreError> {
        self.report().await
    }

    async fn retired(&self, limit: u64) -> Result<Vec<BizTag>, StoreError> {
        let found = self.inspected().await?;
        self.names(found.statements.retired(limit)).await
    }

    fn connections(&self) -> (usize, usize) {
        self.pool.database.connections()
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

impl SqlStore {
    /// The new `max_id`, or `None` where no row matched.
    async fn try_claim(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        request: &ClaimRequest,
        n: i64,
        step: i64,
    ) -> Result<Option<i64>, SqlError> {
        let statement = statements.claim(request, n, step, self.limits.id_limit);
        let max_id = on.claim(&statement).await?;
        max_id
            .map(i64::try_from)
            .transpose()
            .map_err(|_| StoreError::TagMisconfigured("max_id has left 63 bits".to_owned()).into())
    }

    pub(super) async fn read_row(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        tag: &BizTag,
    ) -> Result<Option<Row>, SqlError> {
        let place = &self.pool.place;
        // On MySQL the lock makes it a write for a proxy; it changes nothing.
        let rows = on.rows(&statements.row(tag)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let guard = match statements.identity {
            None => None,
            Some(_) => Some(self.guard_row(row)?),
        };
        // A column may allow NULL; that is this row's fault, not the table's.
        let number = |name: &str| match value::<Option<i64>>(row, name, place) {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(SqlError::from(StoreError::TagMisconfigured(format!(
                "biz_tag {tag}: {name} is NULL: set it (max_id above every id in use)"
            )))),
            Err(error) => Err(error),
        };
        Ok(Some(Row {
            max_id: number("max_id")?,
            step: number("step")?,
            retired: value::<i64>(row, "retired", place)? != 0,
            writable: value::<i64>(row, "writable", place)? != 0,
            guard,
        }))
    }

    pub(super) fn guard_row(&self, row: &QueryResult) -> Result<GuardRow, SqlError> {
        let place = &self.pool.place;
        Ok(GuardRow {
            claimed_to: value(row, "claimed_to", place)?,
            claimed_size: value(row, "claimed_size", place)?,
            claimed_on: value(row, "claimed_on", place)?,
            here: value::<i64>(row, "here", place)? != 0,
            moves: value(row, "moves", place)?,
        })
    }

    /// Raises or moves the row, unless another was first.
    async fn put_right(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        tag: &BizTag,
        row: &Row,
        decision: Decision,
        repairs: &Repairs,
    ) -> Result<(), SqlError> {
        let identity = statements.identity.as_ref();
        let statement = match (&decision, identity) {
            (Decision::Regressed { target }, _) => statements.raise(tag, row.max_id, *target, true),
            (
                Decision::Foreign {
                    claimed_on, target, ..
                },
                Some(identity),
            ) => {
                self.may_move(tag)?;
                statements.take_over(tag, identity, claimed_on, row.max_id, *target)
            }
            _ => return Ok(()),
        };
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
            Decision::Foreign {
                claimed_on,
                target,
                regressed,
            } => {
                self.count_move(tag);
                repairs.note_moved();
                if *regressed {
                    repairs.note_raised();
                }
                tracing::error!(
                    biz_tag = %tag, claimed_on, max_id = row.max_id, moved_to = target,
                    "the newest claim was made on another primary: moved past what it may have lost"
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn may_move(&self, tag: &BizTag) -> Result<(), StoreError> {
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        moves.retain(|_, times| {
            times.retain(|time| time.elapsed() < HOUR);
            !times.is_empty()
        });
        let made = moves.get(tag).map_or(0, VecDeque::len);
        if made < self.settings.failover_limit as usize {
            return Ok(());
        }
        Err(StoreError::FailoverFlapping(format!(
            "biz_tag {tag}: the database changed its primary {made} times within an hour \
             (database.failover_limit); claims wait. Are there two primaries?"
        )))
    }

    fn count_move(&self, tag: &BizTag) {
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        moves
            .entry(tag.clone())
            .or_default()
            .push_back(Instant::now());
    }

    /// A column that is gone means the table is not what was inspected: look again next time.
    pub(super) fn noted(&self, error: SqlError) -> StoreError {
        if error.mysql == Some(UNKNOWN_COLUMN) || matches!(error.store, StoreError::Unusable(_)) {
            self.pool.inspected(self.pool.epoch(), None);
        }
        error.store
    }
}

impl Progress {
    fn again(&mut self, error: &SqlError) -> bool {
        self.deadlocks += 1;
        error.mysql == Some(DEADLOCK) && self.deadlocks <= DEADLOCKS
    }
}
