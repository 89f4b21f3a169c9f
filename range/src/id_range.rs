//! `IdRange`: the only place where positions become ids, so that a stride could be added here alone.

use smallvec::SmallVec;

/// Ids `first..end` (half open), all positive and below 2^63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    pub(crate) first: i64,
    pub(crate) end: i64,
}

/// The ids of one answer: ascending ranges, mostly one.
pub type Ids = SmallVec<[IdRange; 1]>;

/// A claim that cannot be a range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdRangeError {
    /// `end - size` leaves the ids from 0 upwards, or `size` is not positive.
    #[error("a segment of {size} ids cannot end at {end}")]
    Impossible {
        /// The claim's `max_id` after the update.
        end: i64,
        /// How many positions were claimed.
        size: i64,
    },
}

impl IdRange {
    /// The range a claim of `size` positions holds whose row then says `max_id`:
    /// `[max_id - size, max_id)` without id 0, as in go-id-alloc and Leaf. It may be empty
    /// (a step of 1 at start 0 holds only id 0).
    ///
    /// # Errors
    /// [`IdRangeError`] where that is no range of non-negative ids.
    pub fn claimed(max_id: i64, size: i64) -> Result<Self, IdRangeError> {
        let impossible = IdRangeError::Impossible { end: max_id, size };
        let first = max_id.checked_sub(size).ok_or(impossible)?;
        if size <= 0 || first < 0 {
            return Err(impossible);
        }
        Ok(Self {
            first: first.max(1),
            end: max_id,
        })
    }

    /// Ids `first..end`; empty where `end` is not above `first`.
    #[must_use]
    pub fn between(first: i64, end: i64) -> Self {
        Self {
            first,
            end: end.max(first),
        }
    }

    /// The smallest id.
    #[must_use]
    pub fn first(&self) -> i64 {
        self.first
    }

    /// One past the largest id.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.end
    }

    /// How many ids are left in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::try_from(self.end.saturating_sub(self.first)).unwrap_or(0)
    }

    /// Whether no id is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first >= self.end
    }

    /// Takes the lowest `count` ids, or all where fewer are left.
    pub fn take(&mut self, count: u64) -> IdRange {
        let count = i64::try_from(count.min(self.len())).unwrap_or(i64::MAX);
        let taken = IdRange {
            first: self.first,
            end: self.first + count,
        };
        self.first = taken.end;
        taken
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + use<> {
        self.first..self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_go_id_alloc() {
        let range = IdRange::claimed(2000, 1000).unwrap();
        assert_eq!(
            (range.first(), range.end(), range.len()),
            (1000, 2000, 1000)
        );
    }

    #[test]
    fn id_zero_is_never_handed_out() {
        assert_eq!(IdRange::claimed(100, 100).unwrap().first(), 1);
        assert!(IdRange::claimed(1, 1).unwrap().is_empty());
    }

    #[test]
    fn impossible_claims_are_errors() {
        for (end, size) in [(5, 6), (5, 0), (5, -1), (-5, 1), (i64::MIN, i64::MAX)] {
            assert!(IdRange::claimed(end, size).is_err(), "{end} {size}");
        }
    }

    #[test]
    fn the_last_ids_below_two_to_the_63rd_can_be_taken() {
        let mut range = IdRange::claimed(i64::MAX, 2).unwrap();
        assert_eq!(range.take(u64::MAX).iter().count(), 2);
        assert!(range.is_empty());
    }
}
