//! `Segment`: a claimed range that is being used up.

use super::IdRange;

/// A claimed range and how much of it is left.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The ids not yet handed out.
    left: IdRange,
    /// How many ids it held at first.
    size: u64,
}

impl Segment {
    /// A segment of which nothing is used.
    #[must_use]
    pub fn new(range: IdRange) -> Self {
        Self {
            size: range.len(),
            left: range,
        }
    }

    /// The ids not yet handed out.
    #[must_use]
    pub fn left(&self) -> IdRange {
        self.left
    }

    /// How many ids it held at first.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many ids have been handed out.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.size - self.left.len()
    }

    /// Takes the lowest `count` ids, or all that are left.
    pub fn take(&mut self, count: u64) -> IdRange {
        self.left.take(count)
    }
}
