//! Carrying out what was decided of a row that could not be claimed as it stood: putting it right, or refusing.

use super::SqlStore;
use super::decide::{Decision, Row};
use super::errors::SqlError;
use super::pool::Lease;
use super::statements::Statements;
use crate::domain::{BizTag, ClaimRequest};
use crate::storage::{Repairs, StoreError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

impl SqlStore {
    /// Changes the row as was decided, unless another was first.
    #[allow(
        clippy::too_many_arguments,
        reason = "what was read, decided and known, each once"
    )]
    pub(super) async fn put_right(
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
        repairs.under_way.store(true, Ordering::Relaxed);
        if on.execute(&statement).await? == 0 {
            return Ok(());
        }
        match &decision {
            Decision::Regressed { target } => {
                count(&repairs.raised, 1);
                count(&repairs.skipped, target.abs_diff(row.max_id));
                tracing::error!(
                    biz_tag = %tag, max_id = row.max_id, raised_to = target,
                    "max_id had gone backwards (a restore, or somebody lowered it) and was raised"
                );
            }
            Decision::Foreign { target, regressed } => {
                count(&repairs.moved, 1);
                count(&repairs.skipped, target.abs_diff(row.max_id));
                count(&repairs.raised, u64::from(*regressed));
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

    /// The error of a decision after which nothing can be claimed.
    pub(super) fn refusal(
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
            Decision::ReadOnly => Some(self.leave_read_only()),
            _ => None,
        }
    }

    /// Leaves a server that says it is read-only. With SUPER no statement fails there; only this tells that it was demoted.
    pub(super) fn leave_read_only(&self) -> StoreError {
        self.pool.renewal().leave();
        StoreError::ReadOnly(format!(
            "the database is read-only: {}",
            self.pool.place.endpoint
        ))
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
}

fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
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
