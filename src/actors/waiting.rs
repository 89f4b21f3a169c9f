//! `Waiting`: how many callers wait in the whole server, and may (`limits.max_waiting`).
//!
//! One number for all workers would be fought over by their threads at each request. So each worker counts its
//! own, and has a few places to itself; only those past them are taken from what all have in common.
//! Never do more wait than the limit says; up to a [`PART`] of it may be free when a caller is refused.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicUsize, Ordering},
};

/// All workers together have this part of the places to themselves.
const PART: usize = 64;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The counts of those workers that live.
    counts: Mutex<Vec<Weak<Count>>>,
    /// How many workers have places of their own, and how many places each.
    workers: usize,
    own: usize,
    /// Places that all have in common, and how many of them are taken.
    common: usize,
    taken: AtomicUsize,
}

/// Of one worker. Changed by its thread alone.
#[derive(Debug)]
struct Count {
    waiting: AtomicUsize,
    own: usize,
}

/// The places of one worker.
pub(super) struct Places {
    all: Arc<Waiting>,
    count: Arc<Count>,
}

impl Waiting {
    pub(super) fn new(limit: usize, workers: usize) -> Arc<Self> {
        let workers = workers.max(1);
        let own = limit / PART / workers;
        Arc::new(Self {
            counts: Mutex::default(),
            workers,
            own,
            common: limit - own * workers,
            taken: AtomicUsize::new(0),
        })
    }

    /// For a new worker, which has places of its own where it is `of_the_api`, and no more of those live than
    /// were announced.
    pub(super) fn places(self: &Arc<Self>, of_the_api: bool) -> Places {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|count| count.strong_count() > 0);
        let others = counts.iter().filter_map(Weak::upgrade);
        let with_own = others.filter(|count| count.own > 0).count();
        let count = Arc::new(Count {
            waiting: AtomicUsize::new(0),
            own: if of_the_api && with_own < self.workers {
                self.own
            } else {
                0
            },
        });
        counts.push(Arc::downgrade(&count));
        let all = self.clone();
        Places { all, count }
    }

    /// Callers that wait.
    pub(super) fn count(&self) -> usize {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.iter().filter_map(Weak::upgrade);
        counts
            .map(|count| count.waiting.load(Ordering::Relaxed))
            .sum()
    }
}

impl Places {
    /// Takes a place, if there is one.
    pub(super) fn take(&self) -> bool {
        let waiting = self.count.waiting.load(Ordering::Relaxed);
        if waiting >= self.count.own {
            let place = |taken| (taken < self.all.common).then_some(taken + 1);
            let order = Ordering::Relaxed;
            if self.all.taken.fetch_update(order, order, place).is_err() {
                return false;
            }
        }
        self.count.waiting.store(waiting + 1, Ordering::Relaxed);
        true
    }

    /// Gives back a place that was taken.
    pub(super) fn give_back(&self) {
        let waiting = self.count.waiting.load(Ordering::Relaxed);
        if waiting > self.count.own {
            self.all.taken.fetch_sub(1, Ordering::Relaxed);
        }
        self.count
            .waiting
            .store(waiting.saturating_sub(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(places: &Places, wanted: usize) -> usize {
        (0..wanted).filter(|_| places.take()).count()
    }

    #[test]
    fn a_small_limit_is_exact_whoever_takes_the_places() {
        let all = Waiting::new(5, 2);
        let (first, second) = (all.places(true), all.places(true));
        assert_eq!(
            (taken(&first, 9), taken(&second, 9), all.count()),
            (5, 0, 5)
        );
        first.give_back();
        assert_eq!((taken(&second, 9), all.count()), (1, 5));
    }

    #[test]
    fn a_large_limit_is_never_passed_and_each_worker_keeps_its_own_places() {
        let all = Waiting::new(1280, 2);
        let beside = all.places(false);
        let (first, second, third) = (all.places(true), all.places(true), all.places(true));
        assert_eq!(taken(&first, 2000), 1280 - 10);
        assert_eq!(
            (taken(&third, 5), taken(&beside, 5), taken(&second, 50)),
            (0, 0, 10)
        );
        assert_eq!(all.count(), 1280);
        (0..1270).for_each(|_| first.give_back());
        (0..10).for_each(|_| second.give_back());
        assert_eq!((all.count(), taken(&third, 2000)), (0, 1260));
        drop(second);
        assert_eq!(taken(&all.places(true), 50), 10, "a successor has them");
    }
}
