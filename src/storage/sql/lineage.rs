//! Which history the primary's data belongs to: a pure function of its heartbeat and of what this server has
//! seen of it before.
//!
//! One row beside the table is renewed every few seconds while any server runs. It says when that was, on
//! which primary, and its *lineage*: a number that grows whenever claims may have been lost, by as much time
//! as may have been lost of them. A tag whose row says a smaller one is moved past what all servers may have
//! claimed in the difference.

use crate::domain::allowance::{AHEAD, MARGIN, SECOND, UNKNOWN_LAG};

/// The heartbeat as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heartbeat {
    /// When it was renewed last, in microseconds of the database's clock.
    pub(super) beat: i64,
    /// On which primary; empty where it never was.
    pub(super) identity: String,
    /// Whether that is the server which answered.
    pub(super) here: bool,
    /// Its lineage.
    pub(super) lineage: i64,
    /// The database's clock.
    pub(super) now: i64,
}

/// What this server has seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) beat: i64,
    pub(super) lineage: i64,
    /// How long ago the lineage was seen first, in microseconds.
    pub(super) age: i64,
    /// How long ago the beat was seen, in microseconds.
    pub(super) ago: i64,
}

/// What a heartbeat says of the data beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on as it was, or another server has begun the lineage that it says.
    Goes,
    /// No server has ever run here.
    First,
    /// Another primary than before: begin this lineage.
    NewPrimary {
        /// How stale its data were when it was promoted.
        stale: i64,
        /// The new lineage.
        lineage: i64,
    },
    /// It says less than this server has seen: claims were lost. Begin this lineage.
    WentBack {
        /// How long ago the data were current.
        stale: i64,
        /// The new lineage.
        lineage: i64,
    },
    /// It is of a clock ahead of this one, so that no staleness can be told: begin this lineage.
    ClockWentBack {
        /// The new lineage.
        lineage: i64,
    },
}

/// Clocks of two primaries are this close to each other, or they tell nothing.
const CLOCKS: i64 = SECOND;

/// What this heartbeat says to a server that has seen `known`.
pub(super) fn judge(found: &Heartbeat, known: Option<&Known>) -> Verdict {
    let stale = stale(found, known);
    // What was claimed in a history that this server has seen, and that is not part of this one, may have
    // gone on for as long as it was known.
    let unseen = known.filter(|known| !continues(found, known));
    let lineage = found
        .lineage
        .max(unseen.map_or(0, |known| known.lineage))
        .max(0)
        .saturating_add(MARGIN)
        .saturating_add(stale.max(unseen.map_or(0, |known| known.age)));
    let is_never_renewed = found.identity.is_empty();
    if !found.here && !is_never_renewed {
        return Verdict::NewPrimary { stale, lineage };
    }
    let is_older = |known: &Known| found.lineage == known.lineage && found.beat < known.beat;
    if unseen.is_some() || known.is_some_and(is_older) {
        return Verdict::WentBack { stale, lineage };
    }
    if is_never_renewed {
        return Verdict::First;
    }
    if found.beat > found.now.saturating_add(AHEAD) {
        return Verdict::ClockWentBack {
            lineage: lineage.saturating_add(UNKNOWN_LAG),
        };
    }
    Verdict::Goes
}

/// Whether the history that was found may have begun in the one that is known: then it has the same number, or
/// one that is larger by [`MARGIN`] at least. One that no server has renewed has begun only now.
fn continues(found: &Heartbeat, known: &Known) -> bool {
    let later = found.lineage.saturating_sub(known.lineage);
    later >= MARGIN || later == 0 && !found.identity.is_empty()
}

/// How stale the data are.
fn stale(found: &Heartbeat, known: Option<&Known>) -> i64 {
    if found.identity.is_empty() {
        return UNKNOWN_LAG;
    }
    // Of the history that is known this server tells it by its own clock and the one that wrote both beats: the
    // clocks of two primaries need not agree.
    let seen = known
        .filter(|known| known.lineage == found.lineage && known.beat > found.beat)
        .map_or(0, |known| {
            known
                .beat
                .saturating_sub(found.beat)
                .saturating_add(known.ago)
        });
    let by_clock = match found.now.saturating_sub(found.beat) {
        ahead if ahead < -CLOCKS && !found.here => UNKNOWN_LAG,
        behind => behind.max(0),
    };
    by_clock.max(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000 * SECOND;

    fn found(beat: i64, here: bool, lineage: i64) -> Heartbeat {
        Heartbeat {
            beat,
            identity: "p".to_owned(),
            here,
            lineage,
            now: NOW,
        }
    }

    fn known(beat: i64, lineage: i64) -> Option<Known> {
        Some(Known {
            beat,
            lineage,
            age: 50 * SECOND,
            ago: 2 * SECOND,
        })
    }

    fn judged(found: &Heartbeat, known: Option<Known>) -> Verdict {
        judge(found, known.as_ref())
    }

    #[test]
    fn a_heartbeat_that_goes_on_is_left_alone_whoever_renewed_it() {
        for known in [None, known(NOW - SECOND, 7), known(NOW - 9, 7 - MARGIN)] {
            assert_eq!(judged(&found(NOW - SECOND, true, 7), known), Verdict::Goes);
        }
        // Another server saw it go back first: its lineage is the larger one, and its beat may be anything.
        let renewed = found(NOW - 30 * SECOND, true, 7 + MARGIN);
        assert_eq!(judged(&renewed, known(NOW, 7)), Verdict::Goes);
    }

    #[test]
    fn a_new_primary_tells_how_stale_it_was() {
        let stale = 3 * SECOND / 2;
        let expected = Verdict::NewPrimary {
            stale,
            lineage: 7 + MARGIN + stale,
        };
        assert_eq!(judged(&found(NOW - stale, false, 7), None), expected);
        // Its clock is a little behind the old one's.
        let ahead = judged(&found(NOW + SECOND, false, 7), None);
        assert_eq!(
            ahead,
            Verdict::NewPrimary {
                stale: 0,
                lineage: 7 + MARGIN
            }
        );
    }

    #[test]
    fn where_clocks_differ_a_server_that_has_seen_the_old_primary_tells_how_stale_the_new_one_is() {
        // The old primary's clock was 20 seconds ahead, and its replica is 18 seconds behind.
        let replicated = found(NOW + 2 * SECOND, false, 7);
        let stale = |verdict| match verdict {
            Verdict::NewPrimary { stale, .. } => stale,
            other => panic!("{other:?}"),
        };
        let newest = known(NOW + 18 * SECOND, 7);
        assert_eq!(stale(judged(&replicated, newest)), UNKNOWN_LAG);
        let replicated = found(NOW, false, 7);
        assert_eq!(stale(judged(&replicated, newest)), 20 * SECOND);
        // Who has seen nothing of it cannot tell, and so takes the worst.
        let replicated = found(NOW + CLOCKS + 1, false, 7);
        assert_eq!(stale(judged(&replicated, None)), UNKNOWN_LAG);
    }

    #[test]
    fn a_new_primary_that_never_heard_of_the_one_before_it_is_moved_past_what_that_one_did() {
        let stale = 4 * SECOND;
        let expected = Verdict::NewPrimary {
            stale,
            lineage: 7 + 2 * MARGIN + 50 * SECOND,
        };
        let known = known(NOW, 7 + MARGIN);
        assert_eq!(judged(&found(NOW - stale, false, 7), known), expected);
    }

    #[test]
    fn a_lineage_that_did_not_begin_in_the_known_one_lacks_what_was_claimed_there() {
        // Somebody who had not seen the primary in between came first.
        for other in [7 + 1, 7 + MARGIN - 1] {
            assert_eq!(
                judged(&found(NOW, true, other), known(NOW - SECOND, 7)),
                Verdict::WentBack {
                    stale: 0,
                    lineage: other + MARGIN + 50 * SECOND
                }
            );
        }
    }

    #[test]
    fn a_heartbeat_that_is_older_than_the_one_seen_went_back() {
        let stale = 20 * SECOND;
        assert_eq!(
            judged(&found(NOW - stale, true, 7), known(NOW - stale + 1, 7)),
            Verdict::WentBack {
                stale,
                lineage: 7 + MARGIN + stale
            }
        );
    }

    #[test]
    fn a_heartbeat_that_was_made_anew_beside_older_data_went_back() {
        let never = Heartbeat {
            beat: 0,
            identity: String::new(),
            ..found(0, false, 0)
        };
        assert_eq!(judged(&never, None), Verdict::First);
        for lineage in [0, 7] {
            let expected = Verdict::WentBack {
                stale: UNKNOWN_LAG,
                lineage: lineage + MARGIN + 50 * SECOND,
            };
            assert_eq!(judged(&never, known(NOW, lineage)), expected);
        }
        // A row that a server made in the place of one that was deleted is beyond what was known.
        let made = Heartbeat {
            lineage: 7 + MARGIN + UNKNOWN_LAG,
            beat: NOW,
            ..never
        };
        assert_eq!(judged(&made, known(NOW, 7)), Verdict::First);
    }

    #[test]
    fn a_primary_that_comes_back_without_the_one_in_between_is_moved_past_what_that_one_did() {
        // It was renewed since, by a server that never left it.
        assert_eq!(
            judged(&found(NOW, true, 7), known(NOW - SECOND, 9)),
            Verdict::WentBack {
                stale: 0,
                lineage: 9 + MARGIN + 50 * SECOND
            }
        );
    }

    #[test]
    fn a_clock_that_went_back_makes_the_heartbeat_worthless() {
        assert_eq!(
            judged(&found(NOW + AHEAD + 1, true, 7), None),
            Verdict::ClockWentBack {
                lineage: 7 + MARGIN + UNKNOWN_LAG
            }
        );
    }
}
