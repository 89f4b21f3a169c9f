//! What to do about a claim that matched no row: a pure function of the row, the request and the
//! limits.
//!
//! The order of the questions matters. A row that is gone or broken is no matter of primaries; a row
//! of another primary is moved before anything is said about its `max_id`, since the move raises it
//! past a regression too; and only a row that stands right is asked about the limit.

use crate::storage::{ClaimRequest, GuardRow};

/// A row as read, exactly of the wanted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) max_id: i64,
    pub(super) step: i64,
    pub(super) retired: bool,
    /// False on a server that says it is read-only.
    pub(super) writable: bool,
    /// `None` where claims carry no guard.
    pub(super) guard: Option<GuardRow>,
}

/// The configured bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The end of the id space: no `max_id` is above it.
    pub(super) id_limit: i64,
    /// The largest step a row may say.
    pub(super) max_step: i64,
    /// Ids skipped by a move or a raise; `None` for 8 × what the newest claim expected.
    pub(super) failover_skip: Option<i64>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is no such tag, or it is retired.
    Unknown,
    /// The row cannot serve; the reason, and what to do.
    Misconfigured(String),
    /// The row says another step than the request: claim with it.
    StepChanged(i64),
    /// Claim exactly so many, the last there are.
    TakeRest(i64),
    /// Not enough is left below the limit.
    Exhausted {
        /// Ids between `max_id` (or where a skip would take it) and the limit, at least 0.
        remaining: i64,
    },
    /// `max_id` went backwards: raise it to this.
    Regressed {
        /// The new `max_id`.
        target: i64,
    },
    /// The newest claim was made on another primary: move the row.
    Foreign {
        /// The identity it carries.
        claimed_on: String,
        /// The new `max_id`.
        target: i64,
        /// It had gone backwards too.
        regressed: bool,
    },
    /// A demoted primary: nothing is written to it, whoever may.
    ReadOnly,
    /// The row matches by now: claim again.
    Retry,
}

pub(super) fn decide(row: Option<&Row>, request: &ClaimRequest, limits: &Limits) -> Decision {
    let Some(row) = row.filter(|row| !row.retired) else {
        return Decision::Unknown;
    };
    let tag = &request.tag;
    if !(1..=limits.max_step).contains(&row.step) {
        return Decision::Misconfigured(format!(
            "biz_tag {tag}: step is {}, it must be 1 to {}: id-alloc tag set --step",
            row.step, limits.max_step
        ));
    }
    if row.max_id < 0 {
        return Decision::Misconfigured(format!(
            "biz_tag {tag}: max_id is {}, it must not be negative: set it above every id in use",
            row.max_id
        ));
    }
    if !row.writable {
        return Decision::ReadOnly;
    }
    let claimed_to = row.guard.as_ref().map_or(0, |guard| guard.claimed_to);
    let floor = claimed_to.max(request.mark).max(0);
    let regressed = row.max_id < floor;
    let target = floor
        .max(row.max_id)
        .checked_add(skip(row, request, limits))
        .filter(|target| left(*target, limits) >= request.at_least.max(1));

    if let Some(guard) = &row.guard
        && !guard.here
        && !guard.claimed_on.is_empty()
    {
        return target.map_or(Decision::Exhausted { remaining: 0 }, |target| {
            Decision::Foreign {
                claimed_on: guard.claimed_on.clone(),
                target,
                regressed,
            }
        });
    }
    if regressed {
        return target.map_or(Decision::Exhausted { remaining: 0 }, |target| {
            Decision::Regressed { target }
        });
    }
    let remaining = left(row.max_id, limits);
    if remaining < request.at_least.max(1) {
        return Decision::Exhausted { remaining };
    }
    if remaining < wanted(request, row.step) {
        return Decision::TakeRest(remaining);
    }
    if request.step != Some(row.step) {
        return Decision::StepChanged(row.step);
    }
    Decision::Retry
}

/// How much to claim: at least the row's step, at least what cannot be done without.
pub(super) fn wanted(request: &ClaimRequest, step: i64) -> i64 {
    request.want.max(step).max(request.at_least).max(1)
}

/// Positions between `max_id` and the limit.
fn left(max_id: i64, limits: &Limits) -> i64 {
    limits.id_limit.saturating_sub(max_id).max(0)
}

/// How far beyond everything known a row is raised: others may hold claims that were lost with the
/// old primary, as large as the newest one said that they would become, or as ours.
fn skip(row: &Row, request: &ClaimRequest, limits: &Limits) -> i64 {
    limits.failover_skip.unwrap_or_else(|| {
        let expected = row.guard.as_ref().map_or(0, |guard| guard.claimed_size);
        let ours = request.want.max(request.expect);
        expected.max(ours).max(row.step).saturating_mul(8)
    })
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
