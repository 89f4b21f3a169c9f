//! `Allowance`: how many ids of a tag all servers together may claim, so that what a failover can lose is
//! bounded however claims grow. `docs/guard.md` is the argument; this is its arithmetic.
//!
//! A leaky bucket that stands in the tag's row, the one place where all servers meet. An allowance of A ids
//! lasts for [`WINDOW`]; a claim of n pays n · WINDOW / A of time in advance, and may be [`AHEAD`] ahead of
//! the clock. So in any time t at most A · (t + AHEAD) / WINDOW ids are claimed.
//!
//! A raise doubles at most, and counts only [`DELAY`] after it was written: until then a replica that has not
//! heard of it is right about what was claimed. A lowering counts at once, and is made when the tag needed
//! far less for [`QUIET`]. All times are microseconds of the database's clock, whose zero does not matter.

/// One second, in the unit of all times here.
pub const SECOND: i64 = 1_000_000;
/// An allowance is so many ids in this time.
pub const WINDOW: i64 = 10 * SECOND;
/// How far claims may be ahead of the clock.
pub const AHEAD: i64 = WINDOW / 2;
/// A raise, and an announced advance, count so long after they were written.
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

/// The least that a tag starts with, where the id space has room for it.
const GENEROUS: i64 = 2_000_000;
/// An allowance is not lowered below this.
const LEAST: i64 = 100_000;
/// No allowance is larger; the arithmetic of a claim stays within 63 bits.
pub const MOST: i64 = 1_000_000_000_000;
/// The largest claim that any allowance permits.
pub const LARGEST_CLAIM: i64 = MOST / 2;

/// The allowance of a tag as its row says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Ids per [`WINDOW`]; 0 where none was written yet.
    pub ids: i64,
    /// What it was before; of the two the smaller is in force until [`DELAY`] after `written_at`.
    pub before: i64,
    /// When it was written.
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

    /// The first allowance of a row that was made without one. For [`DELAY`] no more than what a replica that
    /// has not heard of it assumes, whatever the step was there.
    #[must_use]
    pub fn open(step: i64, left: i64) -> Change {
        let ids = Self::first(step, left);
        Change {
            ids,
            before: ids.min(GENEROUS),
        }
    }

    /// What may be claimed per [`WINDOW`] at `now`.
    #[must_use]
    pub fn in_force(&self, now: i64) -> i64 {
        let counts = now >= self.written_at.saturating_add(DELAY);
        match counts {
            true => self.ids,
            false => self.ids.min(self.before),
        }
        .clamp(1, MOST)
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

    /// How long until `n` ids may be claimed; `None` where even a full bucket has too few.
    #[must_use]
    pub fn wait(&self, now: i64, n: i64) -> Option<i64> {
        let cost = self.cost(now, n);
        let ahead = self.paid(now).saturating_sub(now);
        (cost <= AHEAD).then(|| ahead.saturating_add(cost).saturating_sub(AHEAD).max(0))
    }

    /// Whether the clock went back since the row was written.
    #[must_use]
    pub fn is_from_the_future(&self, now: i64) -> bool {
        self.paid_until > now.saturating_add(AHEAD) || self.written_at > now || self.needed_at > now
    }

    /// The raise that a claim beyond the allowance makes: twice as much, once the last change counts. Not
    /// beyond a sixteenth of what is left below the limit, so that a skip leaves half of that.
    #[must_use]
    pub fn raised(&self, now: i64, step: i64, left: i64) -> Option<Change> {
        if now < self.written_at.saturating_add(DELAY) {
            return None;
        }
        let most = (left / 16).max(floor(step)).min(MOST);
        let ids = self.ids.saturating_mul(2).min(most);
        (ids > self.ids).then_some(Change {
            ids,
            before: self.in_force(now),
        })
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

    /// The lowering that is due when `n` ids are claimed at `now`.
    #[must_use]
    pub fn lowered(&self, now: i64, step: i64, n: i64) -> Option<Change> {
        let half = self.ids / 2;
        let is_due = half >= Self::least(step)
            && self.needed_at < now.saturating_sub(QUIET)
            && self.written_at <= now.saturating_sub(DELAY)
            && self.paid(now).saturating_add(self.cost(now, n)) <= now.saturating_add(NEEDED);
        is_due.then_some(Change {
            ids: half,
            before: self.ids,
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

    #[test]
    fn a_raise_doubles_and_counts_later() {
        let change = of(1000).raised(NOW, 10, i64::MAX).unwrap();
        let raised = Allowance {
            ids: change.ids,
            before: change.before,
            written_at: NOW,
            ..of(1000)
        };
        assert_eq!((change.ids, change.before), (2000, 1000));
        assert_eq!(raised.in_force(NOW + DELAY - 1), 1000);
        assert_eq!(raised.in_force(NOW + DELAY), 2000);
        assert_eq!(raised.raised(NOW + DELAY - 1, 10, i64::MAX), None);
    }

    #[test]
    fn it_is_lowered_after_a_quiet_minute_by_a_small_claim_alone() {
        let allowance = of(1_000_000);
        let quiet = NOW + QUIET + 1;
        let lower = Some(Change {
            ids: 500_000,
            before: 1_000_000,
        });
        assert_eq!(allowance.lowered(quiet, 10, 200_000), lower);
        assert_eq!(allowance.lowered(quiet, 10, 200_001), None);
        assert_eq!(allowance.lowered(quiet - 1, 10, 1), None);
        assert_eq!(of(199_999).lowered(quiet, 10, 1), None);
    }

    #[test]
    fn it_starts_generously_and_leaves_room_below_the_limit() {
        assert_eq!(Allowance::first(10, i64::MAX), 2_000_000);
        assert_eq!(Allowance::first(100_000, i64::MAX), 100_000_000);
        assert_eq!(Allowance::first(10, 1_000_000), 1000);
        assert_eq!(Allowance::first(1000, 1_000_000), 20_000);
        assert_eq!(
            of(1000).raised(NOW, 10, 20_000).map(|to| to.ids),
            Some(1250)
        );
        assert_eq!(of(1000).raised(NOW, 10, 10_000), None);
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

        #[test]
        fn no_number_in_a_row_makes_it_panic(
            (ids, before, written_at, needed_at, paid_until) in any::<(i64, i64, i64, i64, i64)>(),
            (now, n, step, left) in any::<(i64, i64, i64, i64)>(),
        ) {
            let allowance = Allowance { ids, before, written_at, needed_at, paid_until };
            let _ = allowance.room(now);
            let _ = allowance.pay(now, n);
            let _ = allowance.wait(now, n);
            let _ = allowance.raised(now, step, left);
            let _ = allowance.lowered(now, step, n);
            let _ = allowance.skip(left);
            let _ = Allowance::open(step, left);
        }
    }
}
