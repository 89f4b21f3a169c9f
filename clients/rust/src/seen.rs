//! `Seen`: every range that a tag was answered, so that none is used twice: a cache or a proxy may have repeated an
//! answer, or the servers' data went back.
//!
//! "Above everything so far" would be too strict, since servers hand out from different segments: after a change of
//! server good ranges may lie below earlier ones. Neighbours are joined, and where there are more than [`RUNS`] runs,
//! the two with the smallest gap between them become one, with the gap. So nothing is ever forgotten: a repeated range is
//! refused however late it comes. The price is that a good range is refused if it lies in such a gap.

use id_alloc_range::Run;

/// So many runs of ids are remembered at most.
const RUNS: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// First and last id of each, both included, in rising order; they neither touch nor overlap.
    runs: Vec<(i64, i64)>,
}

impl Seen {
    /// Takes note of a range; false if an id of it was there before.
    pub(crate) fn add(&mut self, run: Run) -> bool {
        let (first, last) = (run.first, run.first + (run.count - 1));
        // The first run that ends where the range begins, or later.
        let at = self.runs.partition_point(|run| run.1 < first);
        if self.runs.get(at).is_some_and(|run| run.0 <= last) {
            return false;
        }
        let joins_lower = at > 0 && self.runs[at - 1].1 == first - 1;
        let joins_upper = self.runs.get(at).is_some_and(|run| run.0 - 1 == last);
        match (joins_lower, joins_upper) {
            (true, true) => self.runs[at - 1].1 = self.runs.remove(at).1,
            (true, false) => self.runs[at - 1].1 = last,
            (false, true) => self.runs[at].0 = first,
            (false, false) => self.runs.insert(at, (first, last)),
        }
        if self.runs.len() > RUNS {
            self.join_closest();
        }
        true
    }

    fn join_closest(&mut self) {
        let gap = |at: &usize| self.runs[*at].0 - self.runs[*at - 1].1;
        if let Some(closest) = (1..self.runs.len()).min_by_key(gap) {
            self.runs[closest - 1].1 = self.runs.remove(closest).1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(seen: &mut Seen, first: i64, count: i64) -> bool {
        seen.add(Run { first, count })
    }

    #[test]
    fn a_range_is_taken_once_whatever_came_in_between() {
        let mut seen = Seen::default();
        for (first, count) in [(100, 10), (50, 10), (110, 5), (90, 10), (60, 30)] {
            assert!(add(&mut seen, first, count), "{first}");
        }
        assert_eq!(seen.runs, [(50, 114)], "neighbours are joined");
        for (first, count) in [(100, 10), (40, 11), (114, 1), (0, 1000), (50, 1)] {
            assert!(!add(&mut seen, first, count), "{first}");
        }
        assert!(add(&mut seen, 115, 1) && add(&mut seen, 49, 1));
    }

    #[test]
    fn the_largest_ids_have_a_place() {
        let mut seen = Seen::default();
        assert!(add(&mut seen, i64::MAX - 9, 10));
        assert!(!add(&mut seen, i64::MAX, 1));
        assert!(add(&mut seen, 0, 1));
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_forgotten() {
        let mut seen = Seen::default();
        for at in 0..5_000 {
            assert!(add(&mut seen, at * 1_000, 10));
        }
        assert_eq!(seen.runs.len(), RUNS);
        for at in 0..5_000 {
            assert!(!add(&mut seen, at * 1_000, 10));
        }
    }
}
