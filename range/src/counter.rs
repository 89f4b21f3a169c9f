//! `Counter`: a [`Cursor`] for ranges that come in any order.
//!
//! A cursor's positions only rise, which is what makes it safe. The ranges that a client takes from several servers do
//! not: a good range may lie below an earlier one. So a counter lets its cursor count positions of its own, and adds
//! the distance between position and id, which its owner changes with each range. Promises:
//! - every id of a range is handed out at most once, those of one range in ascending order;
//! - nothing is handed out after [`revoke`](Counter::revoke) has returned.
//!
//! Why no id is made of one range's position and another's distance: a range begins above the position where the one
//! before it ended, so no value of the cursor's word belongs to two ranges, and a compare-and-set that succeeds proves
//! that no other range came in between. `shift` is stored between the close and `end`, and loaded after `end`. Who sees
//! a new `end` sees its `shift`; who sees a new `shift` beside an old word has the close before its compare-and-set, which
//! then fails. `tests/loom.rs` tries the interleavings.

use crate::{Cursor, IdRange};

#[cfg(loom)]
use loom::sync::atomic::{AtomicI64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicI64, Ordering};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Counter {
    cursor: Cursor,
    /// What is added to a position to make an id of it.
    shift: AtomicI64,
}

/// Ids that follow each other without a gap. Unlike [`IdRange`] it can hold the largest id there is, 2^63 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// The smallest id.
    pub first: i64,
    /// How many there are; `first + count - 1` fits into 63 bits.
    pub count: i64,
}

impl Run {
    /// The ids in ascending order.
    pub fn iter(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |offset| self.first + offset)
    }
}

impl Counter {
    /// A counter without ids.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one id; `None` if none is left.
    #[inline]
    pub fn take_one(&self) -> Option<i64> {
        self.take(1).map(|run| run.first)
    }

    /// Takes `most` ids, or those that are left where that is fewer; `None` if that is none.
    #[inline]
    pub fn take(&self, most: i64) -> Option<Run> {
        let mut next = self.cursor.next.load(Ordering::Acquire);
        loop {
            // Closed or revoked.
            if next < 0 {
                return None;
            }
            let end = self.cursor.end.load(Ordering::Acquire);
            let shift = self.shift.load(Ordering::Acquire);
            let count = most.min(end - next);
            if count <= 0 {
                return None;
            }
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match self
                .cursor
                .next
                .compare_exchange_weak(next, next + count, success, failure)
            {
                Ok(_) => {
                    return Some(Run {
                        first: next + shift,
                        count,
                    });
                }
                Err(now) => next = now,
            }
        }
    }

    /// Whether no id is left at this moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cursor.rest().is_none_or(|rest| rest.is_empty())
    }

    /// Puts `run` in place of what is left, which becomes a gap. There must be one caller at a time. False where the
    /// counter was revoked, or has no positions left (after 2^63 ids); then `run` is the gap.
    pub fn refill(&self, run: Run) -> bool {
        let Some(mut closed) = self.cursor.close() else {
            return false;
        };
        // One position is left out, so that the word of a range that is used up is not the first of the next one.
        let positions = closed.rest().end().checked_add(1).and_then(|first| {
            let end = first.checked_add(run.count)?;
            Some(IdRange::between(first, end))
        });
        let Some(positions) = positions else {
            return false;
        };
        self.shift
            .store(run.first - positions.first(), Ordering::Release);
        closed.refill(positions) && closed.open(i64::MAX)
    }

    /// Ends it for good: no ids come from it any more.
    pub fn revoke(&self) {
        self.cursor.revoke();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn run(first: i64, count: i64) -> Run {
        Run { first, count }
    }

    #[test]
    fn ranges_may_come_in_any_order() {
        let counter = Counter::new();
        assert_eq!(counter.take_one(), None);
        for first in [5000, 1, 4990, i64::MAX - 2, 0] {
            assert!(counter.refill(run(first, 3)));
            assert_eq!(counter.take(2), Some(run(first, 2)));
            assert_eq!(
                counter.take(2),
                Some(run(first + 2, 1)),
                "what is there, where more is wanted"
            );
            assert_eq!(counter.take(2), None);
            assert!(counter.is_empty());
        }
    }

    #[test]
    fn a_revoked_counter_gives_nothing_ever_again() {
        let counter = Counter::new();
        assert!(counter.refill(run(1, 3)));
        counter.revoke();
        assert_eq!((counter.take_one(), counter.is_empty()), (None, true));
        assert!(!counter.refill(run(10, 3)));
        assert_eq!(counter.take_one(), None);
    }

    #[test]
    fn threads_that_take_while_ranges_change_share_no_id() {
        let counter = Counter::new();
        let (ranges, size) = (200, 50);
        let mut taken = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut ids = Vec::new();
                        while ids.last() != Some(&0) {
                            match counter.take(7) {
                                Some(run) => ids.extend(run.iter()),
                                None => std::thread::yield_now(),
                            }
                        }
                        ids
                    })
                })
                .collect();
            // Falling, so that each id needs the distance of its own range.
            for range in (1..=ranges).rev() {
                while !counter.is_empty() {
                    std::thread::yield_now();
                }
                assert!(counter.refill(run(range * 1_000_000, size)));
            }
            // Id 0 tells a taker to stop.
            for taker in &takers {
                while !taker.is_finished() && !counter.is_empty() {
                    std::thread::yield_now();
                }
                assert!(counter.refill(run(0, 1)));
            }
            while !takers.iter().all(|taker| taker.is_finished()) {
                if counter.is_empty() {
                    assert!(counter.refill(run(0, 1)));
                }
                std::thread::yield_now();
            }
            takers
                .into_iter()
                .flat_map(|taker| taker.join().unwrap())
                .filter(|id| *id != 0)
                .collect::<Vec<_>>()
        });
        taken.sort_unstable();
        let expected: Vec<i64> = (1..=ranges)
            .flat_map(|range| run(range * 1_000_000, size).iter())
            .collect();
        assert_eq!(taken.len(), expected.len());
        assert_eq!(taken, expected);
    }
}
