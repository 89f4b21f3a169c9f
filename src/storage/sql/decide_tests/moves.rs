//! Rows that went backwards or belong to another primary: how far they are moved.

use super::*;

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
        decided_for(&row(), &behind),
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
        decided_for(&plain, &behind),
        Decision::Regressed { target: 5001 + 800 }
    );
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
        decided_for(&row(), &behind),
        Decision::Exhausted { remaining: 0 }
    );
}

fn foreign(ids: i64, change: impl FnOnce(&mut Account)) -> Row {
    let mut row = with_account(ids, change);
    let guard = row.guard.as_mut().unwrap();
    (guard.here, guard.claimed_on) = (false, "old".into());
    row
}

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
