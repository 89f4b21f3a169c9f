//! `BiasedCounter`: a [`Counter`] that costs a thread which uses it alone no atomic addition.
//!
//! An id that threads share costs a locked instruction. So the thread that refills the counter becomes its *owner*: it takes
//! some ids at once, its lease, and counts them out by itself, until any other thread takes an id. From then on, and until the
//! next refill, the counter is everyone's. Promises are those of a [`Counter`], and:
//! - an id taken after another take has returned (as the memory model orders them: the same thread, or told by a lock, a
//!   channel, …) is above that one's, whichever threads they are, as far as both are of the same range;
//! - what is left of the lease when another thread comes is a gap, of fewer than 64 ids and less than a thousandth of a range.
//!
//! Why no id comes twice: a lease is taken from the counter like any ids, stands in a variable of its thread's own, and a
//! ticket that is never drawn again says which counter and which refill it belongs to. Nothing else is needed for it.
//!
//! Why ids rise without a fence: an owner takes from its lease only while it reads its own ticket in `owner`, and after a
//! refill that word changes once, to [`NOBODY`]. Any other thread, a former owner too, looks at it *after* it took from the
//! counter (its compare-and-set has read what the refill wrote, so it sees this refill's ticket or a later value) and does
//! not return before it has read or written something else there. A take of the owner that follows therefore cannot read
//! the ticket any more: reads of one word that are ordered never go back. It goes to the counter, which stands above. The
//! other way round, what others take after a take of the owner lies above the whole lease. `tests/loom/biased.rs` tries the
//! interleavings, and shows that looking *before* the take is not enough.

use crate::{Counter, Run};
use std::{
    cell::Cell,
    sync::atomic::{AtomicU64 as Tickets, Ordering},
};

#[cfg(loom)]
use loom::sync::atomic::AtomicU64;
#[cfg(not(loom))]
use std::sync::atomic::AtomicU64;

/// A lease has this part of a range, and at most so many ids. (Small histories need small ranges.)
const PARTS: i64 = if cfg!(loom) { 2 } else { 1024 };
const LARGEST_LEASE: i64 = 64;

/// The ticket of a counter that is everyone's.
const NOBODY: u64 = 0;

/// The next ticket. Not one of the model checker's atomics: that they differ is all that matters.
static TICKETS: Tickets = Tickets::new(NOBODY + 1);

// Of the counter that this thread refilled last.
#[cfg(not(loom))]
std::thread_local!(static LEASE: Lease = const { Lease::none() });
#[cfg(loom)]
loom::thread_local!(static LEASE: Lease = Lease::none());

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct BiasedCounter {
    counter: Counter,
    owner: Apart,
}

/// The ticket of the owner's lease, or [`NOBODY`]. On a cache line of its own, as it hardly changes while the counter does.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart(AtomicU64);

/// Ids that one thread alone may hand out.
struct Lease {
    ticket: Cell<u64>,
    next: Cell<i64>,
    /// How many ids are left from `next` on.
    left: Cell<i64>,
    /// How many it takes from the counter at once.
    size: Cell<i64>,
}

impl Lease {
    const fn none() -> Self {
        Self {
            // No counter has this one.
            ticket: Cell::new(u64::MAX),
            next: Cell::new(0),
            left: Cell::new(0),
            size: Cell::new(0),
        }
    }

    fn begin(&self, ticket: u64, size: i64) {
        self.ticket.set(ticket);
        self.left.set(0);
        self.size.set(size);
    }

    /// The next `count` ids, which are there.
    #[inline]
    fn take(&self, count: i64) -> Run {
        let first = self.next.get();
        self.next.set(first.wrapping_add(count));
        self.left.set(self.left.get() - count);
        Run { first, count }
    }
}

impl BiasedCounter {
    /// A counter without ids.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes at most `most` ids, which is at least 1; `None` if none is left.
    #[inline]
    pub fn take(&self, most: i64) -> Option<Run> {
        LEASE.with(|lease| {
            if lease.ticket.get() != self.owner.0.load(Ordering::Relaxed) {
                self.take_from_counter(most, lease)
            } else if lease.left.get() >= most {
                Some(lease.take(most))
            } else {
                self.take_as_owner(most, lease)
            }
        })
    }

    #[cold]
    fn take_as_owner(&self, most: i64, lease: &Lease) -> Option<Run> {
        if lease.left.get() == 0 {
            let run = self.take_from_counter(most.max(lease.size.get()), lease)?;
            lease.next.set(run.first);
            lease.left.set(run.count);
        }
        Some(lease.take(most.min(lease.left.get())))
    }

    /// Ends the ownership of another thread. This one may have lost its own to it meanwhile.
    #[inline]
    fn take_from_counter(&self, most: i64, lease: &Lease) -> Option<Run> {
        let run = self.counter.take(most)?;
        let owner = self.owner.0.load(Ordering::Relaxed);
        if owner != NOBODY && owner != lease.ticket.get() {
            self.disown();
        }
        Some(run)
    }

    #[cold]
    fn disown(&self) {
        self.owner.0.swap(NOBODY, Ordering::AcqRel);
    }

    /// Puts `run` in place of what is left, which becomes a gap, and makes this thread the owner if `run` is large enough.
    /// There must be one caller at a time. False where the counter was revoked, or has no positions left (after 2^63 ids);
    /// then `run` is the gap.
    pub fn refill(&self, run: Run) -> bool {
        let size = (run.count / PARTS).min(LARGEST_LEASE);
        let ticket = match size {
            ..=1 => NOBODY,
            _ => TICKETS.fetch_add(1, Ordering::Relaxed),
        };
        // Before the counter opens, so that who takes from it sees this.
        self.owner.0.store(ticket, Ordering::Release);
        let is_open = self.counter.refill(run);
        if is_open && ticket != NOBODY {
            LEASE.with(|lease| lease.begin(ticket, size));
        }
        is_open
    }

    /// Ends it for good: no ids come from it any more.
    pub fn revoke(&self) {
        // In this order: after it no lease has anything to take.
        self.counter.revoke();
        self.disown();
    }
}
