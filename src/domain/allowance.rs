//! `Allowance`: how many ids of a tag all servers together may claim, so that what a failover can lose is
//! bounded however claims grow. `docs/guard.md` is the argument; this is its arithmetic.
//!
//! A leaky bucket that stands in the tag's row, the one place where all servers meet. An allowance of A ids
//! lasts for [`WINDOW`]; a claim of n pays n · WINDOW / A of time in advance, and may be [`AHEAD`] ahead of
//! the clock. So in any time t at most A · (t + AHEAD) / WINDOW ids are claimed.
//!
//! A raise counts only [`DELAY`] after it was written, and then twice what was in force, after another [`DELAY`]
//! four times, and so on up to what was written: until then a replica that has not heard of it is right about what
//! was claimed. A lowering counts at once, and is made when the tag needed far less for [`QUIET`]. All times are
//! microseconds of the database's clock, whose zero does not matter.

/// One second, in the unit of all times here.
pub const SECOND: i64 = 1_000_000;
/// An allowance is so many ids in this time.
pub const WINDOW: i64 = 10 * SECOND;
/// How far claims may be ahead of the clock.
pub const AHEAD: i64 = WINDOW / 2;
/// Each doubling of a raise, and an announced advance, count so long after they were written.
pub const DELAY: i64 = 20 * SECOND;
/// An allowance is lowered when the tag needed far less for so long.
pub const QUIET: i64 = 60 * SECOND;
/// A claim after which the bucket is further ahead than this needed its allowance.
pub const NEEDED: i64 = 2 * SECOND;
/// What a failover may have lost beside the replica's lag, as time at the full rate: the bucket's advance,
/// and the inexactness of clocks and heartbeats.
pub const MARGIN: i64 = 2 * SKIP_UNIT;
/// How stale a promoted replica is taken to be where no heartbeat tells.
pub const UNKNOWN_LAG: i64 = 30 * SECOND;
/// A skip is the allowance times the time that was lost, in this unit: twice the rate of the allowance, since
/// it may have been doubled without the replica's knowing.
const SKIP_UNIT: i64 = 5 * SECOND;

/// The least that a tag starts with, where the id space has room for it: ten million ids a second.
const GENEROUS: i64 = 100_000_000;
/// An allowance is not lowered below this.
const LEAST: i64 = 2_000_000;
/// Doublings of one raise; with more of them [`MOST`] would leave 63 bits.
pub const DOUBLINGS: i64 = 22;
/// No allowance is larger; the arithmetic of a claim stays within 63 bits.
pub const MOST: i64 = 1_000_000_000_000;
/// The largest claim that any allowance permits.
pub const LARGEST_CLAIM: i64 = MOST / 2;

/// The allowance of a tag as its row says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Ids per [`WINDOW`]; 0 where none was written yet.
    pub ids: i64,
    /// What was in force before; it doubles each [`DELAY`] after `written_at`, up to `ids`.
    pub before: i64,
    /// When it was raised.
    pub written_at: i64,
    /// When a claim needed it last.
    pub needed_at: i64,
    /// Up to when what was claimed is paid for.
    pub paid_until: i64,
}

/// A change of an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The new one.
    pub ids: i64,
    /// What is in force until it counts.
    pub before: i64,
    /// From when its doublings are counted; `None` from now on.
    pub since: Option<i64>,
}

impl Allowance {
    /// What a tag starts with: generous, so that bursts do not stall, but a small part of the `left` ids
    /// below its limit.
    #[must_use]
    pub fn first(step: i64, left: i64) -> i64 {
        step.saturating_mul(1000)
            .max(GENEROUS)
            .min(left / 1000)
            .max(floor(step))
            .min(MOST)
    }

    /// The first allowance of a row that was made without one. At first no more is in force than what a replica
    /// that has not heard of it assumes, whatever the step was there.
    #[must_use]
    pub fn open(step: i64, left: i64) -> Change {
        Change {
            ids: Self::first(step, left),
            before: Self::first(0, left).max(1),
            since: None,
        }
    }

    /// What may be claimed per [`WINDOW`] at `now`.
    #[must_use]
    pub fn in_force(&self, now: i64) -> i64 {
        let doublings = self.doublings(now);
        if doublings > DOUBLINGS {
            return self.ids.clamp(1, MOST);
        }
        let raised = self.before.clamp(1, MOST) << doublings;
        raised.min(self.ids).clamp(1, MOST)
    }

    /// How often what was in force before has doubled by `now`.
    fn doublings(&self, now: i64) -> i64 {
        now.saturating_sub(self.written_at).max(0) / DELAY
    }

    /// When the next doubling counts; `None` where all do.
    fn next_doubling(&self, now: i64) -> Option<i64> {
        let next = self.doublings(now).checked_add(1)?.checked_mul(DELAY)?;
        (self.in_force(now) < self.ids.min(MOST)).then(|| self.written_at.saturating_add(next))
    }

    /// Up to when everything is paid for, at least `now`.
    fn paid(&self, now: i64) -> i64 {
        self.paid_until.max(now)
    }

    /// How much time a claim of `n` ids pays.
    #[must_use]
    pub fn cost(&self, now: i64, n: i64) -> i64 {
        let in_force = i128::from(self.in_force(now));
        let cost = (i128::from(n) * i128::from(WINDOW) + in_force - 1) / in_force;
        i64::try_from(cost).unwrap_or(i64::MAX)
    }

    /// How many ids may be claimed at `now`.
    #[must_use]
    pub fn room(&self, now: i64) -> i64 {
        let ahead = self.paid(now).saturating_sub(now);
        let time = AHEAD.saturating_sub(ahead).max(0);
        let room = i128::from(time) * i128::from(self.in_force(now)) / i128::from(WINDOW);
        i64::try_from(room).unwrap_or(i64::MAX)
    }

    /// The allowance after a claim of `n` ids at `now`; `None` where it does not permit that. What the claim's
    /// statement does, in Rust.
    #[must_use]
    pub fn pay(&self, now: i64, n: i64) -> Option<Self> {
        let paid_until = self.paid(now).checked_add(self.cost(now, n))?;
        if self.ids <= 0 || paid_until > now.saturating_add(AHEAD) {
            return None;
        }
        let needed = paid_until > now.saturating_add(NEEDED);
        Some(Self {
            paid_until,
            needed_at: if needed { now } else { self.needed_at },
            ..*self
        })
    }

    /// How long until `n` ids may be claimed, if nobody claims meanwhile; `None` where even a full bucket has too
    /// few.
    #[must_use]
    pub fn wait(&self, now: i64, n: i64) -> Option<i64> {
        let mut from = now;
        for _ in 0..=DOUBLINGS + 1 {
            let cost = self.cost(from, n);
            let next = self.next_doubling(from);
            if cost <= AHEAD {
                let at = self.paid_until.saturating_add(cost).saturating_sub(AHEAD);
                let at = at.max(from);
                if next.is_none_or(|next| at <= next) {
                    return Some(at.saturating_sub(now));
                }
            }
            from = next.filter(|next| *next > from)?;
        }
        None
    }

    /// Whether the clock went back since the row was written.
    #[must_use]
    pub fn is_from_the_future(&self, now: i64) -> bool {
        self.paid_until > now.saturating_add(AHEAD) || self.written_at > now || self.needed_at > now
    }

    /// The raise that a claim beyond the allowance makes: twice as much, or as much as permits `n` ids at once,
    /// which cannot be done without. Not beyond a sixteenth of what is left below the limit, so that a skip leaves half of that.
    #[must_use]
    pub fn raised(&self, now: i64, step: i64, n: i64, left: i64) -> Option<Change> {
        let most = (left / 16).max(floor(step)).min(MOST);
        let needed = n.saturating_mul(2).max(floor(step)).min(most);
        let is_pending = self.next_doubling(now).is_some();
        let (before, since) = match is_pending {
            false => (self.in_force(now), None),
            // Those that know of it take it that the rest comes no sooner than after the last of its doublings.
            true if self.is_doublings() => (self.before, Some(self.written_at)),
            true => return None,
        };
        let enough = match is_pending {
            false => needed.max(self.ids.saturating_mul(2).min(most)),
            true => needed,
        };
        if enough <= self.ids {
            return None;
        }
        let mut ids = before;
        for _ in 0..DOUBLINGS {
            if ids >= enough {
                break;
            }
            ids = ids.saturating_mul(2);
        }
        let ids = ids.min(most);
        (ids > self.ids).then_some(Change { ids, before, since })
    }

    /// Whether it is what was in force before, doubled a few times.
    fn is_doublings(&self) -> bool {
        let before = self.before.clamp(1, MOST);
        (0..=DOUBLINGS).any(|doublings| before << doublings == self.ids)
    }

    /// Whether the step asks for a larger allowance.
    #[must_use]
    pub fn is_below(&self, step: i64) -> bool {
        self.ids < floor(step)
    }

    /// The least that an allowance is lowered to.
    #[must_use]
    pub fn least(step: i64) -> i64 {
        floor(step).max(LEAST)
    }

    /// The lowering that is due when `n` ids are claimed at `now`. What is in force does not rise by it.
    #[must_use]
    pub fn lowered(&self, now: i64, step: i64, n: i64) -> Option<Change> {
        let half = self.ids / 2;
        let is_due = half >= Self::least(step)
            && self.needed_at < now.saturating_sub(QUIET)
            && self.paid(now).saturating_add(self.cost(now, n)) <= now.saturating_add(NEEDED);
        is_due.then_some(Change {
            ids: half,
            before: self.before,
            since: Some(self.written_at),
        })
    }

    /// How many ids may have been claimed of the tag in the time that was `lost`: [`MARGIN`] and how stale the
    /// promoted replica was, for each failover since.
    #[must_use]
    pub fn skip(&self, lost: i64) -> i64 {
        let skip = i128::from(self.ids) * i128::from(lost) / i128::from(SKIP_UNIT) + 1;
        i64::try_from(skip).unwrap_or(i64::MAX)
    }
}

/// What the row's step needs: a few claims at once.
fn floor(step: i64) -> i64 {
    step.saturating_mul(20)
}

#[cfg(test)]
mod tests {
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
}
