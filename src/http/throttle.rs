//! `Throttle`: one log line per kind and second, however many requests fail.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One line per kind in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// When each kind was logged last, and how many were not since. Kinds are the codes of refusals, so there are few.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl Throttle {
    /// Whether to log one of `kind` now: then how many were held back since the last.
    pub(super) fn admit(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((logged, held_back)) = kinds.get_mut(kind)
            && now.saturating_duration_since(*logged) < PAUSE
        {
            *held_back += 1;
            return None;
        }
        let before = kinds.insert(kind, (now, 0));
        Some(before.map_or(0, |(_, held_back)| held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_and_says_how_many_it_stands_for() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.admit("a", now), Some(0));
        assert_eq!(throttle.admit("b", now), Some(0));
        for _ in 0..500 {
            assert_eq!(throttle.admit("a", now), None);
        }
        assert_eq!(throttle.admit("a", now + PAUSE), Some(500));
    }
}
