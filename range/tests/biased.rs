//! A counter that one thread owns until another comes, with real threads. `loom.rs` tries all interleavings.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use id_alloc_range::{BiasedCounter, Run};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    thread,
};

const LARGE: i64 = 1 << 20;

fn run(first: i64, count: i64) -> Run {
    Run { first, count }
}

fn filled(first: i64, count: i64) -> BiasedCounter {
    let counter = BiasedCounter::new();
    assert!(counter.refill(run(first, count)));
    counter
}

fn elsewhere<T: Send>(task: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(task).join().unwrap())
}

#[test]
fn a_thread_alone_gets_every_id() {
    let counter = filled(i64::MAX - LARGE + 1, LARGE);
    let mut next = i64::MAX - LARGE + 1;
    for most in [1, 1, 100, 1, 62, 63, 64, 65].into_iter().cycle() {
        let Some(taken) = counter.take(most) else {
            break;
        };
        assert_eq!(taken.first, next);
        assert!((1..=most).contains(&taken.count));
        next = next.wrapping_add(taken.count);
    }
    assert_eq!(next, i64::MIN, "the last one was 2^63 - 1");
}

#[test]
fn what_is_left_of_the_lease_is_a_gap_once_another_thread_comes() {
    let counter = filled(0, LARGE);
    let take = || counter.take(1).unwrap().first;
    assert_eq!([take(), take()], [0, 1]);
    assert_eq!(elsewhere(take), 64);
    assert_eq!([take(), take()], [65, 66]);
    assert_eq!(elsewhere(take), 67, "no other lease");
    assert!(counter.refill(run(LARGE, LARGE)));
    assert_eq!(
        [take(), take(), elsewhere(take)].map(|id| id - LARGE),
        [0, 1, 64]
    );
}

#[test]
fn nobody_owns_a_small_range() {
    let counter = filled(0, 2047);
    let take = || counter.take(1).unwrap().first;
    assert_eq!([take(), elsewhere(take), take()], [0, 1, 2]);
}

#[test]
fn an_owner_may_end_and_a_new_thread_is_not_taken_for_it() {
    let counter = BiasedCounter::new();
    let take = || counter.take(1).unwrap().first;
    let first = elsewhere(|| counter.refill(run(0, LARGE)).then(take));
    assert_eq!(first, Some(0));
    assert_eq!([elsewhere(take), elsewhere(take), take()], [64, 65, 66]);
}

#[test]
fn counters_of_one_thread_keep_apart() {
    let (one, mut two) = (filled(0, LARGE), filled(LARGE, LARGE));
    for _ in 0..200 {
        assert!(one.take(1).unwrap().first < LARGE);
        assert!(two.take(1).unwrap().first >= LARGE);
    }
    // At the same address.
    two = BiasedCounter::new();
    assert_eq!(two.take(1), None);
}

#[test]
fn nothing_is_left_of_a_lease_after_a_revocation() {
    let counter = filled(0, LARGE);
    assert!(counter.take(1).is_some());
    elsewhere(|| counter.revoke());
    assert_eq!(
        (counter.take(1), elsewhere(|| counter.take(1))),
        (None, None)
    );
    assert!(!counter.refill(run(LARGE, LARGE)));
    assert_eq!(counter.take(1), None);
}

#[test]
fn ids_rise_from_one_thread_to_the_next_and_come_once() {
    let (counter, told, refilled) = (BiasedCounter::new(), AtomicI64::new(-1), Mutex::new(0));
    let next = |most| loop {
        let Some(taken) = counter.take(most) else {
            let mut refilled = refilled.lock().unwrap();
            if counter.take(1).is_none() && counter.refill(run(*refilled * 10_000, 5_000)) {
                *refilled += 1;
            }
            continue;
        };
        return taken;
    };
    let taker = |rounds: i64| {
        let mut ids = Vec::new();
        for round in 0..rounds {
            let seen = told.load(Ordering::Acquire);
            let taken = next(1 + round % 3);
            assert!(taken.first > seen, "{taken:?} after {seen}");
            ids.extend(taken.iter());
            told.fetch_max(taken.first + taken.count - 1, Ordering::AcqRel);
        }
        ids
    };
    let mut ids = thread::scope(|scope| {
        let takers = [30_000, 20_000, 3_000].map(|rounds| scope.spawn(move || taker(rounds)));
        takers.map(|taker| taker.join().unwrap()).concat()
    });
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_handle_that_goes_round_among_threads_hands_out_rising_ids() {
    let counter = filled(0, LARGE);
    let ids = thread::scope(|scope| {
        let mut ids = Vec::new();
        let (done, each) = mpsc::channel();
        let threads = [(); 3].map(|()| {
            let (turn, turns) = mpsc::channel::<bool>();
            let (counter, done) = (&counter, done.clone());
            scope.spawn(move || {
                for is_refill in turns {
                    assert!(!is_refill || counter.refill(run(LARGE, LARGE)));
                    let taken = (0..5).filter_map(|_| counter.take(1));
                    done.send(taken.map(|run| run.first).collect::<Vec<_>>())
                        .unwrap();
                }
            });
            turn
        });
        for round in 0..300 {
            threads[round % 3].send(round == 100).unwrap();
            ids.extend(each.recv().unwrap());
        }
        ids
    });
    assert_eq!(ids.len(), 1500);
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
}
