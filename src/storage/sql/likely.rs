//! `LikelyStep`: the step that the row of a tag which is claimed for the first time probably has.
//!
//! Many tables have one step for most tags. Where the last few first claims found the same, the next one
//! is tried with it at once, without reading the row first: one statement instead of two for each tag of a
//! cold start. The claim asks for exactly that step, so a wrong guess changes nothing but the time it takes.

use std::sync::{Mutex, PoisonError};

/// So many first claims in a row must have found one step before the next is tried with it.
const ALIKE: u32 = 3;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct LikelyStep(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    step: i64,
    in_a_row: u32,
}

impl LikelyStep {
    /// The step to try; `None` where it has to be read.
    pub(super) fn guess(&self) -> Option<i64> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.in_a_row >= ALIKE).then_some(seen.step)
    }

    /// A tag's first claim found this step.
    pub(super) fn found(&self, step: i64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let in_a_row = match seen.step == step {
            true => seen.in_a_row.saturating_add(1),
            false => 1,
        };
        *seen = Seen { step, in_a_row };
    }

    /// A tag turned out not to exist: where that happens guessing only costs a statement more.
    pub(super) fn missed(&self) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_that_was_found_several_times_in_a_row_is_tried() {
        let likely = LikelyStep::default();
        for step in [10, 10, 20, 20] {
            likely.found(step);
            assert_eq!(likely.guess(), None);
        }
        likely.found(20);
        assert_eq!(likely.guess(), Some(20));
        likely.missed();
        assert_eq!(likely.guess(), None);
    }
}
