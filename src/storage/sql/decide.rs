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
mod tests {
    use super::*;
    use crate::domain::BizTag;

    const LIMITS: Limits = Limits {
        id_limit: 1_000_000,
        max_step: 100_000,
        failover_skip: None,
    };

    fn request() -> ClaimRequest {
        ClaimRequest {
            tag: BizTag::parse("order").unwrap(),
            step: Some(100),
            want: 100,
            expect: 100,
            mark: 0,
            at_least: 1,
        }
    }

    fn row() -> Row {
        Row {
            max_id: 5000,
            step: 100,
            retired: false,
            writable: true,
            guard: Some(GuardRow {
                claimed_to: 5000,
                claimed_size: 200,
                claimed_on: "here".into(),
                here: true,
                moves: 0,
            }),
        }
    }

    fn with_guard(change: impl FnOnce(&mut GuardRow)) -> Row {
        let mut row = row();
        change(row.guard.as_mut().unwrap());
        row
    }

    fn decided(row: &Row) -> Decision {
        decide(Some(row), &request(), &LIMITS)
    }

    #[test]
    fn no_row_and_a_retired_row_are_unknown() {
        assert_eq!(decide(None, &request(), &LIMITS), Decision::Unknown);
        let retired = Row {
            retired: true,
            step: 0,
            ..row()
        };
        assert_eq!(decided(&retired), Decision::Unknown);
    }

    #[test]
    fn steps_outside_their_bounds_and_negative_max_ids_are_misconfigured() {
        for step in [0, -10, 100_001, 1 << 62, i64::MIN] {
            let Decision::Misconfigured(text) = decided(&Row { step, ..row() }) else {
                panic!("{step}");
            };
            assert!(text.contains(&step.to_string()), "{text}");
        }
        let negative = Row {
            max_id: -1,
            ..row()
        };
        assert!(matches!(decided(&negative), Decision::Misconfigured(_)));
    }

    #[test]
    fn another_step_is_taken_up() {
        assert_eq!(decided(&Row { step: 7, ..row() }), Decision::StepChanged(7));
        assert_eq!(decided(&row()), Decision::Retry);
    }

    #[test]
    fn a_regression_is_raised_past_what_anyone_may_hold() {
        let lowered = Row {
            max_id: 10,
            ..row()
        };
        assert_eq!(
            decided(&lowered),
            Decision::Regressed {
                target: 5000 + 8 * 200
            }
        );
        let behind = ClaimRequest {
            mark: 9000,
            want: 1000,
            ..request()
        };
        assert_eq!(
            decide(Some(&row()), &behind, &LIMITS),
            Decision::Regressed {
                target: 9000 + 8 * 1000
            }
        );
    }

    #[test]
    fn without_the_guard_the_mark_still_tells() {
        let plain = Row {
            guard: None,
            ..row()
        };
        assert_eq!(decided(&plain), Decision::Retry);
        let behind = ClaimRequest {
            mark: 5001,
            ..request()
        };
        assert_eq!(
            decide(Some(&plain), &behind, &LIMITS),
            Decision::Regressed { target: 5001 + 800 }
        );
    }

    #[test]
    fn a_foreign_row_is_moved_and_one_of_no_primary_is_claimed_as_it_stands() {
        let foreign = with_guard(|guard| (guard.here, guard.claimed_on) = (false, "old".into()));
        assert_eq!(
            decided(&foreign),
            Decision::Foreign {
                claimed_on: "old".into(),
                target: 6600,
                regressed: false
            }
        );
        let both = Row {
            max_id: 1,
            ..foreign
        };
        assert_eq!(
            decided(&both),
            Decision::Foreign {
                claimed_on: "old".into(),
                target: 6600,
                regressed: true
            }
        );
        let empty = with_guard(|guard| (guard.here, guard.claimed_on) = (false, String::new()));
        assert_eq!(decided(&empty), Decision::Retry);
    }

    #[test]
    fn a_configured_skip_is_taken_as_it_is() {
        let limits = Limits {
            failover_skip: Some(3),
            ..LIMITS
        };
        let lowered = Row {
            max_id: 10,
            ..row()
        };
        assert_eq!(
            decide(Some(&lowered), &request(), &limits),
            Decision::Regressed { target: 5003 }
        );
    }

    #[test]
    fn the_last_ids_are_used_and_then_it_is_exhausted() {
        let near = |max_id| Row { max_id, ..row() };
        assert_eq!(decided(&near(999_950)), Decision::TakeRest(50));
        assert_eq!(decided(&near(999_900)), Decision::Retry);
        assert_eq!(
            decided(&near(1_000_000)),
            Decision::Exhausted { remaining: 0 }
        );
        assert_eq!(
            decided(&near(i64::MAX)),
            Decision::Exhausted { remaining: 0 }
        );
        let many = ClaimRequest {
            at_least: 51,
            ..request()
        };
        assert_eq!(
            decide(Some(&near(999_950)), &many, &LIMITS),
            Decision::Exhausted { remaining: 50 }
        );
    }

    #[test]
    fn a_skip_past_the_limit_exhausts_and_never_overflows() {
        let foreign = with_guard(|guard| {
            (guard.here, guard.claimed_on) = (false, "old".into());
            guard.claimed_size = i64::MAX;
        });
        assert_eq!(decided(&foreign), Decision::Exhausted { remaining: 0 });
        let behind = ClaimRequest {
            mark: i64::MAX,
            ..request()
        };
        assert_eq!(
            decide(Some(&row()), &behind, &LIMITS),
            Decision::Exhausted { remaining: 0 }
        );
    }
}
