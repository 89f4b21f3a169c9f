//! `Supply`: the segments of a tag while its range is closed, so that ids can be granted past the takers.

use crate::domain::{Demand, IdRange, Ids, open_range::ClosedRange};
use std::collections::VecDeque;

/// The next segment is asked for when a tenth of the front one is used, as in Leaf.
pub(super) const PREFETCH_PART: u64 = 10;

/// The front segment, closed, and those behind it.
pub(super) struct Supply<'a> {
    pub(super) front: ClosedRange<'a>,
    pub(super) front_size: &'a mut u64,
    pub(super) next: &'a mut VecDeque<IdRange>,
}

impl Supply<'_> {
    /// Grants a demand whole, or nothing.
    pub(super) fn take(&mut self, demand: Demand) -> Option<Ids> {
        if demand.count == 0 {
            return (self.left() > 0).then(Ids::new);
        }
        if demand.contiguous {
            self.skip_to_piece_of(demand.count)?;
        } else if self.left() < demand.count {
            return None;
        }
        let mut ids = Ids::new();
        let mut missing = demand.count;
        while missing > 0 {
            if self.front.rest().is_empty() {
                self.promote()?;
            }
            let part = self.front.take(missing);
            missing -= part.len();
            match ids.last_mut() {
                // One server's claims mostly follow each other.
                Some(last) if last.end() == part.first() => {
                    *last = IdRange::between(last.first(), part.end());
                }
                _ => ids.push(part),
            }
        }
        Some(ids)
    }

    /// Opens the range for everyone: the front segment, or the next where nothing is left of it.
    pub(super) fn open(mut self, pace: i64, may_load: bool) {
        if self.front.rest().is_empty() {
            let _ = self.promote();
        }
        let remind_at = reminder(
            self.front.rest(),
            *self.front_size,
            pace,
            may_load && self.next.is_empty(),
        );
        self.front.open(total(self.next), remind_at);
    }

    pub(super) fn left(&self) -> u64 {
        self.front.rest().len() + total(self.next)
    }

    /// Leaves segments as a gap until `count` ids without a gap come next; `None`, and nothing is left, where there
    /// are no such ids. What is left of each segment is fewer than `count` ids.
    fn skip_to_piece_of(&mut self, count: u64) -> Option<()> {
        let mut piece = self.front.rest();
        let mut skipped = 0;
        for (index, segment) in self.next.iter().enumerate() {
            if piece.len() >= count {
                break;
            }
            if segment.first() == piece.end() && !piece.is_empty() {
                piece = IdRange::between(piece.first(), segment.end());
            } else {
                (piece, skipped) = (*segment, index + 1);
            }
        }
        if piece.len() < count {
            return None;
        }
        for _ in 0..skipped {
            self.promote()?;
        }
        Some(())
    }

    /// Puts the next segment in front; what is left of the present one is a gap.
    fn promote(&mut self) -> Option<()> {
        let segment = self.next.pop_front()?;
        self.front.refill(segment);
        *self.front_size = segment.len();
        Some(())
    }
}

/// How many ids these segments hold.
pub(super) fn total(segments: &VecDeque<IdRange>) -> u64 {
    segments.iter().map(IdRange::len).sum()
}

/// Up to which position whoever takes is to remind the owner: after `pace` ids, at the end, and where the next
/// segment should be asked for. That point is left out once it is passed: with a row that cannot be claimed from,
/// every request would remind.
pub(super) fn reminder(front: IdRange, size: u64, pace: i64, prefetch: bool) -> i64 {
    let position = front.first();
    let at = position.saturating_add(pace).min(front.end());
    let unused = size - size.div_ceil(PREFETCH_PART).min(size);
    let point = front.end() - i64::try_from(unused).unwrap_or(0);
    if prefetch && point > position {
        at.min(point)
    } else {
        at
    }
}
