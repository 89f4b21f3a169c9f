//! How many tags there are. A locked row, or a database that takes no writes, has each server check the store every
//! second; a hundred thousand rows are not read each time.

use super::SqlStore;
use super::dialect::Sql;
use super::errors::SqlError;
use super::statements::Statements;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// So many rows are counted: of millions it takes seconds.
pub(super) const COUNTED: i64 = 100_000;

/// A count is kept for so many times as long as it took: the database spends a thousandth of its time on it at most,
const TIMES: u32 = 1000;

/// and not longer than this.
const LONGEST: Duration = Duration::from_secs(60);

/// A count of the tags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// Those that are not deleted, among the rows that were looked at.
    pub(super) tags: i64,
    /// No more than [`COUNTED`].
    pub(super) looked_at: i64,
    began: Instant,
    ended: Instant,
}

impl Counted {
    fn holds(&self, now: Instant) -> bool {
        let worth = (self.ended - self.began).saturating_mul(TIMES);
        now < self.ended + worth.min(LONGEST)
    }
}

impl SqlStore {
    /// The tags, as they were counted a moment ago where counting takes long.
    pub(super) async fn count(&self, statements: &Statements) -> Result<Counted, SqlError> {
        let known = || self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = known().filter(|counted| counted.holds(Instant::now())) {
            return Ok(counted);
        }
        let began = Instant::now();
        let rows = self.pool.rows(&statements.count()).await?;
        let (tags, looked_at) = match rows.first() {
            Some(row) => (row.value("tags")?, row.value("looked_at")?),
            None => (0, 0),
        };
        let counted = Counted {
            tags,
            looked_at,
            began,
            ended: Instant::now(),
        };
        *known() = Some(counted);
        Ok(counted)
    }
}

impl Statements {
    /// How many of the first rows are not retired, and how many were looked at.
    fn count(&self) -> Sql {
        let retired_at = if self.retirable { "retired_at" } else { "NULL" };
        Sql::new(format!(
            "SELECT COUNT(*) AS looked_at, COUNT(CASE WHEN retired_at IS NULL THEN 1 END) AS tags \
             FROM (SELECT {retired_at} AS retired_at FROM {} LIMIT {COUNTED}) AS sample",
            self.table
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_took_long_is_kept_for_a_while_and_one_that_did_not_for_a_moment() {
        let began = Instant::now();
        let after = |took: u64, later: u64| {
            let ended = began + Duration::from_millis(took);
            let counted = Counted {
                tags: 0,
                looked_at: 0,
                began,
                ended,
            };
            counted.holds(ended + Duration::from_millis(later))
        };
        assert!(after(5, 4999) && !after(5, 5000));
        assert!(!after(0, 0));
        assert!(after(10_000, 59_999) && !after(10_000, 60_000));
    }
}
