//! `OpenRange`: a tag's front segment, from which every thread takes ids, and the books kept about it.
//!
//! Requests only ever touch the [`Cursor`]. The books (how many ids were handed out, how many were passed over, how many
//! lie ready behind the front segment) stand beside it under a lock that requests never take: who settles them reads the cursor's
//! position, so they are exact whenever someone looks. The owner holds that lock while it has the range closed.

use id_alloc_range::{Closed, Cursor, IdRange};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct OpenRange {
    /// For those who take. The owner closes and revokes it through the methods below, which keep the books.
    pub cursor: Cursor,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    /// The cursor's position up to which `allotted` counts.
    counted_to: i64,
    /// Ids handed out in all.
    allotted: u64,
    /// Of these, how many [`OpenRange::report`] has told of.
    reported: u64,
    /// Ids at the end of segments that were too few for who wanted more, since the last report.
    passed_over: u64,
    /// Ids in memory behind the front segment.
    behind: u64,
}

impl Books {
    fn settle(&mut self, position: i64) {
        let more = position.saturating_sub(self.counted_to);
        self.allotted += u64::try_from(more).unwrap_or(0);
        self.counted_to = self.counted_to.max(position);
    }
}

impl OpenRange {
    /// Closes the range for its owner, the only one who may call this; `None` where it was revoked.
    pub(super) fn close(&self) -> Option<ClosedRange<'_>> {
        let mut books = self.books();
        let front = self.cursor.close()?;
        books.settle(front.rest().first());
        Some(ClosedRange { front, books })
    }

    /// Ends it for good: nothing is handed out any more. How many ids were left, which are a gap; 0 where it had ended
    /// before.
    pub fn revoke(&self) -> u64 {
        let mut books = self.books();
        // The end of the front segment changes under the lock alone.
        let end = self.front().end();
        let Some(position) = self.cursor.revoke() else {
            return 0;
        };
        books.settle(position);
        let front = u64::try_from(end.saturating_sub(position)).unwrap_or(0);
        front + std::mem::take(&mut books.behind)
    }

    /// Whether it was revoked.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.cursor.rest().is_none()
    }

    /// What is left of the front segment.
    #[must_use]
    pub fn front(&self) -> IdRange {
        self.cursor.rest().unwrap_or(IdRange::between(0, 0))
    }

    /// Ids in memory, those behind the front segment included.
    #[must_use]
    pub fn left(&self) -> u64 {
        let books = self.books();
        self.front().len() + books.behind
    }

    /// Notes how many ids lie ready behind the front segment.
    pub fn note_behind(&self, ids: u64) {
        self.books().behind = ids;
    }

    /// Ids handed out in all, up to now.
    #[must_use]
    pub fn allotted(&self) -> u64 {
        let mut books = self.books();
        if let Some(rest) = self.cursor.rest() {
            books.settle(rest.first());
        }
        books.allotted
    }

    /// Tells of the ids that were handed out, and of those that were passed over, since the last report.
    pub fn report(&self, tell: impl FnOnce(u64, u64)) {
        let mut books = self.books();
        if let Some(rest) = self.cursor.rest() {
            books.settle(rest.first());
        }
        let passed_over = std::mem::take(&mut books.passed_over);
        tell(books.allotted - books.reported, passed_over);
        books.reported = books.allotted;
    }

    /// The books are valid after every statement, so a poisoned lock is used on.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An [`OpenRange`] that its owner has closed. What the owner grants itself comes from here, so it cannot forget to
/// close first. Dropped without [`open`](Self::open) it stays closed.
pub(super) struct ClosedRange<'a> {
    front: Closed<'a>,
    books: MutexGuard<'a, Books>,
}

impl ClosedRange<'_> {
    /// What is left of the front segment.
    pub(super) fn rest(&self) -> IdRange {
        self.front.rest()
    }

    /// Takes `count` ids of the front segment, or what is left of it.
    pub(super) fn take(&mut self, count: u64) -> IdRange {
        let taken = self.front.take(count);
        self.books.settle(taken.end());
        taken
    }

    /// Puts `segment` in place of what is left, which becomes a gap.
    pub(super) fn refill(&mut self, segment: IdRange) {
        let left = self.front.rest().len();
        if self.front.refill(segment) {
            self.books.counted_to = segment.first();
            self.books.passed_over += left;
        }
    }

    /// Opens it, with so many ids behind the front segment and a reminder at this position.
    pub(super) fn open(mut self, behind: u64, remind_at: i64) {
        if self.front.open(remind_at) {
            self.books.behind = behind;
        }
    }
}
