//! `Demand`: how many ids someone asks for.

/// What someone asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// How many ids. 0 asks only to be answered once one is left.
    pub count: u64,
    /// Whether they must follow each other without a gap.
    pub contiguous: bool,
}

impl Demand {
    /// How many ids have to be in memory for it.
    #[must_use]
    pub fn at_least_one(self) -> i64 {
        i64::try_from(self.count.max(1)).unwrap_or(i64::MAX)
    }
}

impl From<u32> for Demand {
    /// So many ids, in as many pieces as they come.
    fn from(count: u32) -> Self {
        Self {
            count: count.into(),
            contiguous: false,
        }
    }
}
