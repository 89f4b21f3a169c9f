//! How far tags with a limit of their own have come, and how fast: what all servers claim is seen in the row alone,
//! so it is read now and then and compared with what it said an hour or two ago.

use super::BizTag;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The rate is taken over at least this time, once there is so much; a claim may last a quarter of an hour.
const SPAN: Duration = Duration::from_secs(3600);

/// Before that: what was seen for a shorter time than this says nothing.
const LEAST: Duration = Duration::from_secs(900);

/// One tag with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ceiling {
    /// No id reaches this number.
    pub limit: i64,
    /// End of what has been claimed by all servers.
    pub max_id: i64,
    /// Ids per second by which that grew lately; `None` before it is known.
    pub growth: Option<f64>,
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a share and days are not counted in ids"
)]
impl Ceiling {
    /// The share of its ids that has been claimed, 1 where none are left.
    #[must_use]
    pub fn used(&self) -> f64 {
        (self.max_id as f64 / self.limit.max(1) as f64).clamp(0.0, 1.0)
    }

    /// How long the rest lasts, in days, where `rate` ids per second are known to be used here and all servers
    /// together claim what [`Self::growth`] says; infinite where nobody uses any.
    #[must_use]
    pub fn days_left(&self, rate: f64) -> f64 {
        let left = self.limit.saturating_sub(self.max_id).max(0) as f64;
        let rate = self.growth.unwrap_or(0.0).max(rate);
        match left > 0.0 && rate <= 0.0 {
            true => f64::INFINITY,
            false => left / rate.max(f64::MIN_POSITIVE) / 86_400.0,
        }
    }
}

/// What was read of one tag.
#[derive(Debug, Clone, Copy)]
struct Track {
    /// What the rate is counted from.
    from: (Instant, i64),
    /// What it is counted from next.
    later: (Instant, i64),
}

/// All of them. See the module's documentation.
#[derive(Debug, Default)]
pub struct Ceilings {
    tracks: HashMap<BizTag, Track>,
}

impl Ceilings {
    /// Takes in what the rows say at `now`: tag, `max_id`, limit. Tags that are not among them are forgotten.
    pub fn read(
        &mut self,
        now: Instant,
        rows: impl IntoIterator<Item = (BizTag, i64, i64)>,
    ) -> Vec<(BizTag, Ceiling)> {
        let mut before = std::mem::take(&mut self.tracks);
        let mut found = Vec::new();
        for (tag, max_id, limit) in rows {
            let here = (now, max_id);
            let mut track = before.remove(&tag).unwrap_or(Track {
                from: here,
                later: here,
            });
            if now.saturating_duration_since(track.later.0) >= SPAN {
                track = Track {
                    from: track.later,
                    later: here,
                };
            }
            let growth = growth(track.from, here);
            self.tracks.insert(tag.clone(), track);
            let ceiling = Ceiling {
                limit,
                max_id,
                growth,
            };
            found.push((tag, ceiling));
        }
        found
    }
}

/// Ids per second between two readings, where they are far enough apart.
#[allow(clippy::cast_precision_loss, reason = "a rate")]
fn growth(from: (Instant, i64), to: (Instant, i64)) -> Option<f64> {
    let time = to.0.saturating_duration_since(from.0);
    let ids = to.1.saturating_sub(from.1).max(0);
    (time >= LEAST).then(|| ids as f64 / time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag() -> BizTag {
        BizTag::parse("order").unwrap()
    }

    #[test]
    fn the_share_and_the_days_left_follow_what_all_servers_claim() {
        let (mut ceilings, start) = (Ceilings::default(), Instant::now());
        let mut read = |minutes: u64, max_id| {
            let now = start + Duration::from_secs(60 * minutes);
            ceilings.read(now, [(tag(), max_id, 1_000_000)])[0].1
        };
        assert_eq!(read(0, 100_000).growth, None);
        assert_eq!(read(14, 100_000).growth, None);
        // 9,000 ids in 15 minutes are 10 a second.
        assert_eq!(read(15, 109_000).growth, Some(10.0));
        let hour = read(60, 136_000);
        assert_eq!((hour.growth, hour.used()), (Some(10.0), 0.136));
        assert_eq!(hour.days_left(0.0), 1.0);
        // A server that sees more of it is believed.
        assert_eq!(hour.days_left(20.0), 0.5);
        // Nothing was claimed in the second hour: the span ends with it, an hour later.
        assert_eq!(read(120, 136_000).growth, Some(0.0));
        assert_eq!(read(121, 136_000).days_left(0.0), f64::INFINITY);
    }

    #[test]
    fn at_the_end_nothing_is_left_however_slow() {
        let end = Ceiling {
            limit: 10,
            max_id: 12,
            growth: Some(0.0),
        };
        assert_eq!((end.used(), end.days_left(0.0)), (1.0, 0.0));
    }

    #[test]
    fn a_tag_that_lost_its_limit_is_forgotten() {
        let (mut ceilings, start) = (Ceilings::default(), Instant::now());
        ceilings.read(start, [(tag(), 0, 10)]);
        assert!(ceilings.read(start, []).is_empty());
        assert!(ceilings.tracks.is_empty());
    }
}
