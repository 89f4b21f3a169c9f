//! `LoadedTag`: what a tag's actor shares with everyone: the range that requests take ids from, and what pages,
//! metrics and the registry look at.

use super::{
    context::Clock,
    messages::{ReplyTo, TagState},
};
use crate::{
    domain::{BizTag, DoubleBuffer, OpenRange, RateMeter},
    metrics::{Level, TagMetrics, Unused},
};
use parking_lot::Mutex;
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Slower than an id in a quarter of an hour: the rate need not be measured any more.
const AT_REST: f64 = 0.001;

/// The segments behind the open one, who waits, and when to claim: what an actor owns.
pub(super) type Buffer = DoubleBuffer<ReplyTo>;

/// See the module's documentation. Survives the actor's panic.
#[derive(Debug)]
pub(super) struct LoadedTag {
    pub(super) name: BizTag,
    /// Which of the tag's actors this is.
    pub(super) id: u64,
    /// Where ids come from.
    pub(super) range: OpenRange,
    /// End of everything this process ever claimed for the tag; only raised.
    mark: AtomicI64,
    /// When this actor was made, in milliseconds of the server's clock.
    born: u64,
    /// The size of claims in force, in ids.
    step: AtomicI64,
    /// The step of the tag's row as last seen; 0 before the first claim.
    row_step: AtomicI64,
    /// Ids handed out per second as the actor measured them last, as the bits of an `f64`.
    rate: AtomicU64,
    /// Callers that wait for the tag.
    pub(super) waiting: AtomicUsize,
    /// The range's word when it was last looked at: another one means that it was used since.
    seen: AtomicI64,
    /// When it was last found used, in milliseconds of the server's clock.
    used_at: AtomicU64,
    /// Made with the first segment, so that unknown tags leave no series.
    metrics: OnceLock<TagMetrics>,
    /// What the next actor takes over, while there is none: an actor takes four times the memory.
    at_rest: Mutex<Option<Box<Buffer>>>,
}

impl LoadedTag {
    /// A tag whose next segment must lie above `mark`.
    pub(super) fn new(name: BizTag, id: u64, mark: i64, clock: &Clock) -> Self {
        let now = clock.millis(Instant::now());
        let range = OpenRange::default();
        Self {
            name,
            id,
            mark: AtomicI64::new(mark),
            born: now,
            step: AtomicI64::new(0),
            row_step: AtomicI64::new(0),
            rate: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            seen: AtomicI64::new(range.cursor.word()),
            range,
            used_at: AtomicU64::new(now),
            metrics: OnceLock::new(),
            at_rest: Mutex::default(),
        }
    }

    /// End of everything that was ever claimed for the tag here; 0 where nothing was.
    pub(super) fn mark(&self) -> i64 {
        self.mark.load(Ordering::Acquire)
    }

    pub(super) fn raise_mark(&self, to: i64) {
        self.mark.fetch_max(to, Ordering::AcqRel);
    }

    /// Whether a segment was ever claimed for the tag here.
    pub(super) fn was_served(&self) -> bool {
        self.mark() > 0
    }

    /// Tells those who look from outside what the actor knows.
    pub(super) fn publish(&self, step: i64, rate: f64) {
        self.step.store(step, Ordering::Relaxed);
        self.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// The row said so with the newest claim.
    pub(super) fn note_row_step(&self, step: i64) {
        self.row_step.store(step, Ordering::Release);
    }

    /// The step of the tag's row as last seen; 0 before the first claim.
    pub(super) fn row_step(&self) -> i64 {
        self.row_step.load(Ordering::Acquire)
    }

    /// Gives the tag series of its own.
    pub(super) fn count_in(&self, metrics: impl FnOnce() -> TagMetrics) {
        self.metrics.get_or_init(metrics);
    }

    /// Counts the ids handed out and passed over since the last time.
    pub(super) fn report(&self) {
        if let Some(metrics) = self.metrics.get() {
            self.range.report(|ids, passed_over| {
                metrics.allocated(ids);
                metrics.unused(Unused::Remainder, passed_over);
            });
        }
    }

    /// Counts ids that nobody will get any more.
    pub(super) fn count_unused(&self, why: Unused, ids: u64) {
        if let Some(metrics) = self.metrics.get() {
            metrics.unused(why, ids);
        }
    }

    /// Ends the range for good; what was left is a gap.
    pub(super) fn revoke(&self, why: Unused) {
        self.count_unused(why, self.range.revoke());
        self.report();
    }

    /// Leaves the buffer to a later actor.
    pub(super) fn lay_to_rest(&self, buffer: Buffer) {
        *self.at_rest.lock() = Some(Box::new(buffer));
    }

    /// What was left by an earlier actor, once.
    pub(super) fn take_up(&self) -> Option<Buffer> {
        self.at_rest.lock().take().map(|buffer| *buffer)
    }

    /// Whether a later actor can take up what was left.
    pub(super) fn is_at_rest(&self) -> bool {
        self.at_rest.lock().is_some()
    }

    /// What there is to tell of the tag while it is at rest.
    pub(super) fn resting_state(&self) -> Option<TagState> {
        let at_rest = self.at_rest.lock();
        at_rest.as_ref().map(|buffer| self.state(buffer))
    }

    /// What there is to tell of the tag with this buffer.
    pub(super) fn state(&self, buffer: &Buffer) -> TagState {
        let segments = buffer.segments(&self.range);
        TagState {
            left: segments.iter().map(|(left, _)| left.len()).sum(),
            segments: segments
                .iter()
                .map(|(left, size)| (left.first(), left.end(), *size))
                .collect(),
            step: buffer.step(),
            rate: buffer.rate(Instant::now()),
            loading: buffer.is_loading(),
            restarts: 0,
            last_error: None,
        }
    }

    /// Someone asked for ids, whatever came of it.
    pub(super) fn touch(&self, now: u64) {
        self.used_at.store(now, Ordering::Relaxed);
    }

    /// Looks whether the tag was used since the last look; requests read no clock.
    pub(super) fn look(&self, now: u64) -> bool {
        let word = self.range.cursor.word();
        let is_used = self.seen.swap(word, Ordering::Relaxed) != word;
        if is_used {
            self.touch(now);
        }
        is_used
    }

    /// How long ago the tag was used.
    pub(super) fn idle(&self, now: u64) -> Duration {
        if self.range.cursor.word() != self.seen.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let last = self.used_at.load(Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(last))
    }

    /// Whether the rate that was measured last is that of a tag in use.
    pub(super) fn is_rated(&self) -> bool {
        f64::from_bits(self.rate.load(Ordering::Relaxed)) > AT_REST
    }

    /// How long ago the tag's actor was made.
    pub(super) fn age(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.born))
    }

    /// What there is of the tag. One that nobody asks for slows down as its meter would.
    pub(super) fn level(&self, now: u64) -> Level {
        let rate = f64::from_bits(self.rate.load(Ordering::Relaxed));
        Level {
            left: self.range.left(),
            rate: RateMeter::faded(rate, self.idle(now)),
            step: self.step.load(Ordering::Relaxed),
            max_id: self.mark(),
        }
    }
}
