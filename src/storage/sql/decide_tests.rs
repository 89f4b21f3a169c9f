//! What [`decide`] makes of every kind of row.

use super::*;
use crate::domain::BizTag;
use crate::domain::allowance::SECOND;

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
        id_limit: 0,
        writable: true,
        guard: Some(GuardRow {
            claimed_to: 5000,
            claimed_size: 200,
            claimed_on: "here".into(),
            here: true,
            moves: 0,
            advance_to: 0,
        }),
        account: None,
    }
}

const NOW: i64 = 1_000 * SECOND;
const LINEAGE: i64 = 7;

/// A row that counts claims, with an allowance of so many ids that nothing was claimed of.
fn counted(ids: i64) -> Row {
    Row {
        account: Some(Account {
            allowance: Allowance {
                ids,
                before: ids,
                written_at: 0,
                needed_at: NOW,
                paid_until: 0,
            },
            lineage: LINEAGE,
            advance_to: 0,
            advance_at: 0,
            now: NOW,
        }),
        ..row()
    }
}

fn with_account(ids: i64, change: impl FnOnce(&mut Account)) -> Row {
    let mut row = counted(ids);
    change(row.account.as_mut().unwrap());
    row
}

fn with_guard(change: impl FnOnce(&mut GuardRow)) -> Row {
    let mut row = row();
    change(row.guard.as_mut().unwrap());
    row
}

fn decided(row: &Row) -> Decision {
    decide(Some(row), &request(), &LIMITS, Some(LINEAGE))
}

const CLAIM: Decision = Decision::Claim { step: 100, n: 100 };

#[test]
fn no_row_and_a_retired_row_are_unknown() {
    assert_eq!(
        decide(None, &request(), &LIMITS, Some(LINEAGE)),
        Decision::Unknown
    );
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
    assert_eq!(
        decided(&Row { step: 7, ..row() }),
        Decision::Claim { step: 7, n: 100 }
    );
    assert_eq!(decided(&row()), CLAIM);
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
        decide(Some(&row()), &behind, &LIMITS, Some(LINEAGE)),
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
    assert_eq!(decided(&plain), CLAIM);
    let behind = ClaimRequest {
        mark: 5001,
        ..request()
    };
    assert_eq!(
        decide(Some(&plain), &behind, &LIMITS, Some(LINEAGE)),
        Decision::Regressed { target: 5001 + 800 }
    );
}

#[test]
fn a_foreign_row_is_moved_and_one_of_no_primary_is_claimed_as_it_stands() {
    let foreign = with_guard(|guard| (guard.here, guard.claimed_on) = (false, "old".into()));
    assert_eq!(
        decided(&foreign),
        Decision::Foreign {
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
            target: 6600,
            regressed: true
        }
    );
    let empty = with_guard(|guard| (guard.here, guard.claimed_on) = (false, String::new()));
    assert_eq!(decided(&empty), CLAIM);
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
        decide(Some(&lowered), &request(), &limits, Some(LINEAGE)),
        Decision::Regressed { target: 5003 }
    );
}

#[test]
fn the_last_ids_are_used_and_then_it_is_exhausted() {
    let near = |max_id| Row { max_id, ..row() };
    assert_eq!(
        decided(&near(999_950)),
        Decision::Claim { step: 100, n: 50 }
    );
    assert_eq!(decided(&near(999_900)), CLAIM);
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
        decide(Some(&near(999_950)), &many, &LIMITS, Some(LINEAGE)),
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
        decide(Some(&row()), &behind, &LIMITS, Some(LINEAGE)),
        Decision::Exhausted { remaining: 0 }
    );
}

fn foreign(ids: i64, change: impl FnOnce(&mut Account)) -> Row {
    let mut row = with_account(ids, change);
    let guard = row.guard.as_mut().unwrap();
    (guard.here, guard.claimed_on) = (false, "old".into());
    row
}

/// Limits that leave room for a skip of millions.
const WIDE: Limits = Limits {
    id_limit: i64::MAX,
    ..LIMITS
};

fn moved_to(row: &Row, lineage: Option<i64>) -> i64 {
    match decide(Some(row), &request(), &WIDE, lineage) {
        Decision::Foreign { target, .. } => target,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_move_skips_what_the_allowance_permits_in_the_time_that_was_lost() {
    let ids = 1_000_000;
    let row = foreign(ids, |_| {});
    let lost = 20 * SECOND;
    assert_eq!(moved_to(&row, Some(LINEAGE + lost)), 5000 + 4 * ids + 1);
    // No heartbeat tells, or the row was moved by a server that knows of none.
    for lineage in [None, Some(LINEAGE)] {
        assert_eq!(moved_to(&row, lineage), 5000 + 8 * ids + 1);
    }
    // An advance that was announced may have been heeded.
    let announced = foreign(ids, |account| account.advance_to = 7_000_000);
    assert_eq!(moved_to(&announced, None), 7_000_000 + 8 * ids + 1);
    // A row without an allowance has the first one.
    assert_eq!(moved_to(&foreign(0, |_| {}), None), 5000 + 800_000_000 + 1);
}

#[test]
fn a_server_of_an_earlier_version_is_covered_by_what_it_announced() {
    let mut row = foreign(1000, |_| {});
    row.guard.as_mut().unwrap().claimed_size = 500_000;
    assert_eq!(
        moved_to(&row, Some(LINEAGE + 10 * SECOND)),
        5000 + 8 * 500_000
    );
    // A second primary that never heard of the first one is moved past where that began.
    assert_eq!(
        moved_to(&row, Some(LINEAGE + 30 * SECOND)),
        5000 + 3 * 8 * 500_000
    );
}

#[test]
fn what_the_asking_server_wants_moves_a_row_that_counts_no_further() {
    let row = foreign(1_000_000, |_| {});
    let greedy = ClaimRequest {
        want: 50_000_000,
        expect: 90_000_000,
        ..request()
    };
    let decision = decide(Some(&row), &greedy, &WIDE, Some(LINEAGE + 10 * SECOND));
    let Decision::Foreign { target, .. } = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(target, 5000 + 2_000_001);
}

#[test]
fn a_row_of_an_earlier_lineage_is_moved_and_one_of_a_later_is_asked_about() {
    let row = counted(1_000_000);
    assert_eq!(
        moved_to(&row, Some(LINEAGE + 10 * SECOND)),
        5000 + 2_000_001
    );
    assert_eq!(
        decide(Some(&row), &request(), &LIMITS, Some(LINEAGE - 1)),
        Decision::LineageBehind(LINEAGE)
    );
    let mut fresh = counted(1_000_000);
    fresh.guard.as_mut().unwrap().claimed_on.clear();
    assert_eq!(
        decide(Some(&fresh), &request(), &LIMITS, Some(LINEAGE + 1)),
        Decision::Adopt
    );
}

#[test]
fn a_claim_takes_what_the_allowance_permits_and_raises_it() {
    let many = ClaimRequest {
        want: 900,
        ..request()
    };
    let on = |row: &Row| decide(Some(row), &many, &WIDE, Some(LINEAGE));
    let change = Change {
        ids: 4000,
        before: 2000,
        since: None,
    };
    assert_eq!(on(&counted(2000)), Decision::Claim { step: 100, n: 900 });
    let used = with_account(2000, |account| account.allowance.paid_until = NOW + SECOND);
    assert_eq!(on(&used), Decision::Allow(change));
    let raised = with_account(4000, |account| {
        account.allowance.before = 2000;
        account.allowance.written_at = NOW - SECOND;
        account.allowance.paid_until = NOW + SECOND;
    });
    assert_eq!(on(&raised), Decision::Claim { step: 100, n: 800 });
}

#[test]
fn what_is_beyond_the_allowance_is_refused_with_a_time_or_a_step() {
    let used = |ahead: i64| {
        with_account(2000, |account| {
            account.allowance.before = 1000;
            account.allowance.written_at = NOW - 3 * SECOND;
            account.allowance.paid_until = NOW + ahead;
        })
    };
    let asked = |at_least| ClaimRequest {
        want: at_least,
        at_least,
        ..request()
    };
    let on = |ahead, at_least| decide(Some(&used(ahead)), &asked(at_least), &WIDE, Some(LINEAGE));
    // Nothing is left, and a claim for less than half a second's worth is not made.
    assert_eq!(
        on(5 * SECOND, 1),
        Decision::UsedUp {
            wait: SECOND / 2,
            step: None
        }
    );
    assert_eq!(
        on(0, 1000),
        Decision::UsedUp {
            wait: 17 * SECOND,
            step: Some(101)
        }
    );
    // It raises the allowance to what permits it, from when the last raise was written.
    assert_eq!(
        on(0, 1001),
        Decision::Allow(Change {
            ids: 4000,
            before: 1000,
            since: Some(NOW - 3 * SECOND)
        })
    );
    // Near the end of the id space it never does, but for a step.
    let near = Limits {
        id_limit: 30_000,
        ..WIDE
    };
    assert_eq!(
        decide(Some(&used(0)), &asked(2001), &near, Some(LINEAGE)),
        Decision::UsedUp {
            wait: 20 * SECOND,
            step: Some(201)
        }
    );
}

#[test]
fn an_advance_is_heeded_once_it_is_old_enough() {
    let announced = |ago: i64| {
        with_account(2000, |account| {
            (account.advance_to, account.advance_at) = (9000, NOW - ago);
        })
    };
    assert_eq!(decided(&announced(20 * SECOND - 1)), CLAIM);
    assert_eq!(
        decided(&announced(20 * SECOND)),
        Decision::Advance { target: 9000 }
    );
}

#[test]
fn a_first_allowance_a_lowering_and_a_clock_that_went_back_come_before_the_claim() {
    assert_eq!(
        decide(Some(&counted(0)), &request(), &WIDE, Some(LINEAGE)),
        Decision::Allow(Allowance::open(100, i64::MAX - 5000))
    );
    let quiet = with_account(8_000_000, |account| {
        account.allowance.needed_at = NOW - 61 * SECOND
    });
    let since = quiet.account.map(|account| account.allowance.written_at);
    assert_eq!(
        decide(Some(&quiet), &request(), &WIDE, Some(LINEAGE)),
        Decision::Allow(Change {
            ids: 4_000_000,
            before: 8_000_000,
            since
        })
    );
    let ahead = with_account(2000, |account| {
        account.allowance.paid_until = NOW + 3600 * SECOND
    });
    assert_eq!(decided(&ahead), Decision::ClockWentBack);
}
