//! `RateMeter`: how many ids a tag hands out per second, smoothed.

use std::time::{Duration, Instant};

/// Events are counted for this long before they enter the average.
const WINDOW: Duration = Duration::from_secs(1);

/// Time constant of the average, in seconds: a change of rate is 63 % visible after this long.
const MEMORY: f64 = 10.0;

/// An exponentially weighted moving average over windows of a second.
#[derive(Debug, Clone, Default)]
pub struct RateMeter {
    /// When the present window began; `None` before the first id.
    window: Option<Instant>,
    /// Ids counted in the present window.
    counted: u64,
    /// The average over the windows before, ids per second. It rises from 0, so that a burst of a second
    /// is not taken for a rate.
    average: f64,
}

impl RateMeter {
    /// Counts `ids` handed out since the last call, which was a moment before `now`.
    pub fn record(&mut self, now: Instant, ids: u64) {
        self.counted = self.counted.saturating_add(ids);
        match self.window {
            None if ids == 0 => {}
            None => self.window = Some(now),
            Some(start) if now.duration_since(start) >= WINDOW => {
                self.average = self.per_second(now);
                self.window = Some(now);
                self.counted = 0;
            }
            Some(_) => {}
        }
    }

    /// What the rate may turn out to be: at least what the window that just began has seen so far.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a rate, not an id")]
    pub fn including_now(&self, now: Instant) -> f64 {
        let Some(start) = self.window else { return 0.0 };
        let seconds = now.duration_since(start).max(WINDOW).as_secs_f64();
        self.per_second(now).max(self.counted as f64 / seconds)
    }

    /// What becomes of `rate` when nothing more is handed out for `idle`.
    #[must_use]
    pub fn faded(rate: f64, idle: Duration) -> f64 {
        if idle < WINDOW {
            return rate;
        }
        rate * (-idle.as_secs_f64() / MEMORY).exp()
    }

    /// The rate at `now` in ids per second; 0 before a first window is complete.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a rate, not an id")]
    pub fn per_second(&self, now: Instant) -> f64 {
        let Some(start) = self.window else { return 0.0 };
        let elapsed = now.duration_since(start);
        if elapsed < WINDOW {
            return self.average;
        }
        let seconds = elapsed.as_secs_f64();
        let fresh = self.counted as f64 / seconds;
        fresh + (self.average - fresh) * (-seconds / MEMORY).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_measured_and_an_idle_tag_falls_to_nothing() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        for tenth in 0..600 {
            meter.record(start + Duration::from_millis(tenth * 100), 50);
        }
        let rate = meter.per_second(start + Duration::from_secs(60));
        assert!((480.0..520.0).contains(&rate), "{rate}");
        assert!(meter.per_second(start + Duration::from_secs(600)) < 1.0);
    }

    #[test]
    fn a_burst_of_a_second_is_no_rate_but_is_seen_while_it_lasts() {
        let start = Instant::now();
        let mut meter = RateMeter::default();
        meter.record(start, 10_000);
        let later = |millis| start + Duration::from_millis(millis);
        assert_eq!(meter.per_second(later(500)).to_string(), "0");
        assert_eq!(meter.including_now(later(500)).to_string(), "10000");
        meter.record(later(1000), 1);
        assert!((900.0..1000.0).contains(&meter.per_second(later(1000))));
    }
}
