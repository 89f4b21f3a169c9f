//! A counter that one thread owns until another comes. Under the model checker a lease is half a range.

use super::{check_unique, model};
use id_alloc_range::{BiasedCounter, Counter, Run};
use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A counter, the ranges that it is refilled with, and the largest id that somebody has told the others.
struct Shared {
    counter: BiasedCounter,
    ranges: Mutex<Vec<Run>>,
    told: Mutex<i64>,
}

impl Shared {
    /// With so many ranges of four, each above the one before.
    fn new(ranges: i64) -> Arc<Self> {
        let range = |at: i64| Run {
            first: at * 10,
            count: 4,
        };
        Arc::new(Self {
            counter: BiasedCounter::new(),
            ranges: Mutex::new((0..ranges).rev().map(range).collect()),
            told: Mutex::new(-1),
        })
    }

    /// An id, as the client takes one.
    fn take(&self) -> Option<i64> {
        if let Some(run) = self.counter.take(1) {
            return Some(run.first);
        }
        let mut ranges = self.ranges.lock().unwrap();
        loop {
            if let Some(run) = self.counter.take(1) {
                return Some(run.first);
            }
            self.counter.refill(ranges.pop()?);
        }
    }

    /// So many ids; each is above those that others had told before it was taken.
    fn take_and_tell(&self, count: usize) -> Vec<i64> {
        let mut taken = Vec::new();
        for _ in 0..count {
            let seen = *self.told.lock().unwrap();
            let Some(id) = self.take() else { break };
            assert!(id > seen, "{id} was taken after {seen}");
            taken.push(id);
            let mut told = self.told.lock().unwrap();
            *told = id.max(*told);
        }
        taken
    }
}

fn spawn(shared: &Arc<Shared>, count: usize) -> thread::JoinHandle<Vec<i64>> {
    let shared = Arc::clone(shared);
    thread::spawn(move || shared.take_and_tell(count))
}

#[test]
fn ids_of_an_owner_and_of_others_come_once_and_rise() {
    model(|| {
        let shared = Shared::new(1);
        // This thread refills it.
        let first = shared.take_and_tell(1);
        assert_eq!(first, [0]);
        let others = vec![spawn(&shared, 1), spawn(&shared, 1)];
        let own = shared.take_and_tell(1);
        check_unique(others, [first, own].concat());
    });
}

#[test]
fn ids_rise_while_an_owner_follows_another() {
    model(|| {
        let shared = Shared::new(2);
        let other = spawn(&shared, 3);
        let own = shared.take_and_tell(4);
        check_unique(vec![other], own);
    });
}

#[test]
fn nothing_comes_from_a_lease_after_a_revocation() {
    model(|| {
        let shared = Shared::new(2);
        let is_revoked = Arc::new(Mutex::new(false));
        let owner = {
            let (shared, is_revoked) = (Arc::clone(&shared), Arc::clone(&is_revoked));
            thread::spawn(move || {
                for _ in 0..3 {
                    let was_revoked = *is_revoked.lock().unwrap();
                    let taken = shared.take();
                    assert!(!was_revoked || taken.is_none(), "{taken:?}");
                }
            })
        };
        shared.counter.revoke();
        *is_revoked.lock().unwrap() = true;
        owner.join().unwrap();
        assert_eq!(shared.take(), None);
    });
}

/// One mistake: who is no owner looks for one before the take, not after it.
#[test]
#[should_panic(expected = "was taken after")]
fn looking_for_an_owner_before_the_take_is_caught() {
    model(|| {
        let counter = Arc::new(Counter::new());
        let owner = Arc::new(AtomicU64::new(0));
        let told = Arc::new(Mutex::new(-1));
        let other = {
            let (counter, owner, told) = (counter.clone(), owner.clone(), told.clone());
            thread::spawn(move || {
                if owner.load(Ordering::Acquire) != 0 {
                    owner.swap(0, Ordering::AcqRel);
                }
                if let Some(id) = counter.take_one() {
                    *told.lock().unwrap() = id;
                }
            })
        };
        owner.store(1, Ordering::Release);
        assert!(counter.refill(Run { first: 0, count: 4 }));
        let lease = counter.take(2).unwrap();
        let seen = *told.lock().unwrap();
        if lease.count == 2 && owner.load(Ordering::Relaxed) == 1 {
            assert!(lease.first > seen, "{lease:?} was taken after {seen}");
        }
        other.join().unwrap();
    });
}
