//! `Throttle`: one log line per kind and second, however many requests fail.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One line per kind in this time.
const PAUSE: Duration = Duration::from_secs(1);

/// Which kinds were logged when. Kinds are the codes of refusals, so there are few.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<&'static str, Kind>>);

#[derive(Debug)]
struct Kind {
    logged: Instant,
    /// Since then, and not logged.
    held_back: u64,
}

impl Throttle {
    /// Whether to log one of `kind` now: then how many were held back since the last.
    pub(super) fn admit(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Kind {
            logged: now,
            held_back: 0,
        };
        let Some(known) = kinds.get_mut(kind) else {
            kinds.insert(kind, fresh);
            return Some(0);
        };
        if now.saturating_duration_since(known.logged) < PAUSE {
            known.held_back += 1;
            return None;
        }
        Some(std::mem::replace(known, fresh).held_back)
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
