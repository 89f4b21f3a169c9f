//! What [`decide`] makes of every kind of row.

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
