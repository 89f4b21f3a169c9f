//! `Heart`: what this server knows of the heartbeat.

use super::lineage::{Heartbeat, Known};
use crate::domain::allowance::SECOND;
use crate::storage::StoreError;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A claim looks for itself where nobody has looked for so long.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Nobody has renewed it for so long: a database that was away, or one that was put back to an earlier state.
pub(super) const SILENCE: i64 = 5 * SECOND;
/// Then it is left as it is for so long, in which each server that lives has looked: one that was just started
/// cannot tell these two apart, and what it renewed nobody else could tell either.
pub(super) const HOLD: Duration = Duration::from_secs(4);
/// The span in which going back is counted.
const HOUR: Duration = Duration::from_secs(3600);

/// What this server knows of the heartbeat.
#[derive(Debug, Default)]
pub(super) struct Heart {
    state: Mutex<State>,
    /// Whoever looks; the others wait for what is found.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Whether a file in the place of the one that was opened was told of what was lost.
    pub(super) told: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    seen: Option<Seen>,
    /// Why the last look failed, and when.
    failed: Option<(Instant, StoreError)>,
    /// When a row was found that was claimed on another primary: what was looked at before says nothing of it.
    doubted: Option<Instant>,
    /// When the data went back.
    went_back: VecDeque<Instant>,
    /// A heartbeat that nobody renewed for long, and since when this server has left it as it is.
    left: Option<(i64, Instant)>,
}

#[derive(Debug, Clone)]
struct Seen {
    /// The primary that said so.
    primary: String,
    /// When that look began.
    began: Instant,
    beat: i64,
    lineage: i64,
    /// When the lineage was seen first.
    since: Instant,
    /// When the heartbeat was looked at last.
    at: Instant,
    /// How many connections had been made by then.
    connections: u64,
}

/// A look at the heartbeat: when it began, and how many connections had been made by then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) began: Instant,
    pub(super) connections: u64,
}

impl Heart {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what a look found. The primary of a lineage stays the same, so one that is known need not be told.
    pub(super) fn saw(&self, look: &Look, beat: i64, lineage: i64, primary: Option<String>) {
        let now = Instant::now();
        let mut state = self.state();
        let (since, known) = match &state.seen {
            Some(seen) if seen.lineage == lineage => (seen.since, seen.primary.clone()),
            _ => (now, String::new()),
        };
        state.failed = None;
        state.seen = Some(Seen {
            beat,
            lineage,
            since,
            at: now,
            connections: look.connections,
            began: look.began,
            primary: primary.unwrap_or(known),
        });
    }

    pub(super) fn known(&self) -> Option<Known> {
        let state = self.state();
        let seen = state.seen.as_ref()?;
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Some(Known {
            beat: seen.beat,
            lineage: seen.lineage,
            age: micros(seen.since.elapsed()),
            ago: micros(seen.began.elapsed()),
        })
    }

    /// Whether this server may renew what it found: at once, or, where nobody did so for long, after a while.
    pub(super) fn may_renew(&self, found: &Heartbeat) -> bool {
        let mut state = self.state();
        if found.beat > found.now.saturating_sub(SILENCE) {
            state.left = None;
            return true;
        }
        match state.left {
            Some((beat, since)) if beat == found.beat => since.elapsed() >= HOLD,
            _ => {
                state.left = Some((found.beat, Instant::now()));
                false
            }
        }
    }

    /// A row was found that was claimed elsewhere, on this primary, with what was known of its lineage: whether
    /// that is to be asked again. Not where the heartbeat was looked at for another such row a moment ago, on the same
    /// primary, and said the same: thousands of rows cost one look.
    pub(super) fn doubt(&self, primary: &str, lineage: i64) -> bool {
        let mut state = self.state();
        let looked = state.seen.as_ref().filter(|seen| {
            let doubted = state.doubted;
            let is_recent = doubted.is_some_and(|at| at.elapsed() < LOOK_EVERY && seen.began >= at);
            is_recent && !primary.is_empty() && seen.primary == primary
        });
        if let Some(seen) = looked {
            return seen.lineage != lineage;
        }
        state.doubted = Some(Instant::now());
        true
    }

    /// The lineage, where it was looked at lately and no connection was made since.
    pub(super) fn fresh(&self, connections: u64) -> Option<i64> {
        let state = self.state();
        let seen = state.seen.as_ref()?;
        let is_fresh = seen.at.elapsed() < LOOK_EVERY
            && seen.connections == connections
            && state.doubted.is_none_or(|doubted| seen.began >= doubted);
        is_fresh.then_some(seen.lineage)
    }

    /// Why a look that began after `asked` failed.
    pub(super) fn failed_since(&self, asked: Instant) -> Option<StoreError> {
        let state = self.state();
        let (at, error) = state.failed.as_ref()?;
        (*at > asked).then(|| error.clone())
    }

    /// A look failed.
    pub(super) fn note_failed(&self, error: &StoreError) {
        self.state().failed = Some((Instant::now(), error.clone()));
    }

    /// What was seen is no longer what stands there.
    pub(super) fn forget(&self) {
        self.state().seen = None;
    }

    /// The data went back.
    pub(super) fn note_back(&self) {
        self.state().went_back.push_back(Instant::now());
    }

    /// How often the data went back within an hour.
    pub(super) fn times_back(&self) -> usize {
        let mut state = self.state();
        state.went_back.retain(|at| at.elapsed() < HOUR);
        state.went_back.len()
    }
}
