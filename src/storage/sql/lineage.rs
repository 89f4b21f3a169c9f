//! Which history the primary's data belongs to: a pure function of its heartbeat and of what this server has
//! seen of it before.
//!
//! One row beside the table is renewed every few seconds while any server runs. It says when that was, on
//! which primary, and its *lineage*: a number that grows whenever claims may have been lost, by as much time
//! as may have been lost of them. A tag whose row says a smaller one is moved past what all servers may have
//! claimed in the difference.

use crate::domain::allowance::{AHEAD, MARGIN, UNKNOWN_LAG};

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

/// What this heartbeat says to a server that has seen `known`.
pub(super) fn judge(found: &Heartbeat, known: Option<&Known>) -> Verdict {
    let stale = found.now.saturating_sub(found.beat).max(0);
    let after =
        |lineage: i64, lost: i64| lineage.max(0).saturating_add(MARGIN.saturating_add(lost));
    if found.identity.is_empty() {
        return Verdict::First;
    }
    if !found.here {
        return Verdict::NewPrimary {
            stale,
            lineage: after(found.lineage, stale),
        };
    }
    if let Some(known) = known
        && found.lineage <= known.lineage
        && (found.lineage < known.lineage || found.beat < known.beat)
    {
        // The other history may have gone on for as long as this server has known it.
        let lost = match found.lineage < known.lineage {
            true => stale.max(known.age),
            false => stale,
        };
        return Verdict::WentBack {
            stale,
            lineage: after(known.lineage, lost),
        };
    }
    if found.beat > found.now.saturating_add(AHEAD) {
        return Verdict::ClockWentBack {
            lineage: after(found.lineage, UNKNOWN_LAG),
        };
    }
    Verdict::Goes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::allowance::SECOND;

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
        })
    }

    fn judged(found: &Heartbeat, known: Option<Known>) -> Verdict {
        judge(found, known.as_ref())
    }

    #[test]
    fn a_heartbeat_that_goes_on_is_left_alone_whoever_renewed_it() {
        for known in [None, known(NOW - SECOND, 7), known(NOW - 9, 6)] {
            assert_eq!(judged(&found(NOW - SECOND, true, 7), known), Verdict::Goes);
        }
        // Another server saw it go back first: its lineage is the larger one, and its beat may be anything.
        let renewed = found(NOW - 30 * SECOND, true, 8);
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
        assert_eq!(
            judged(&found(NOW - stale, false, 7), known(NOW, 9)),
            expected
        );
        // Its clock is behind the old one's.
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
