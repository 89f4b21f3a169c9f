//! The claim: one statement where the row stands right, else look, decide, put right, claim again.
//!
//! Everything that changes the row on the way is a compare-and-set on what was read, so that of
//! several servers that see the same fault one puts it right and the others find it done. A statement
//! whose outcome is unknown ends the claim: the next one looks at the row anew.

use super::SqlStore;
use super::claim_statement::PreparedClaim;
use super::decide::{Decision, decide, wanted};
use super::edit::NAMES;
use super::errors::SqlError;
use super::mysql::DEADLOCK;
use super::pool::Lease;
use super::statements::Statements;
use crate::domain::{BizTag, ClaimRequest, IdRange};
use crate::storage::{Claim, Limited, Repairs, SegmentStore, StoreError, StoreReport};
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::atomic::Ordering;

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
            let epoch = self.pool.renewal().epoch();
            let inspection = self.inspected().await?;
            let statements = &inspection.statements;
            let on = self.pool.acquire().await;
            let mut on = on.map_err(|error| self.noted(error))?;
            if self.pool.renewal().epoch() != epoch {
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
            let (row, primary) = match statements.read_row(&mut on, &request.tag).await {
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
                && !self.pool.renewal().is_renewed(epoch)
            {
                // The connection may lead to a replica or to the primary of yesterday. Thousands of rows that
                // went backwards together cost this once.
                progress.reconnected = true;
                self.pool.renewal().renew(epoch);
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
        let pinged = self.write_nothing().await;
        pinged.map_err(|error| self.noted(error))
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
                retired.extend(self.names(&found.statements.retired(some)).await?);
            }
        }
        Ok(retired)
    }

    async fn limited(&self, limit: u64) -> Result<Vec<Limited>, StoreError> {
        let found = self.inspected().await?;
        let Some(asked) = found.statements.with_limits(limit) else {
            return Ok(Vec::new());
        };
        let mut limited = Vec::new();
        for row in &self.rows(&asked).await? {
            if let Ok(tag) = BizTag::parse(&row.value::<String>("biz_tag")?) {
                limited.push(Limited {
                    tag,
                    max_id: row.value::<Option<i64>>("max_id")?.unwrap_or(0),
                    id_limit: row.value("id_limit")?,
                });
            }
        }
        Ok(limited)
    }

    async fn existing(&self, names: &[BizTag]) -> Result<HashSet<BizTag>, StoreError> {
        let mut existing = HashSet::new();
        for some in names.chunks(NAMES) {
            let found = self.inspected().await?;
            existing.extend(self.names(&found.statements.existing(some)).await?);
        }
        Ok(existing)
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
}

impl Progress {
    fn again(&mut self, error: &SqlError) -> bool {
        self.deadlocks += 1;
        error.mysql == Some(DEADLOCK) && self.deadlocks <= DEADLOCKS
    }
}
