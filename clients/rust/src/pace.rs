//! `Pace`: how large the next range is, so that one lasts about the wanted duration at the recent rate.
//!
//! At most double the size before, at least 1, at most the limit. It reads no clock.

use std::time::{Duration, Instant};

/// So many ids a client asks for that knows nothing of the rate.
const FIRST_RANGE: i64 = 16;

#[derive(Debug)]
pub(crate) struct Pace {
    duration: Duration,
    limit: i64,
    /// Of the last range; 0 before the first.
    size: i64,
    /// The ids of the ranges that were used up since `since`.
    used: i64,
    since: Option<Instant>,
    /// When the ids ran out; `None` while there are some. Time without ids says nothing of the rate.
    dry_from: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(duration: Duration, limit: i64) -> Self {
        Self {
            duration,
            limit,
            size: 0,
            used: 0,
            since: None,
            dry_from: None,
        }
    }

    /// The size of a range that is fetched from now on.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a size, not an id"
    )]
    pub(crate) fn next(&mut self, now: Instant) -> i64 {
        if self.size == 0 {
            self.size = FIRST_RANGE;
        } else if self.used > 0 {
            let elapsed = self.since.map_or(Duration::ZERO, |since| now - since);
            let mut size = 2.0 * self.size as f64;
            if !elapsed.is_zero() {
                let wanted = self.duration.as_secs_f64() / elapsed.as_secs_f64();
                size = size.min(self.used as f64 * wanted);
            }
            self.size = size as i64;
            self.used = 0;
            self.since = Some(now);
        }
        self.size = self.bound(self.size);
        self.size
    }

    /// Takes note of a range of `count` ids that has come to its end.
    pub(crate) fn used_up(&mut self, count: i64, now: Instant) {
        self.used = self.used.saturating_add(count);
        self.since.get_or_insert(now);
    }

    /// Takes note that somebody found no id.
    pub(crate) fn ran_dry(&mut self, now: Instant) {
        self.dry_from.get_or_insert(now);
    }

    /// Takes note that there are ids again.
    pub(crate) fn arrived(&mut self, now: Instant) {
        if let (Some(dry_from), Some(since)) = (self.dry_from.take(), &mut self.since) {
            *since += now - dry_from;
        }
    }

    /// What may be asked for of what is wanted.
    pub(crate) fn bound(&self, wanted: i64) -> i64 {
        wanted.min(self.limit).max(1)
    }

    /// Lowers the limit for good: a server does not give more at once.
    pub(crate) fn permit(&mut self, limit: i64) {
        self.limit = self.limit.min(limit).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_SECONDS: Duration = Duration::from_secs(10);

    fn after(pace: &mut Pace, used: i64, from: Instant, seconds: u64) -> i64 {
        pace.used_up(0, from);
        pace.used_up(used, from);
        pace.next(from + Duration::from_secs(seconds))
    }

    #[test]
    fn a_range_lasts_about_as_long_as_wanted() {
        let mut now = Instant::now();
        let mut pace = Pace::new(TEN_SECONDS, 1_000_000);
        let mut size = pace.next(now);
        assert_eq!(size, 16);
        // 1,000 ids a second.
        for _ in 0..20 {
            pace.used_up(size, now);
            now += Duration::from_millis(size.unsigned_abs());
            size = pace.next(now);
        }
        assert_eq!(size, 10_000);
    }

    #[test]
    fn it_doubles_at_most_and_keeps_to_its_bounds() {
        let now = Instant::now();
        let mut pace = Pace::new(TEN_SECONDS, 50);
        pace.next(now);
        assert_eq!(after(&mut pace, 1_000, now, 1), 32);
        assert_eq!(after(&mut pace, 1_000, now, 2), 50, "the limit");
        assert_eq!(after(&mut pace, 1, now, 3_600), 1, "the least");
        pace.permit(20);
        assert_eq!((pace.bound(30), pace.bound(0)), (20, 1));
    }

    #[test]
    fn time_without_ids_says_nothing_of_the_rate() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(TEN_SECONDS, 1_000_000);
        pace.next(start);
        pace.used_up(16, start);
        pace.ran_dry(start + second);
        pace.ran_dry(start + 5 * second);
        pace.arrived(start + 100 * second);
        assert_eq!(pace.next(start + 109 * second), 16, "16 ids in 10 s");
    }
}
