//! The cursor under every interleaving that the C11 memory model allows, with the model checker loom:
//!
//!     RUSTFLAGS="--cfg loom" cargo test --release -p id-alloc-range --test loom
#![cfg(loom)]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use id_alloc_range::{Counter, Cursor, IdRange, Run, Take};
use loom::{
    sync::{Arc, Mutex},
    thread,
};

#[path = "loom/biased.rs"]
mod biased;

const NEVER: i64 = i64::MAX;

/// All histories in which threads interrupt each other so often at the most; a fault that needs more is not known,
/// and trying without a bound would take hours.
const INTERRUPTIONS: usize = 3;

fn model(history: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(INTERRUPTIONS);
    builder.check(history);
}

fn opened(first: i64, end: i64, remind_at: i64) -> Arc<Cursor> {
    let cursor = Cursor::new();
    let mut closed = cursor.close().unwrap();
    assert!(closed.refill(IdRange::between(first, end)));
    assert!(closed.open(remind_at));
    Arc::new(cursor)
}

fn ids(take: Take) -> Vec<i64> {
    match take {
        Take::Ids { range, .. } => range.iter().collect(),
        Take::Short | Take::Revoked => Vec::new(),
    }
}

/// Joins the takers and sees to it that no id came twice and each taker's rise.
fn check_unique(takers: Vec<thread::JoinHandle<Vec<i64>>>, more: Vec<i64>) -> Vec<i64> {
    let mut all = more;
    for taker in takers {
        let taken = taker.join().unwrap();
        assert!(taken.windows(2).all(|pair| pair[0] < pair[1]), "{taken:?}");
        all.extend(taken);
    }
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
    all
}

#[test]
fn two_takers_and_an_owner_who_grants_and_refills_never_give_an_id_twice() {
    model(|| {
        let cursor = opened(10, 13, NEVER);
        let takers = (1..=2)
            .map(|count| {
                let cursor = cursor.clone();
                thread::spawn(move || {
                    let mut taken = ids(cursor.take(count));
                    taken.extend(ids(cursor.take(1)));
                    taken
                })
            })
            .collect();
        let mut closed = cursor.close().unwrap();
        let mut granted: Vec<i64> = closed.take(1).iter().collect();
        let rest = closed.rest();
        if rest.is_empty() {
            assert!(closed.refill(IdRange::between(20, 23)));
            granted.extend(closed.take(1).iter());
        }
        assert!(closed.open(NEVER));
        let all = check_unique(takers, granted);
        let claimed = |id: &i64| (10..13).contains(id) || (20..23).contains(id);
        assert!(all.iter().all(claimed), "{all:?} was never claimed");
    });
}

#[test]
fn a_gap_between_two_ranges_is_never_handed_out() {
    model(|| {
        let cursor = opened(10, 12, NEVER);
        let taker = {
            let cursor = cursor.clone();
            thread::spawn(move || ids(cursor.take(3)))
        };
        let mut closed = cursor.close().unwrap();
        assert!(closed.refill(IdRange::between(20, 30)));
        assert!(closed.open(NEVER));
        let taken = taker.join().unwrap();
        assert!(taken.is_empty() || taken == [20, 21, 22], "{taken:?}");
    });
}

#[test]
fn what_the_owner_grants_lies_below_all_that_is_taken_after_its_answer() {
    model(|| {
        let cursor = opened(10, 14, NEVER);
        let answer = Arc::new(Mutex::new(None));
        let asker = {
            let (cursor, answer) = (cursor.clone(), answer.clone());
            thread::spawn(move || {
                // Sent after the other's answer was seen, if it was.
                let seen: Option<i64> = *answer.lock().unwrap();
                (seen, ids(cursor.take(1)))
            })
        };
        let mut closed = cursor.close().unwrap();
        let granted = closed.take(2).iter().last().unwrap();
        assert!(closed.open(NEVER));
        *answer.lock().unwrap() = Some(granted);
        if let (Some(seen), taken) = asker.join().unwrap() {
            assert!(taken.iter().all(|id| *id > seen), "{taken:?} after {seen}");
        }
    });
}

#[test]
fn nothing_is_taken_or_granted_after_a_revocation_and_the_owner_cannot_undo_it() {
    model(|| {
        let cursor = opened(10, 14, NEVER);
        let owner = {
            let cursor = cursor.clone();
            thread::spawn(move || {
                let mut granted = Vec::new();
                if let Some(mut closed) = cursor.close() {
                    granted.extend(closed.take(1).iter());
                    if closed.refill(IdRange::between(20, 24)) {
                        granted.extend(closed.take(1).iter());
                    }
                    closed.open(NEVER);
                }
                granted
            })
        };
        let mut before = ids(cursor.take(1));
        let stood_at = cursor.revoke().unwrap();
        assert_eq!(cursor.take(1), Take::Revoked);
        assert!(cursor.close().is_none());
        let granted = owner.join().unwrap();
        assert!(
            granted.iter().all(|id| *id < stood_at),
            "{granted:?} {stood_at}"
        );
        before.extend(granted);
        before.sort_unstable();
        assert!(
            before.windows(2).all(|pair| pair[0] < pair[1]),
            "{before:?}"
        );
        assert_eq!(cursor.take(1), Take::Revoked);
    });
}

#[test]
fn a_reminder_is_sent_once_at_the_most_and_stays_due_until_it_is() {
    model(|| {
        let cursor = opened(0, 10, NEVER);
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let cursor = cursor.clone();
                thread::spawn(move || matches!(cursor.take(1), Take::Ids { remind: true, .. }))
            })
            .collect();
        cursor.remind_at(1);
        let sent = takers
            .into_iter()
            .map(|taker| usize::from(taker.join().unwrap()))
            .sum::<usize>();
        // Both takes are past it: whoever missed it leaves it to the next.
        let next = matches!(cursor.take(1), Take::Ids { remind: true, .. });
        assert_eq!(sent + usize::from(next), 1);
    });
}

/// The same cursor with one mistake: the new `end` is stored before the cursor is closed.
struct Broken {
    next: loom::sync::atomic::AtomicI64,
    end: loom::sync::atomic::AtomicI64,
}

impl Broken {
    fn take(&self, count: i64) -> Option<i64> {
        use loom::sync::atomic::Ordering::{AcqRel, Acquire};
        let next = self.next.load(Acquire);
        let end = self.end.load(Acquire);
        (next >= 0 && end - next >= count).then_some(())?;
        self.next
            .compare_exchange(next, next + count, AcqRel, Acquire)
            .ok()
    }

    fn refill(&self, first: i64, end: i64) {
        use loom::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
        self.end.store(end, Release);
        let before = self.next.fetch_or(i64::MIN, AcqRel);
        let closed = before | i64::MIN;
        self.next
            .compare_exchange(closed, first, AcqRel, Relaxed)
            .unwrap();
    }
}

/// A model that cannot fail shows nothing: this one has to.
#[test]
#[should_panic(expected = "was never claimed")]
fn a_cursor_that_is_refilled_before_it_is_closed_is_caught() {
    model(|| {
        let cursor = Arc::new(Broken {
            next: loom::sync::atomic::AtomicI64::new(10),
            end: loom::sync::atomic::AtomicI64::new(12),
        });
        let taker = {
            let cursor = cursor.clone();
            thread::spawn(move || cursor.take(5))
        };
        cursor.refill(40, 50);
        if let Some(first) = taker.join().unwrap() {
            let is_claimed = first + 5 <= 12 || (first >= 40 && first + 5 <= 50);
            assert!(is_claimed, "{first} to {} was never claimed", first + 5);
        }
    });
}

#[test]
fn ranges_in_any_order_never_give_an_id_that_is_in_none_of_them() {
    model(|| {
        let counter = Arc::new(Counter::new());
        assert!(counter.refill(Run {
            first: 500,
            count: 1
        }));
        let taker = {
            let counter = Arc::clone(&counter);
            thread::spawn(move || [counter.take_one(), counter.take_one()])
        };
        let mut ids = vec![counter.take_one()];
        if counter.is_empty() {
            assert!(counter.refill(Run {
                first: 10,
                count: 2
            }));
        }
        ids.push(counter.take_one());
        ids.extend(taker.join().unwrap());
        let mut ids: Vec<i64> = ids.into_iter().flatten().collect();
        ids.sort_unstable();
        let taken = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), taken, "an id came twice");
        assert!(ids.iter().all(|id| [10, 11, 500].contains(id)), "{ids:?}");
    });
}
