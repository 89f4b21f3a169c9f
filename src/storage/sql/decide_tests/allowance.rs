//! Rows that count claims: what their allowance permits, how it is raised and lowered, and an advance on its way.

use super::*;

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
