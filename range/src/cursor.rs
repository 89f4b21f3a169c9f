//! `Cursor`: one range of ids, open to every thread that wants some.
//!
//! Anyone may [`take`](Cursor::take); one owner alone closes the cursor, takes ids itself, refills it with the
//! next range and opens it again; anyone may [`revoke`](Cursor::revoke) it for good. Promises:
//! - every id is handed out at most once, in ascending order;
//! - what is granted through [`Closed`] is above all that was taken before, and below all that is taken after;
//! - nothing is handed out after `revoke` has returned;
//! - of all takes that reach the reminder's position, one at the most is told to send it, and one that comes
//!   later is told where those before it missed it.
//!
//! Why it is safe: `next` is the only word that decides, changed by compare-and-set alone. Its values only rise
//! (the sign bit apart), so none comes back under another `end`. The owner stores a new `end` between closing the
//! cursor and opening it: who sees it beside an old `next` fails in its compare-and-set, as the close lies between.
//! Who sees an old `end` beside a new `next` finds too few ids, since ends rise too. `tests/loom.rs` tries the
//! interleavings of small histories, and shows that storing `end` before the close hands out ids that nobody claimed.

use crate::IdRange;

#[cfg(loom)]
use loom::sync::atomic::{AtomicI64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicI64, Ordering};

/// The sign bit of `next`: set while the cursor is closed, so that what was left stays readable.
const CLOSED: i64 = i64::MIN;

/// `next` of a cursor that never opens again. It is also the closed word of position 2^63 - 1, past the last id there
/// can be: a cursor that stands there has nothing left to give, whichever it is taken for.
const REVOKED: i64 = -1;

/// `remind_at` where nobody wants to be reminded.
const NEVER: i64 = i64::MAX;

/// See the module's documentation.
#[derive(Debug)]
pub struct Cursor {
    /// The next id; with the sign bit while closed; [`REVOKED`] for good.
    pub(crate) next: AtomicI64,
    /// One past the last id.
    pub(crate) end: AtomicI64,
    /// Whoever takes up to here or beyond sends the owner a reminder.
    remind_at: AtomicI64,
}

/// What came of asking a [`Cursor`] for ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "ids that are dropped are a gap"]
pub enum Take {
    /// These ids are the caller's.
    Ids {
        /// As many as were asked for.
        range: IdRange,
        /// Whether the caller has to remind the owner.
        remind: bool,
    },
    /// The cursor is closed, or fewer are left than were asked for.
    Short,
    /// It was revoked: no ids will ever come from it again.
    Revoked,
}

impl Cursor {
    /// A closed cursor at position 0 with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            next: AtomicI64::new(CLOSED),
            end: AtomicI64::new(0),
            remind_at: AtomicI64::new(NEVER),
        }
    }

    /// Takes `count` ids, all of them or none. With a `count` of 0 it only tells whether one is left.
    #[inline]
    pub fn take(&self, count: u64) -> Take {
        let Ok(count) = i64::try_from(count) else {
            return Take::Short;
        };
        let mut next = self.next.load(Ordering::Acquire);
        loop {
            if next < 0 {
                return if next == REVOKED {
                    Take::Revoked
                } else {
                    Take::Short
                };
            }
            let end = self.end.load(Ordering::Acquire);
            if end - next < count.max(1) {
                return Take::Short;
            }
            let after = next + count;
            if count == 0 {
                return Take::Ids {
                    range: IdRange::between(next, after),
                    remind: false,
                };
            }
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match self
                .next
                .compare_exchange_weak(next, after, success, failure)
            {
                Ok(_) => {
                    // A reminder stays due until someone sends it. A test of "did my own take pass it" would lose
                    // one that was set a moment too late.
                    let remind = after >= self.remind_at.load(Ordering::Relaxed)
                        && self.remind_at.swap(NEVER, Ordering::Relaxed) != NEVER;
                    let range = IdRange {
                        first: next,
                        end: after,
                    };
                    return Take::Ids { range, remind };
                }
                Err(now) => next = now,
            }
        }
    }

    /// Asks for a reminder from whoever takes up to `position` or beyond.
    pub fn remind_at(&self, position: i64) {
        self.remind_at.store(position, Ordering::Relaxed);
    }

    /// Closes the cursor for its owner; `None` where it was revoked. There must be one owner at a time. A cursor
    /// that was left closed is simply taken up again.
    pub fn close(&self) -> Option<Closed<'_>> {
        let before = self.next.fetch_or(CLOSED, Ordering::AcqRel);
        if before == REVOKED {
            return None;
        }
        let next = before & !CLOSED;
        let end = self.end.load(Ordering::Relaxed);
        Some(Closed {
            cursor: self,
            rest: IdRange::between(next, end),
        })
    }

    /// Ends the cursor for good and says where it stood; `None` where that was done before.
    pub fn revoke(&self) -> Option<i64> {
        let before = self.next.swap(REVOKED, Ordering::AcqRel);
        (before != REVOKED).then_some(before & !CLOSED)
    }

    /// What is left, open or closed; `None` once it was revoked. A moment later it may be less.
    #[must_use]
    pub fn rest(&self) -> Option<IdRange> {
        let next = self.next.load(Ordering::Acquire);
        let position = next & !CLOSED;
        let end = self.end.load(Ordering::Acquire);
        (next != REVOKED).then(|| IdRange::between(position, end.max(position)))
    }

    /// A number that changes with each take and each change of the owner's: who looks twice and sees the same one
    /// knows that the cursor was not used in between.
    #[must_use]
    pub fn word(&self) -> i64 {
        self.next.load(Ordering::Relaxed)
    }
}

impl Default for Cursor {
    fn default() -> Self {
        Self::new()
    }
}

/// A cursor that its owner has closed, and may take from and refill. Nothing can be granted past the takers except
/// through this. Dropped without [`open`](Self::open) it stays closed, with what is left.
#[derive(Debug)]
pub struct Closed<'a> {
    cursor: &'a Cursor,
    rest: IdRange,
}

impl Closed<'_> {
    /// What is left of the range.
    #[must_use]
    pub fn rest(&self) -> IdRange {
        self.rest
    }

    /// Takes `count` ids, or all that are left where that is fewer; none where the cursor was revoked meanwhile.
    pub fn take(&mut self, count: u64) -> IdRange {
        let mut rest = self.rest;
        let taken = rest.take(count);
        if self.move_to(rest.first()) {
            self.rest = rest;
            taken
        } else {
            self.rest = IdRange::between(self.rest.first(), self.rest.first());
            self.rest
        }
    }

    /// Puts `range` in place of what is left, which becomes a gap. False where the cursor was revoked meanwhile, or
    /// `range` begins below what the cursor has seen; then `range` is the gap.
    pub fn refill(&mut self, range: IdRange) -> bool {
        if range.first() < self.rest.first() || range.is_empty() {
            return false;
        }
        // The cursor is closed: whoever loads this fails in its compare-and-set.
        self.cursor.end.store(range.end(), Ordering::Release);
        let is_moved = self.move_to(range.first());
        if is_moved {
            self.rest = range;
        }
        is_moved
    }

    /// Lets everyone take from it again, and asks for a reminder from whoever takes up to `remind_at`. False where
    /// the cursor was revoked meanwhile.
    pub fn open(self, remind_at: i64) -> bool {
        self.cursor.remind_at(remind_at);
        self.change(self.rest.first())
    }

    /// Moves the closed cursor up to `position`.
    fn move_to(&self, position: i64) -> bool {
        self.change(position | CLOSED)
    }

    /// Only from the word that this owner left: a revocation cannot be undone.
    fn change(&self, to: i64) -> bool {
        let from = self.rest.first() | CLOSED;
        let order = (Ordering::AcqRel, Ordering::Relaxed);
        self.cursor
            .next
            .compare_exchange(from, to, order.0, order.1)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
#[path = "cursor_tests.rs"]
mod tests;
