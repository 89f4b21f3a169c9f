//! What to do about a claim that matched no row: a pure function of the row, the request, the limits and
//! what is known of the primary.
//!
//! The order of the questions matters. A row that is gone or broken is no matter of primaries; a row
//! of another primary is moved before anything is said about its `max_id`, since the move raises it
//! past a regression too; and only a row that stands right is asked about its allowance and the limit.

use crate::domain::ClaimRequest;
use crate::domain::allowance::{Allowance, Change, DELAY, LARGEST_CLAIM, MARGIN, UNKNOWN_LAG};
use crate::storage::GuardRow;

/// A row as read, exactly of the wanted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) max_id: i64,
    pub(super) step: i64,
    pub(super) retired: bool,
    /// The tag's own end of its ids; 0 where it has none.
    pub(super) id_limit: i64,
    /// False on a server that says it is read-only.
    pub(super) writable: bool,
    /// `None` where claims carry no guard.
    pub(super) guard: Option<GuardRow>,
    /// `None` where the table does not count claims yet.
    pub(super) account: Option<Account>,
}

/// What the row says of how much may be claimed, and of which history it is part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) allowance: Allowance,
    /// The lineage in which its claims were made.
    pub(super) lineage: i64,
    /// Where an advance takes `max_id`; not above it where there is none.
    pub(super) advance_to: i64,
    /// When that was announced.
    pub(super) advance_at: i64,
    /// The database's clock as the row was read.
    pub(super) now: i64,
}

impl Account {
    /// Whether an announced advance is due.
    fn is_advance_due(&self, max_id: i64) -> bool {
        self.advance_to > max_id && self.advance_at <= self.now.saturating_sub(DELAY)
    }
}

/// The configured bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The end of the id space: no `max_id` is above it.
    pub(super) id_limit: i64,
    /// The largest step a row may say.
    pub(super) max_step: i64,
    /// Ids skipped by a move or a raise; `None` for what may have been lost.
    pub(super) failover_skip: Option<i64>,
}

impl Limits {
    /// With the end of its ids that a tag's row says, where it says one (else 0).
    pub(super) fn of_row(self, id_limit: i64) -> Self {
        match id_limit {
            1.. => Self {
                id_limit: self.id_limit.min(id_limit),
                ..self
            },
            _ => self,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// There is no such tag, or it is retired.
    Unknown,
    /// The row cannot serve; the reason, and what to do.
    Misconfigured(String),
    /// Claim exactly `n` ids of a row that says this step.
    Claim { step: i64, n: i64 },
    /// Not enough is left between `max_id` (or where a skip would take it) and the limit.
    Exhausted { remaining: i64 },
    /// `max_id` went backwards: raise it to this.
    Regressed { target: i64 },
    /// The newest claim was made on another primary, or in a history that was lost: move the row to this `max_id`. It
    /// may have gone backwards too.
    Foreign { target: i64, regressed: bool },
    /// No claim was made under the guard yet: bind the row to this primary as it stands.
    Adopt,
    /// The row belongs to a later history than the heartbeat: begin another beyond it.
    LineageBehind(i64),
    /// An announced advance is due: raise `max_id` to this.
    Advance { target: i64 },
    /// Write another allowance.
    Allow(Change),
    /// The row was written by a clock that is ahead of this one.
    ClockWentBack,
    /// The allowance is used up.
    UsedUp {
        /// Microseconds until it permits what cannot be done without, if nobody claims meanwhile.
        wait: i64,
        /// The step with which as much is permitted at once, where the allowance as it is never does.
        step: Option<i64>,
    },
    /// A demoted primary: nothing is written to it, whoever may.
    ReadOnly,
}

/// `lineage` is that of the primary's heartbeat, `None` where no heartbeat can be read.
pub(super) fn decide(
    row: Option<&Row>,
    request: &ClaimRequest,
    limits: &Limits,
    lineage: Option<i64>,
) -> Decision {
    let Some(row) = row.filter(|row| !row.retired) else {
        return Decision::Unknown;
    };
    let limits = &limits.of_row(row.id_limit);
    let tag = &request.tag;
    if !(1..=limits.max_step).contains(&row.step) {
        return Decision::Misconfigured(format!(
            "biz_tag {tag}: step is {}, but it must be from 1 to {}: id-alloc tag set --step",
            row.step, limits.max_step
        ));
    }
    if row.max_id < 0 {
        return Decision::Misconfigured(format!(
            "biz_tag {tag}: max_id is {}, but it must not be negative: set it above every id in use",
            row.max_id
        ));
    }
    if !row.writable {
        return Decision::ReadOnly;
    }
    if let (Some(account), Some(lineage)) = (&row.account, lineage)
        && account.lineage > lineage
    {
        return Decision::LineageBehind(account.lineage);
    }
    let claimed_to = row.guard.as_ref().map_or(0, |guard| guard.claimed_to);
    let announced = row.account.map_or(0, |account| account.advance_to);
    let floor = claimed_to.max(request.mark).max(0);
    let regressed = row.max_id < floor;
    let target = floor
        .max(row.max_id)
        .max(announced)
        .checked_add(skip(row, request, limits, lineage))
        .filter(|target| left(*target, limits) >= request.at_least.max(1));

    let is_old = match (&row.account, lineage) {
        (Some(account), Some(lineage)) => account.lineage < lineage,
        _ => false,
    };
    if let Some(guard) = &row.guard {
        let is_unclaimed = guard.claimed_on.is_empty();
        if !is_unclaimed && (!guard.here || is_old) {
            return target.map_or(Decision::Exhausted { remaining: 0 }, |target| {
                Decision::Foreign { target, regressed }
            });
        }
        if is_unclaimed && is_old && !regressed {
            return Decision::Adopt;
        }
    }
    if regressed {
        return target.map_or(Decision::Exhausted { remaining: 0 }, |target| {
            Decision::Regressed { target }
        });
    }
    if let Some(account) = &row.account
        && account.is_advance_due(row.max_id)
    {
        return Decision::Advance {
            target: account.advance_to,
        };
    }
    let remaining = left(row.max_id, limits);
    if remaining < request.at_least.max(1) {
        return Decision::Exhausted { remaining };
    }
    let n = wanted(request, row.step).min(remaining);
    match &row.account {
        Some(account) => within(account, row.step, n, remaining, request.at_least.max(1)),
        None => Decision::Claim { step: row.step, n },
    }
}

/// As much of `n` ids as the allowance permits.
fn within(account: &Account, step: i64, n: i64, left: i64, at_least: i64) -> Decision {
    let (allowance, now) = (&account.allowance, account.now);
    if allowance.ids <= 0 {
        return Decision::Allow(Allowance::open(step, left));
    }
    if allowance.is_from_the_future(now) {
        return Decision::ClockWentBack;
    }
    let room = allowance.room(now);
    if n > room || allowance.is_below(step) {
        if let Some(change) = allowance.raised(now, step, at_least, left) {
            return Decision::Allow(change);
        }
    } else if let Some(change) = allowance.lowered(now, step, n) {
        return Decision::Allow(change);
    }
    if n <= room {
        return Decision::Claim { step, n };
    }
    // Whatever has room by now would be a claim each few milliseconds: half a second's worth at least.
    let worth = (allowance.in_force(now) / WORTH).clamp(1, n).max(at_least);
    if room >= worth {
        return Decision::Claim { step, n: room };
    }
    let wait = allowance.wait(now, worth);
    let is_too_much = wait.is_none() || at_least > allowance.in_force(now) / 2;
    Decision::UsedUp {
        wait: wait.unwrap_or(DELAY),
        step: is_too_much.then_some(at_least / 10 + 1),
    }
}

/// A claim that is cut is not smaller than this part of the allowance.
const WORTH: i64 = 20;

/// How much to claim: at least the row's step, at least what cannot be done without.
pub(super) fn wanted(request: &ClaimRequest, step: i64) -> i64 {
    let wanted = request.want.max(step).max(request.at_least).max(1);
    wanted.min(LARGEST_CLAIM)
}

/// Positions between `max_id` and the limit.
fn left(max_id: i64, limits: &Limits) -> i64 {
    limits.id_limit.saturating_sub(max_id).max(0)
}

/// How far beyond everything known a row is raised: others may hold claims that were lost with the
/// old primary. What all of them together may have claimed in the time that was lost is bounded by the
/// allowance; a server of an earlier version does not count, but says how large its claims become. Both grow with
/// what was lost, so that of two primaries the second, which never heard of the first, is moved past it.
fn skip(row: &Row, request: &ClaimRequest, limits: &Limits, lineage: Option<i64>) -> i64 {
    if let Some(skip) = limits.failover_skip {
        return skip;
    }
    let expected = row.guard.as_ref().map_or(0, |guard| guard.claimed_size);
    let is_counted = |account: &&Account| account.allowance.ids > 0;
    let ours = match row.account.as_ref().filter(is_counted) {
        // What this server wants and never claimed needs no skip: a replica would not know of it.
        Some(_) => 0,
        None => request.want.max(request.expect),
    };
    let announced = expected.max(ours).max(row.step).saturating_mul(8);
    let Some(account) = &row.account else {
        return announced;
    };
    let (lost, announced) = match lineage {
        Some(lineage) if lineage > account.lineage => {
            let lost = lineage.saturating_sub(account.lineage);
            let grown = i128::from(announced) * i128::from(lost) / i128::from(MARGIN);
            let grown = i64::try_from(grown).unwrap_or(i64::MAX);
            (lost, grown.max(announced))
        }
        _ => (MARGIN + UNKNOWN_LAG, announced),
    };
    let allowance = match account.allowance.ids {
        ids if ids > 0 => account.allowance,
        _ => Allowance {
            ids: Allowance::first(row.step, left(row.max_id, limits)),
            ..account.allowance
        },
    };
    allowance.skip(lost).max(announced)
}

#[cfg(test)]
#[path = "decide_tests/mod.rs"]
mod tests;
