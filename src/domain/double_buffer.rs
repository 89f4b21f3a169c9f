//! `DoubleBuffer`: the segments of one tag, those who wait for ids, and when to ask for more.
//!
//! A state machine without a clock: every event carries its time, every answer is a value. It holds
//! normally two segments, the current and the next; more only while two do not bridge the outage
//! budget. What it promises:
//! - ids of a tag leave it in increasing order, each once;
//! - a batch is parked only while not even its first caller can be served from what is left;
//! - at most one load is asked for at a time, and while anyone waits one is under way;
//! - a segment that answers any load but the newest, or begins below what was seen, is a gap.
//!
//! A parked demand does not stop smaller ones: while ids are left, whoever fits is served. It cannot
//! starve, as the load asked for on its behalf is as large as all that waits.

use super::{IdRange, Ids, RateMeter, Segment, StepPolicy, StepSettings};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// The next segment is asked for when a tenth of the current one is used, as in Leaf.
const PREFETCH_PART: u64 = 10;

/// No more than so many segments are held for the outage budget; then `max_step` is too small for it.
const MAX_SEGMENTS: usize = 8;

/// Callers that ask for the same number of ids, in order, and the way back to them.
#[derive(Debug)]
pub struct Batch<W> {
    /// Ids that each caller wants. 0 asks only to be answered once an id is left.
    pub count: u32,
    /// When each caller gives up.
    pub deadlines: Vec<Instant>,
    /// Where the answer goes.
    pub reply: W,
}

/// What a batch gets: ids for its first callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// When it was decided: callers whose deadline is not after this got nothing.
    pub at: Instant,
    /// The ids of those served, in their order, `count` each.
    pub ids: Ids,
    /// How many callers, from the front, were served or dropped as late. The rest ask again.
    pub settled: usize,
}

/// A request to claim a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRequest {
    /// Only the answer with the newest number is used.
    pub seq: u64,
    /// The row's step as last seen, `None` before the first claim.
    pub step: Option<i64>,
    /// How many ids are wanted.
    pub want: i64,
    /// How large such requests are about to become, as the rate says.
    pub expect: i64,
    /// Fewer than this would serve nobody who waits.
    pub at_least: i64,
}

/// What became of an offered segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is in the buffer.
    Taken,
    /// It answered an older request, or lies below ids already seen: a gap.
    Stale,
}

/// A load under way.
#[derive(Debug, Clone, Copy)]
struct Loading {
    /// When it was asked for.
    since: Instant,
    /// The size that the policy proposed.
    proposed: i64,
    /// The size that it announces.
    forecast: i64,
}

/// What the owner has to do: deliver these grants.
pub type Replies<W> = Vec<(W, Grant)>;

/// The segments of one tag. See the module's documentation for what it promises.
#[derive(Debug)]
pub struct DoubleBuffer<W> {
    /// What is left of the claims, lowest first; normally current and next.
    segments: VecDeque<Segment>,
    /// Batches of which not even the first caller fits.
    parked: VecDeque<Batch<W>>,
    /// The number of the newest load asked for.
    seq: u64,
    /// The load under way.
    loading: Option<Loading>,
    /// The end of the newest segment seen; a lower one is refused.
    end: i64,
    policy: StepPolicy,
    rate: RateMeter,
    /// How long the newest load took.
    load_time: Duration,
}

impl<W> DoubleBuffer<W> {
    /// An empty buffer that refuses segments which begin below `mark`.
    #[must_use]
    pub fn new(settings: impl Into<Arc<StepSettings>>, mark: i64) -> Self {
        Self {
            segments: VecDeque::new(),
            parked: VecDeque::new(),
            seq: 0,
            loading: None,
            end: mark,
            policy: StepPolicy::new(settings),
            rate: RateMeter::default(),
            load_time: Duration::ZERO,
        }
    }

    /// Serves the batch as far as ids are left, or parks it.
    pub fn allocate(&mut self, now: Instant, batch: Batch<W>) -> Option<(W, Grant)> {
        match self.grant(now, batch.count, &batch.deadlines) {
            Some(grant) => Some((batch.reply, grant)),
            None => {
                self.parked.push_back(batch);
                None
            }
        }
    }

    /// Takes in the segment that load `seq` claimed from a row whose step is `row_step`, and serves
    /// those who wait.
    pub fn offer(
        &mut self,
        now: Instant,
        seq: u64,
        range: IdRange,
        row_step: i64,
    ) -> (Offer, Replies<W>) {
        if seq != self.seq {
            return (Offer::Stale, Vec::new());
        }
        let Some(load) = self.loading.take() else {
            return (Offer::Stale, Vec::new());
        };
        self.load_time = now.saturating_duration_since(load.since);
        if range.first() < self.end {
            return (Offer::Stale, self.settle_parked(now));
        }
        self.end = range.end();
        let size = load.proposed.max(row_step);
        self.policy.claimed(now, size, load.forecast, row_step);
        if !range.is_empty() {
            // Most tags of many hold one.
            self.segments.reserve_exact(1);
            self.segments.push_back(Segment::new(range));
        }
        (Offer::Taken, self.settle_parked(now))
    }

    /// Notes that load `seq` ended without a segment. False where it was not the newest.
    pub fn load_failed(&mut self, seq: u64) -> bool {
        seq == self.seq && self.loading.take().is_some()
    }

    /// Forgets the load under way, whose answer may never come; one that does is stale.
    pub fn abandon_load(&mut self) {
        self.loading = None;
        self.seq += 1;
    }

    /// Serves whoever fits, in the order of arrival, and lets go of those who are late. To be called
    /// before [`Self::next_load`], which does not ask on behalf of the late.
    pub fn settle_parked(&mut self, now: Instant) -> Replies<W> {
        let mut replies = Vec::new();
        for _ in 0..self.parked.len() {
            let Some(batch) = self.parked.pop_front() else {
                break;
            };
            replies.extend(self.allocate(now, batch));
        }
        if self.parked.is_empty() {
            // Every tag parks its first callers, and most never park again.
            self.parked = VecDeque::new();
        }
        replies
    }

    /// The load to ask for now, if any: always when someone waits, else as supply demands.
    pub fn next_load(&mut self, now: Instant) -> Option<LoadRequest> {
        if self.loading.is_some() {
            return None;
        }
        let (demand, at_least) = self.demand(now);
        let rate = self.rate.per_second(now);
        if demand == 0 && !self.runs_short(rate) {
            return None;
        }
        let lately = self.rate.including_now(now);
        let proposed = self.policy.propose(now, rate, lately);
        let forecast = self.policy.forecast(proposed, lately);
        self.seq += 1;
        self.loading = Some(Loading {
            since: now,
            proposed,
            forecast,
        });
        Some(LoadRequest {
            seq: self.seq,
            step: self.policy.row_step(),
            want: proposed.max(demand).max(1),
            expect: forecast,
            at_least,
        })
    }

    /// Gives up on those who wait for `count` ids or more; the owner tells them why.
    pub fn take_parked(&mut self, count: i64) -> Vec<W> {
        let (taken, kept) = self
            .parked
            .drain(..)
            .partition::<Vec<_>, _>(|batch| i64::from(batch.count.max(1)) >= count);
        self.parked = kept.into();
        taken.into_iter().map(|batch| batch.reply).collect()
    }

    /// How many ids would have to be in memory for the smallest demand of those who wait; 1 where nobody
    /// does.
    #[must_use]
    pub fn smallest_demand(&self, now: Instant) -> i64 {
        let waiting = self.parked.iter();
        let in_time = waiting.filter(|batch| batch.deadlines.iter().any(|d| *d > now));
        let counts = in_time.map(|batch| i64::from(batch.count.max(1)));
        counts.min().unwrap_or(1)
    }

    /// Throws away all segments and answers no load any more.
    pub fn discard(&mut self) {
        self.segments.clear();
        self.abandon_load();
    }

    /// Ids in memory.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.segments.iter().map(|s| s.left().len()).sum()
    }

    /// The segments in use, lowest first.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Whether anyone waits.
    #[must_use]
    pub fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Whether a load is under way.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.loading.is_some()
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

    /// Settles callers from the front while they fit; `None` where the first does not.
    fn grant(&mut self, now: Instant, count: u32, deadlines: &[Instant]) -> Option<Grant> {
        let each = u64::from(count);
        let (mut settled, mut served) = (0, 0);
        let mut left = self.left();
        for deadline in deadlines {
            if *deadline > now {
                if left < each.max(1) {
                    break;
                }
                left -= each;
                served += each;
            }
            settled += 1;
        }
        if settled == 0 && !deadlines.is_empty() {
            return None;
        }
        self.rate.record(now, served);
        Some(Grant {
            at: now,
            ids: self.take(served),
            settled,
        })
    }

    /// Takes `count` ids that are known to be left.
    fn take(&mut self, mut count: u64) -> Ids {
        let mut ids = Ids::new();
        while count > 0 {
            let Some(segment) = self.segments.front_mut() else {
                break;
            };
            let range = segment.take(count);
            count -= range.len();
            if segment.left().is_empty() {
                self.segments.pop_front();
            }
            ids.push(range);
        }
        ids
    }

    /// Ids that those waiting need in all, and the least that would serve one of them.
    fn demand(&self, now: Instant) -> (i64, i64) {
        let (mut total, mut least) = (0_i64, i64::MAX);
        for batch in &self.parked {
            let callers = batch.deadlines.iter().filter(|d| **d > now).count();
            if callers > 0 {
                let each = i64::from(batch.count.max(1));
                total = total.saturating_add(each.saturating_mul(callers as i64));
                least = least.min(each);
            }
        }
        let left = i64::try_from(self.left()).unwrap_or(i64::MAX);
        match least {
            i64::MAX => (0, 1),
            _ => (total, least.saturating_sub(left).max(1)),
        }
    }

    /// Whether the next segment should be on its way.
    fn runs_short(&self, rate: f64) -> bool {
        let Some(current) = self.segments.front() else {
            return true;
        };
        let used = current.used() * PREFETCH_PART >= current.size();
        self.segments.len() == 1 && used
            || self.segments.len() < MAX_SEGMENTS
                && self.policy.is_short(self.left(), rate, self.load_time)
    }
}

#[cfg(test)]
#[path = "double_buffer_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "outage_budget_tests.rs"]
mod outage_budget_tests;
