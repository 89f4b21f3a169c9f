//! When the next claim is asked for, and how large it is: one load at a time.

use super::{DoubleBuffer, supply::PREFETCH_PART};
use crate::domain::{BizTag, ClaimRequest, OpenRange};
use std::time::{Duration, Instant};

/// No more than so many segments are held for the outage budget; then `max_step` is too small for it.
const MAX_SEGMENTS: usize = 8;

/// A claim to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Only the answer with the newest number is used.
    pub seq: u64,
    /// What is to be claimed.
    pub claim: ClaimRequest,
}

/// A load under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loading {
    /// When it was asked for.
    pub(super) since: Instant,
    /// The size that the policy proposed.
    pub(super) proposed: i64,
    /// The size that it announces.
    pub(super) forecast: i64,
}

impl<W> DoubleBuffer<W> {
    /// The load to ask for now, if any: always when someone waits, else as supply demands. `mark` is the end of all
    /// that was ever claimed for `tag` here.
    pub fn next_load(
        &mut self,
        range: &OpenRange,
        now: Instant,
        tag: &BizTag,
        mark: i64,
    ) -> Option<Load> {
        if self.loading.is_some() {
            return None;
        }
        self.meter(range, now);
        let (demand, at_least) = self.demand(range, now);
        let rate = self.rate.per_second(now);
        if demand == 0 && !self.runs_short(range, rate) {
            return None;
        }
        let lately = self.rate.including_now(now);
        let proposed = self.policy.propose(now, rate, lately);
        let forecast = self.policy.forecast(proposed, lately);
        self.seq += 1;
        self.loading = Some(Box::new(Loading {
            since: now,
            proposed,
            forecast,
        }));
        let claim = ClaimRequest {
            tag: tag.clone(),
            step: self.policy.row_step(),
            want: proposed.max(demand).max(1),
            expect: forecast,
            mark,
            at_least,
        };
        Some(Load {
            seq: self.seq,
            claim,
        })
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

    /// Whether a load is under way.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Ids that those waiting need in all, and the least that would serve one of them.
    fn demand(&self, range: &OpenRange, now: Instant) -> (i64, i64) {
        let left = i64::try_from(self.left(range)).unwrap_or(i64::MAX);
        let (mut total, mut least) = (0_i64, None::<i64>);
        for demand in self.waiting.demands(now) {
            let wanted = demand.at_least_one();
            total = total.saturating_add(wanted);
            let missing = match demand.contiguous {
                true => wanted,
                false => wanted.saturating_sub(left).max(1),
            };
            least = Some(least.map_or(missing, |least| least.min(missing)));
        }
        (total, least.unwrap_or(1))
    }

    /// Whether the next segment should be on its way.
    fn runs_short(&self, range: &OpenRange, rate: f64) -> bool {
        let front = range.front().len();
        let segments = usize::from(front > 0) + self.next.len();
        if segments == 0 {
            return true;
        }
        let load_time = Duration::from_millis(self.load_millis.into());
        let used = (self.front_size - front) * PREFETCH_PART >= self.front_size;
        self.next.is_empty() && used
            || segments < MAX_SEGMENTS && self.policy.is_short(self.left(range), rate, load_time)
    }
}
