//! The allowance: what may be claimed, raised and lowered, over arbitrary histories.

use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_000 * SECOND;

fn of(ids: i64) -> Allowance {
    Allowance {
        ids,
        before: ids,
        written_at: 0,
        needed_at: NOW,
        paid_until: 0,
    }
}

#[test]
fn half_of_it_can_be_claimed_at_once_and_the_rest_as_time_goes_by() {
    let full = of(1000);
    assert_eq!(full.room(NOW), 500);
    assert_eq!(full.pay(NOW, 501), None);
    let empty = full.pay(NOW, 500).unwrap();
    assert_eq!(
        (empty.room(NOW), empty.wait(NOW, 10)),
        (0, Some(SECOND / 10))
    );
    assert_eq!(empty.room(NOW + SECOND), 100);
    assert_eq!(empty.wait(NOW, 501), None);
}

/// The allowance after a change that was written at `now`.
fn after(allowance: Allowance, change: Change, now: i64) -> Allowance {
    Allowance {
        ids: change.ids,
        before: change.before,
        written_at: change.since.unwrap_or(now),
        needed_at: now,
        ..allowance
    }
}

#[test]
fn a_raise_doubles_and_counts_later() {
    let change = of(1000).raised(NOW, 10, 10, i64::MAX).unwrap();
    let raised = after(of(1000), change, NOW);
    assert_eq!(
        (change.ids, change.before, change.since),
        (2000, 1000, None)
    );
    assert_eq!(raised.in_force(NOW + DELAY - 1), 1000);
    assert_eq!(raised.in_force(NOW + DELAY), 2000);
    assert_eq!(raised.raised(NOW + DELAY - 1, 10, 10, i64::MAX), None);
    assert!(raised.raised(NOW + DELAY, 10, 10, i64::MAX).is_some());
}

#[test]
fn a_raise_to_what_a_large_claim_needs_doubles_step_by_step_and_says_when_it_permits_it() {
    let change = of(1000).raised(NOW, 10, 3500, i64::MAX).unwrap();
    assert_eq!((change.ids, change.before), (8000, 1000));
    let raised = after(of(1000), change, NOW);
    let in_force = |doublings: i64| raised.in_force(NOW + doublings * DELAY);
    assert_eq!([1, 2, 3, 4].map(in_force), [2000, 4000, 8000, 8000]);
    assert_eq!(raised.wait(NOW, 500), Some(0));
    assert_eq!(raised.wait(NOW, 501), Some(DELAY));
    assert_eq!(raised.wait(NOW, 3500), Some(3 * DELAY));
    assert_eq!(raised.wait(NOW, 4001), None);
    // Until the last doubling counts it can be raised further, which begins no sooner.
    let later = NOW + 2 * DELAY;
    let more = raised.raised(later, 10, 5000, i64::MAX).unwrap();
    assert_eq!((more.ids, more.since), (16_000, Some(NOW)));
    let further = after(raised, more, later);
    assert_eq!(further.in_force(later), 4000);
    assert_eq!(further.wait(later, 5000), Some(2 * DELAY));
}

#[test]
fn it_is_lowered_after_a_quiet_minute_by_a_small_claim_alone() {
    let allowance = of(8_000_000);
    let quiet = NOW + QUIET + 1;
    let lower = allowance.lowered(quiet, 10, 1_600_000).unwrap();
    assert_eq!(lower.ids, 4_000_000);
    assert_eq!(after(allowance, lower, quiet).in_force(quiet), 4_000_000);
    assert_eq!(allowance.lowered(quiet, 10, 1_600_001), None);
    assert_eq!(allowance.lowered(quiet - 1, 10, 1), None);
    assert_eq!(of(3_999_999).lowered(quiet, 10, 1), None);
}

#[test]
fn a_lowering_of_a_raise_that_does_not_count_in_full_yet_raises_nothing() {
    let raised = Allowance {
        before: 1_000_000,
        written_at: NOW,
        ..of(64_000_000)
    };
    let quiet = NOW + QUIET + 1;
    let lower = raised.lowered(quiet, 10, 1).unwrap();
    assert_eq!(lower.ids, 32_000_000);
    assert_eq!(after(raised, lower, quiet).in_force(quiet), 8_000_000);
}

#[test]
fn it_starts_generously_and_leaves_room_below_the_limit() {
    assert_eq!(Allowance::first(10, i64::MAX), 100_000_000);
    assert_eq!(Allowance::first(1_000_000, i64::MAX), 1_000_000_000);
    assert_eq!(Allowance::first(10, 1_000_000), 1000);
    assert_eq!(Allowance::first(1000, 1_000_000), 20_000);
    let raised = |left| of(1000).raised(NOW, 10, 10, left).map(|to| to.ids);
    assert_eq!(raised(20_000), Some(1250));
    assert_eq!(raised(10_000), None);
}

#[test]
fn a_row_made_by_hand_may_hand_out_at_once_what_a_replica_takes_for_granted() {
    let open = Allowance::open(1_000_000, i64::MAX);
    assert_eq!((open.ids, open.before), (1_000_000_000, 100_000_000));
}

proptest! {
    /// However claims come, in any time t no more than A · (t + AHEAD) / WINDOW ids are claimed.
    #[test]
    fn claims_in_any_time_are_bounded(
        ids in 1_i64..1_000_000,
        claims in proptest::collection::vec((0_i64..3 * SECOND, 1_i64..600_000), 1..40),
    ) {
        let (mut allowance, mut now) = (of(ids), NOW);
        let mut made = Vec::new();
        for (pause, n) in claims {
            now += pause;
            let n = n.min(allowance.room(now));
            if n > 0 {
                allowance = allowance.pay(now, n).expect("there is room");
                made.push((now, n));
            }
        }
        for (from, (start, _)) in made.iter().enumerate() {
            let mut sum = 0;
            for (at, n) in &made[from..] {
                sum += i128::from(*n);
                let time = i128::from(at - start + AHEAD);
                prop_assert!(sum <= i128::from(ids) * time / i128::from(WINDOW));
            }
        }
    }

    /// What it says is how long it takes: no longer, no shorter.
    #[test]
    fn a_wait_is_exact(
        (before, doublings, n) in (1_i64..1_000_000, 0_u32..6, 1_i64..40_000_000),
        (written, ahead) in (0..100 * SECOND, -SECOND..6 * SECOND),
    ) {
        let allowance = Allowance {
            before,
            written_at: NOW - written,
            paid_until: NOW + ahead,
            ..of(before << doublings)
        };
        match allowance.wait(NOW, n) {
            None => prop_assert!(allowance.room(NOW + 1000 * SECOND) < n),
            Some(wait) => {
                prop_assert!(allowance.pay(NOW + wait, n).is_some());
                prop_assert!(wait == 0 || allowance.pay(NOW + wait - 1, n).is_none());
            }
        }
    }

    /// However it is raised and lowered, what is in force at most doubles in the time that a raise takes.
    #[test]
    fn what_is_in_force_never_more_than_doubles_within_the_delay(
        first in 1_i64..5_000_000,
        turns in proptest::collection::vec((0..30 * SECOND, 1_i64..50_000_000, any::<bool>()), 1..60),
    ) {
        let (mut allowance, mut now) = (of(first), NOW);
        let mut known = Vec::new();
        for (pause, n, quiet) in turns {
            now += pause;
            if quiet {
                allowance.needed_at = now - QUIET - 1;
            }
            let change = match quiet {
                true => allowance.lowered(now, 10, 1),
                false => allowance.raised(now, 10, n, i64::MAX),
            };
            known.push((now, allowance));
            if let Some(change) = change {
                let in_force = allowance.in_force(now);
                allowance = after(allowance, change, now);
                prop_assert!(allowance.in_force(now) <= in_force);
            }
            for (at, was) in &known {
                let doublings = ((now - at) / DELAY).min(DOUBLINGS);
                prop_assert!(allowance.in_force(now) <= was.ids.saturating_mul(1 << doublings));
            }
        }
    }

    #[test]
    fn no_number_in_a_row_makes_it_panic(
        (ids, before, written_at, needed_at, paid_until) in any::<(i64, i64, i64, i64, i64)>(),
        (now, n, step, left) in any::<(i64, i64, i64, i64)>(),
    ) {
        let allowance = Allowance { ids, before, written_at, needed_at, paid_until };
        let _ = allowance.room(now);
        let _ = allowance.pay(now, n);
        let _ = allowance.wait(now, n);
        let _ = allowance.raised(now, step, n, left);
        let _ = allowance.in_force(now);
        let _ = allowance.lowered(now, step, n);
        let _ = allowance.skip(left);
        let _ = Allowance::open(step, left);
    }
}
