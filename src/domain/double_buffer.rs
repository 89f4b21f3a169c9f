//! `DoubleBuffer`: the segments of one tag, those who wait for ids, and when to ask for more.
//!
//! A state machine without a clock: every event carries its time, every answer is a value. Its front segment stands
//! in an [`OpenRange`], from which requests take ids without asking; the buffer hears of that only when it is
//! reminded, or when someone has to wait. It holds normally two segments, the front one and the next; more only
//! while two do not bridge the outage budget. What it promises:
//! - ids of a tag leave it in increasing order, each once: whatever it grants itself, it grants with the range
//!   closed, and opens it again above;
//! - a demand waits only while it cannot be served from what is left;
//! - at most one load is asked for at a time, and while anyone waits one is under way;
//! - a segment that answers any load but the newest, or begins below what was seen, is a gap.
//!
//! A demand that waits does not stop smaller ones: while ids are left, whoever fits is served. It cannot starve, as
//! the load asked for on its behalf is as large as all that waits.

mod load;
mod queue;
mod supply;

pub use load::Load;
pub use queue::{Replies, Waiting};

use super::{Demand, IdRange, Ids, OpenRange, RateMeter, StepPolicy, StepSettings};
use id_alloc_range::Take;
use load::Loading;
use queue::Queue;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use supply::Supply;

/// Reminders are wanted about this often, so that the rate is known.
const REMINDER: Duration = Duration::from_secs(1);

/// What became of an offered segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is in the buffer.
    Taken,
    /// It answered an older request, or lies below ids already seen: a gap.
    Stale,
}

/// The segments of one tag. See the module's documentation for what it promises. All methods that take an
/// [`OpenRange`] must be given the same one.
#[derive(Debug)]
pub struct DoubleBuffer<W> {
    /// How many ids the front segment held at first; what is left of it stands in the range.
    front_size: u64,
    /// The segments behind it, lowest first.
    next: VecDeque<IdRange>,
    /// Demands that cannot be served yet, in the order in which they came.
    waiting: Queue<W>,
    /// The number of the newest load asked for.
    seq: u64,
    /// The load under way; boxed, since most tags of many are at rest.
    loading: Option<Box<Loading>>,
    /// The end of the newest segment seen; a lower one is refused.
    end: i64,
    policy: StepPolicy,
    rate: RateMeter,
    /// How many of the ids handed out the meter knows of.
    metered: u64,
    /// How many ids are handed out between two reminders.
    pace: i64,
    /// When the last reminder came.
    reminded: Option<Instant>,
    /// How long the newest load took, in milliseconds.
    load_millis: u32,
}

impl<W> DoubleBuffer<W> {
    /// An empty buffer that refuses segments which begin below `mark`.
    #[must_use]
    pub fn new(settings: impl Into<Arc<StepSettings>>, mark: i64) -> Self {
        Self {
            front_size: 0,
            next: VecDeque::new(),
            waiting: Queue::new(),
            seq: 0,
            loading: None,
            end: mark,
            policy: StepPolicy::new(settings),
            rate: RateMeter::default(),
            metered: 0,
            pace: 1,
            reminded: None,
            load_millis: 0,
        }
    }

    /// Serves someone who found too little in the range, or lets them wait.
    pub fn wait(
        &mut self,
        range: &OpenRange,
        now: Instant,
        waiting: Waiting<W>,
    ) -> Option<(W, Ids)> {
        let demand = waiting.demand;
        // More may have been opened meanwhile. Closing the range for each who comes would have others find it
        // closed, who would come too.
        if let Take::Ids { range: ids, .. } = range.cursor.take(demand.count) {
            return Some((waiting.reply, std::iter::once(ids).collect()));
        }
        if self.left(range) >= demand.count.max(1)
            && let Some(Some(ids)) = self.with_supply(range, |supply| supply.take(demand))
        {
            return Some((waiting.reply, ids));
        }
        self.waiting.push(now, waiting);
        None
    }

    /// Takes in the segment that load `seq` claimed from a row whose step is `row_step`, and serves those who wait.
    pub fn offer(
        &mut self,
        range: &OpenRange,
        now: Instant,
        seq: u64,
        segment: IdRange,
        row_step: i64,
    ) -> (Offer, Replies<W>) {
        if seq != self.seq {
            return (Offer::Stale, Vec::new());
        }
        let Some(load) = self.loading.take() else {
            return (Offer::Stale, Vec::new());
        };
        let took = now.saturating_duration_since(load.since).as_millis();
        self.load_millis = u32::try_from(took).unwrap_or(u32::MAX);
        if segment.first() < self.end {
            return (Offer::Stale, self.serve_waiting(range, now));
        }
        self.end = segment.end();
        let size = load.proposed.max(row_step);
        self.policy.claimed(now, size, load.forecast, row_step);
        if !segment.is_empty() {
            self.next.push_back(segment);
        }
        let replies = self.serve_waiting(range, now);
        if range.front().is_empty() {
            self.with_supply(range, |_| ());
        } else {
            range.note_behind(supply::total(&self.next));
        }
        (Offer::Taken, replies)
    }

    /// Serves whoever fits, in the order of arrival, and lets go of those who are late. To be called before
    /// [`Self::next_load`], which does not ask on behalf of the late.
    pub fn serve_waiting(&mut self, range: &OpenRange, now: Instant) -> Replies<W> {
        self.waiting.drop_late(now);
        if self.waiting.is_empty() || self.left(range) == 0 {
            return Vec::new();
        }
        let mut waiting = std::mem::replace(&mut self.waiting, Queue::new());
        let replies = self.with_supply(range, |supply| waiting.serve(supply));
        self.waiting = waiting;
        replies.unwrap_or_default()
    }

    /// Someone was told to remind, or the range has not been used for a while: takes in what was used meanwhile.
    /// [`Self::next_load`] is to be asked next.
    pub fn remind(&mut self, range: &OpenRange, now: Instant) {
        self.meter(range, now);
        if let Some(before) = self.reminded.replace(now) {
            let elapsed = now.saturating_duration_since(before);
            if elapsed < REMINDER / 2 {
                self.pace = self.pace.saturating_mul(2);
            } else if elapsed > REMINDER * 2 {
                self.pace = (self.pace / 2).max(1);
            }
        }
        let front = range.front();
        if front.is_empty() && !self.next.is_empty() {
            self.with_supply(range, |_| ());
        } else {
            let prefetch = self.loading.is_none() && self.next.is_empty();
            range.cursor.remind_at(supply::reminder(
                front,
                self.front_size,
                self.pace,
                prefetch,
            ));
        }
    }

    /// Gives up on those who wait for `count` ids or more until a time that is `chosen`; the owner tells them why.
    pub fn take_waiting(&mut self, count: i64, chosen: impl Fn(Instant) -> bool) -> Vec<W> {
        self.waiting.take(count, chosen)
    }

    /// The smallest demand of those who wait, in ids; 1 where nobody does.
    #[must_use]
    pub fn smallest_demand(&self, now: Instant) -> i64 {
        let demands = self.waiting.demands(now);
        demands.map(Demand::at_least_one).min().unwrap_or(1)
    }

    /// Throws away all segments and answers no load any more; how many ids they held.
    pub fn discard(&mut self, range: &OpenRange) -> u64 {
        let unused = range.revoke();
        self.next.clear();
        self.abandon_load();
        unused
    }

    /// Ids in memory.
    #[must_use]
    pub fn left(&self, range: &OpenRange) -> u64 {
        range.front().len() + supply::total(&self.next)
    }

    /// What is left of each segment, lowest first, and how many ids it held at first.
    pub fn segments(&self, range: &OpenRange) -> Vec<(IdRange, u64)> {
        let next = self.next.iter().map(|segment| (*segment, segment.len()));
        std::iter::once((range.front(), self.front_size))
            .chain(next)
            .filter(|(left, _)| !left.is_empty())
            .collect()
    }

    /// Whether anyone waits.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The size of claims in force, in ids.
    #[must_use]
    pub fn step(&self) -> i64 {
        self.policy.current()
    }

    /// Ids handed out per second, smoothed.
    #[must_use]
    pub fn rate(&self, now: Instant) -> f64 {
        self.rate.per_second(now)
    }

    /// Closes the range, does something with all segments, and opens it again, the next segment in front where
    /// nothing is left of the present one. `None` where the range was revoked.
    fn with_supply<R>(
        &mut self,
        range: &OpenRange,
        change: impl FnOnce(&mut Supply<'_>) -> R,
    ) -> Option<R> {
        let mut supply = Supply {
            front: range.close()?,
            front_size: &mut self.front_size,
            next: &mut self.next,
        };
        let result = change(&mut supply);
        supply.open(self.pace, self.loading.is_none());
        if self.next.is_empty() {
            // Most tags of many hold one segment, and their first callers alone have waited.
            self.next = VecDeque::new();
        }
        Some(result)
    }

    /// Tells the meter how many ids were handed out since the last time.
    fn meter(&mut self, range: &OpenRange, now: Instant) {
        let allotted = range.allotted();
        self.rate.record(now, allotted - self.metered);
        self.metered = allotted;
    }
}

#[cfg(test)]
#[path = "double_buffer_tests/mod.rs"]
mod tests;

#[cfg(test)]
#[path = "outage_budget_tests.rs"]
mod outage_budget_tests;
