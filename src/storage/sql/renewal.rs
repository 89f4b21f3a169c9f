//! Which pooled connections may be used again: those that were made before something broke are pinged first, those
//! that may lead to yesterday's primary are closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Connections to a read-only server are made anew at most once in this time.
const CALM: Duration = Duration::from_millis(500);

/// Connections that were made anew so lately lead to where new ones would.
const LATELY: Duration = Duration::from_secs(5);

/// A connection idle for so long is pinged before use: the database may have been restarted, or something between may
/// have cut a connection that was idle.
const PING_AFTER: Duration = Duration::from_secs(1);

/// Which pooled connections are still good for use. Shared with the hooks of the pool.
#[derive(Debug, Clone, Default)]
pub(super) struct Renewal {
    marks: Arc<Mutex<Marks>>,
    /// Connections made so far.
    made: Arc<AtomicU64>,
    /// How often the connections were made anew.
    epoch: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Marks {
    /// Connections made before this are closed.
    renewed: Option<Instant>,
    /// Connections made before this are pinged.
    doubted: Option<Instant>,
    /// The settings that new connections had last, as far as statements depend on them.
    settings: Option<String>,
}

/// What is to be done with a pooled connection before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Use,
    Ping,
    Close,
}

impl Renewal {
    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections made so far. A new one may lead to another server than those before.
    pub(super) fn connections_made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    pub(super) fn count_connection(&self) {
        self.made.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes the settings of a new connection. Where they are others than before, all connections are made
    /// anew, and what was found out about the server is looked at again.
    pub(super) fn note_settings(&self, settings: &str) {
        let before = self.marks().settings.replace(settings.to_owned());
        if before.is_some_and(|before| before != settings) {
            self.renew(self.epoch());
        }
    }

    /// How often the connections were made anew: others may lead to another server.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Has every connection made anew: none that is there by now is used for another statement. Does
    /// nothing where somebody did so since `epoch`.
    pub(super) fn renew(&self, epoch: u64) {
        let next = epoch + 1;
        let (done, seen) = (Ordering::AcqRel, Ordering::Acquire);
        if self.epoch.compare_exchange(epoch, next, done, seen).is_ok() {
            tracing::debug!("database connections are made anew");
            self.marks().renewed = Some(Instant::now());
        }
    }

    /// Leaves a server that turned out to be read-only. Not more often than [`CALM`]: until another is
    /// primary the new connections lead there again.
    pub(super) fn leave(&self) {
        let renewed = self.marks().renewed;
        if renewed.is_none_or(|renewed| renewed.elapsed() >= CALM) {
            self.renew(self.epoch());
        }
    }

    /// Whether every connection was made anew a moment ago, this one of the epoch too.
    pub(super) fn is_renewed(&self, epoch: u64) -> bool {
        let renewed = self.marks().renewed;
        self.epoch() == epoch && renewed.is_some_and(|renewed| renewed.elapsed() < LATELY)
    }

    /// A connection broke: the others that are there by now are pinged before they are used.
    pub(super) fn doubt(&self) {
        self.marks().doubted = Some(Instant::now());
    }

    pub(super) fn verdict(&self, now: Instant, age: Duration, idle: Duration) -> Verdict {
        let marks = self.marks();
        let is_older = |mark: Option<Instant>| {
            mark.is_some_and(|mark| now.saturating_duration_since(mark) < age)
        };
        if is_older(marks.renewed) {
            Verdict::Close
        } else if is_older(marks.doubted) || idle >= PING_AFTER {
            Verdict::Ping
        } else {
            Verdict::Use
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_used_pinged_or_closed_by_when_it_was_made() {
        let (renewal, start) = (Renewal::default(), Instant::now());
        let second = Duration::from_secs(1);
        let verdict = |at: u32, age: u32, idle: u32| {
            renewal.verdict(start + at * second, age * second, idle * second)
        };
        assert_eq!(verdict(20, 20, 0), Verdict::Use);
        assert_eq!(verdict(20, 20, 1), Verdict::Ping);
        renewal.marks().doubted = Some(start + 10 * second);
        assert_eq!(verdict(20, 11, 0), Verdict::Ping);
        assert_eq!(verdict(20, 9, 0), Verdict::Use);
        renewal.marks().renewed = Some(start + 15 * second);
        assert_eq!(verdict(20, 9, 0), Verdict::Close);
        assert_eq!(verdict(20, 4, 0), Verdict::Use);
    }
}
