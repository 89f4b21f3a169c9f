//! What [`decide`] makes of every kind of row: here the rows that are refused, and plain claims.

use super::*;
use crate::domain::BizTag;
use crate::domain::allowance::SECOND;

mod allowance;
mod moves;

const LIMITS: Limits = Limits {
    id_limit: 1_000_000,
    max_step: 100_000,
    failover_skip: None,
};

/// Limits that leave room for a skip of millions.
const WIDE: Limits = Limits {
    id_limit: i64::MAX,
    ..LIMITS
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

const CLAIM: Decision = Decision::Claim { step: 100, n: 100 };

fn decided(row: &Row) -> Decision {
    decided_for(row, &request())
}

fn decided_for(row: &Row, request: &ClaimRequest) -> Decision {
    decide(Some(row), request, &LIMITS, Some(LINEAGE))
}

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
        decided_for(&near(999_950), &many),
        Decision::Exhausted { remaining: 50 }
    );
}

#[test]
fn a_claim_takes_at_least_what_the_policy_wants_where_the_allowance_permits() {
    let request = ClaimRequest {
        want: 7,
        ..request()
    };
    for step in [1, 7, 10, 100_000] {
        assert_eq!(wanted(&request, step), step.max(7));
    }
}
