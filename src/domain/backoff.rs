//! `Backoff`: how long to wait before the next attempt.

use std::time::Duration;

/// Exponential backoff with equal jitter: half of the delay is fixed, half is random, so that many
/// waiters neither hammer together nor starve.
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Debug, Clone)]
pub struct Backoff {
    /// The first delay's upper bound.
    base: Duration,
    /// No delay is longer.
    max: Duration,
    /// Attempts that failed in a row.
    attempts: u32,
}

impl Backoff {
    /// A backoff from `base` (doubled at each failure) to `max`.
    #[must_use]
    pub fn new(base: Duration, max: Duration) -> Self {
        Self {
            base: base.min(max),
            max,
            attempts: 0,
        }
    }

    /// The delay after one more failure; `random` is uniform in `0.0..1.0`.
    pub fn after_failure(&mut self, random: f64) -> Duration {
        let bound = self
            .base
            .saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX))
            .min(self.max);
        self.attempts = self.attempts.saturating_add(1).min(31);
        bound.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_half_of_each_is_random() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(500));
        let delays: Vec<_> = (0..8)
            .map(|_| backoff.after_failure(1.0).as_millis())
            .collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 500, 500]);
        assert_eq!(backoff.after_failure(0.0).as_millis(), 250);
    }

    #[test]
    fn it_never_overflows_nor_passes_the_cap() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
        for _ in 0..1000 {
            assert!(backoff.after_failure(0.99) <= Duration::from_secs(3));
        }
    }
}
