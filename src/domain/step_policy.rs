//! `StepPolicy`: how much to claim, so that a segment lasts about as long as it should.
//!
//! Source of the rule: Meituan's Leaf (segment mode), which doubles a claim that lasted less than 15
//! minutes and halves one that lasted more than 30, never below the row's step. Doubling alone needs
//! about one target duration of traffic to arrive, so after [`LONG_RISE`] doublings in a row the
//! claim follows the measured rate at once.
//!
//! Growth is announced before it happens: each claim writes into its row how large claims will become,
//! and only what was announced [`REPLICATED`] ago is claimed. A replica that is no further behind then
//! knows how much the claims that it lost may have taken.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// So many doublings in a row prove that traffic is steady, and the measured rate is trusted.
const LONG_RISE: u32 = 5;

/// A replica further behind than this may not know of announced growth.
const REPLICATED: Duration = Duration::from_secs(10);

/// What is not announced yet may be claimed for so much traffic.
const UNANNOUNCED: Duration = Duration::from_secs(2);

/// What an operator sets.
#[derive(Debug, Clone, Copy)]
pub struct StepSettings {
    /// How long a segment should last.
    pub segment_duration: Duration,
    /// No claim is made larger by the policy (a single demand may be).
    pub max_step: i64,
    /// How long the ids in memory should last when the database goes away.
    pub outage_budget: Duration,
}

/// The size in force for one tag.
#[derive(Debug, Clone)]
pub struct StepPolicy {
    /// Shared by all tags.
    settings: Arc<StepSettings>,
    /// The row's `step`, the least that is claimed; `None` before the first claim.
    row_step: Option<i64>,
    /// The size of the newest claim that the policy decided.
    current: i64,
    /// When the newest claim was committed.
    claimed_at: Option<Instant>,
    /// Doublings in a row.
    rises: u32,
    /// The size that was announced long enough ago.
    announced: i64,
    /// An announcement that has yet to grow old.
    fresh: Option<(Instant, i64)>,
}

impl StepPolicy {
    /// A policy that knows nothing of its tag yet.
    #[must_use]
    pub fn new(settings: impl Into<Arc<StepSettings>>) -> Self {
        Self {
            settings: settings.into(),
            row_step: None,
            current: 0,
            claimed_at: None,
            rises: 0,
            announced: 0,
            fresh: None,
        }
    }

    /// The row's `step` as last seen.
    #[must_use]
    pub fn row_step(&self) -> Option<i64> {
        self.row_step
    }

    /// The size in force, in ids; 0 before the first claim.
    #[must_use]
    pub fn current(&self) -> i64 {
        self.current
    }

    /// How much a claim made at `now` should take, at `rate` ids per second on average and `lately`
    /// including what the average does not show yet.
    #[must_use]
    pub fn propose(&self, now: Instant, rate: f64, lately: f64) -> i64 {
        let (Some(row_step), Some(claimed_at)) = (self.row_step, self.claimed_at) else {
            return self.current;
        };
        let lasted = now.saturating_duration_since(claimed_at);
        let target = self.settings.segment_duration;
        let size = if lasted < target {
            let doubled = self.current.saturating_mul(2);
            if self.rises >= LONG_RISE {
                doubled.max(ids_in(target, rate))
            } else {
                doubled
            }
        } else if lasted > target.saturating_mul(2) {
            (self.current / 2).max(ids_in(target, rate))
        } else {
            self.current
        };
        let known = match self.fresh {
            Some((at, size)) if is_replicated(at, now) => size,
            _ => self.announced,
        };
        size.min(known.max(ids_in(UNANNOUNCED, lately)))
            .min(self.settings.max_step)
            .max(row_step)
    }

    /// How large claims are about to become at `rate` ids per second, where the next takes `proposed`:
    /// the size they grow towards.
    #[must_use]
    pub fn forecast(&self, proposed: i64, rate: f64) -> i64 {
        let target = ids_in(self.settings.segment_duration, rate);
        target.min(self.settings.max_step).max(proposed)
    }

    /// Notes that a claim of `proposed` ids, which announced `forecast`, was committed at `now` on a row
    /// that says `row_step`.
    pub fn claimed(&mut self, now: Instant, proposed: i64, forecast: i64, row_step: i64) {
        match self.fresh {
            Some((at, _)) if !is_replicated(at, now) => {}
            old => {
                self.announced = old.map_or(0, |(_, size)| size);
                self.fresh = Some((now, forecast));
            }
        }
        if proposed > self.current && self.claimed_at.is_some() {
            self.rises += 1;
        } else {
            self.rises = 0;
        }
        self.current = proposed.clamp(row_step, self.settings.max_step.max(row_step));
        self.row_step = Some(row_step);
        self.claimed_at = Some(now);
    }

    /// Whether `left` ids are too few to outlast the outage budget at `rate` ids per second, or the
    /// next claim, which takes about `claim_time`.
    #[must_use]
    pub fn is_short(&self, left: u64, rate: f64, claim_time: Duration) -> bool {
        let horizon = self
            .settings
            .outage_budget
            .max(claim_time.saturating_mul(4));
        // Rounded up: of a slow tag a single id lasts for seconds.
        (left as f64) < (horizon.as_secs_f64() * rate).ceil()
    }
}

/// Whether what was committed at `at` has reached the replicas by `now`.
fn is_replicated(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= REPLICATED
}

/// How many ids `rate` uses up in `duration`.
#[allow(clippy::cast_possible_truncation, reason = "float casts saturate")]
fn ids_in(duration: Duration, rate: f64) -> i64 {
    (duration.as_secs_f64() * rate) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn policy() -> StepPolicy {
        StepPolicy::new(StepSettings {
            segment_duration: 15 * MINUTE,
            max_step: 100_000_000,
            outage_budget: 5 * MINUTE,
        })
    }

    /// A policy whose claims of `size` have been announced, on a row with this step, at `now`.
    fn settled(now: Instant, size: i64, row_step: i64) -> StepPolicy {
        let mut policy = policy();
        let long_ago = now.checked_sub(REPLICATED * 2).unwrap();
        policy.claimed(long_ago, size, 1 << 40, row_step);
        policy.claimed(
            now.checked_sub(REPLICATED).unwrap(),
            size,
            1 << 40,
            row_step,
        );
        policy.claimed(now, size, 1 << 40, row_step);
        policy
    }

    #[test]
    fn a_claim_doubles_while_used_up_fast_and_stops_at_the_maximum() {
        let now = Instant::now() + MINUTE;
        let policy = settled(now, 1000, 1000);
        assert_eq!(policy.propose(now + MINUTE, 0.0, 0.0), 2000);
        let policy = settled(now, 99_999_999, 1000);
        assert_eq!(policy.propose(now + MINUTE, 0.0, 0.0), 100_000_000);
    }

    #[test]
    fn it_stays_in_between_and_halves_down_to_the_rows_step() {
        let now = Instant::now() + MINUTE;
        let mut policy = settled(now, 3000, 1000);
        assert_eq!(policy.propose(now + 20 * MINUTE, 0.0, 0.0), 3000);
        assert_eq!(policy.propose(now + 31 * MINUTE, 0.0, 0.0), 1500);
        policy.claimed(now, 1500, 1500, 1000);
        assert_eq!(policy.propose(now + 31 * MINUTE, 0.0, 0.0), 1000);
    }

    #[test]
    fn after_a_long_rise_it_follows_the_measured_rate() {
        let (mut policy, mut now) = (policy(), Instant::now());
        policy.claimed(now, 10, 10, 10);
        for _ in 0..LONG_RISE {
            now += REPLICATED;
            let size = policy.propose(now, 20_000.0, 20_000.0);
            assert!(size <= 320);
            let forecast = policy.forecast(size, 20_000.0);
            policy.claimed(now, size, forecast, 10);
        }
        assert_eq!(policy.propose(now + MINUTE, 20_000.0, 20_000.0), 18_000_000);
    }

    #[test]
    fn a_raised_step_is_the_least_at_once() {
        let (mut policy, now) = (policy(), Instant::now());
        policy.claimed(now, 10, 10, 5000);
        assert_eq!(policy.current(), 5000);
    }

    #[test]
    fn the_forecast_is_what_the_rate_leads_to_long_before_claims_are_as_large() {
        let policy = policy();
        assert_eq!(policy.forecast(20, 1000.0), 900_000);
        assert_eq!(policy.forecast(20, 0.0), 20);
        assert_eq!(policy.forecast(20, 1e12), 100_000_000);
    }

    #[test]
    fn growth_that_is_not_announced_long_enough_is_bounded_by_two_seconds_of_traffic() {
        let (mut policy, start) = (policy(), Instant::now());
        policy.claimed(start, 100_000, 100_000, 10);
        policy.claimed(start, 200_000, 90_000_000, 10);
        let second = start + Duration::from_secs(1);
        assert_eq!(policy.propose(second, 1e5, 1e5), 200_000);
        // The first announcement has grown old, the second, which says more, has not been kept.
        let later = start + REPLICATED;
        assert_eq!(policy.propose(later, 1e4, 1e4), 100_000);
        policy.claimed(later, 100_000, 90_000_000, 10);
        assert_eq!(policy.propose(later + REPLICATED, 1e4, 1e4), 200_000);
    }

    #[test]
    fn supply_is_short_when_it_would_not_outlast_the_budget() {
        let policy = policy();
        assert!(policy.is_short(299_999, 1000.0, Duration::ZERO));
        assert!(!policy.is_short(300_000, 1000.0, Duration::ZERO));
        assert!(!policy.is_short(0, 0.0, Duration::from_secs(9)));
    }
}
