//! What there is of each tag at the moment of a scrape: ids, seconds, step, max_id.

use super::{OTHER, register};
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};

/// What there is of one tag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Ids in memory.
    pub left: u64,
    /// Ids handed out per second, smoothed.
    pub rate: f64,
    /// The size of claims in force, in ids.
    pub step: i64,
    /// End of what this server ever claimed.
    pub max_id: i64,
}

impl Level {
    /// How long the ids in memory last at the present rate, in seconds; infinite for a tag at rest.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "seconds, not ids")]
    pub fn supply_seconds(&self) -> f64 {
        match (self.left, self.rate) {
            (0, _) => 0.0,
            (_, rate) if rate < AT_REST => f64::INFINITY,
            (left, rate) => left as f64 / rate,
        }
    }
}

/// Slower than an id in a quarter of an hour: nobody uses it.
const AT_REST: f64 = 0.001;

/// The gauges of all tags, set anew at each scrape.
#[derive(Debug)]
pub(super) struct Levels {
    remaining: IntGaugeVec,
    supply: GaugeVec,
    step: IntGaugeVec,
    max_id: IntGaugeVec,
    /// The sum over tags without series of their own, and their shortest supply.
    other: Option<(i64, f64)>,
}

impl Levels {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let whole = |name, help| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["biz_tag"])?;
            register(registry, gauge)
        };
        Ok(Self {
            remaining: whole(
                "id_alloc_buffer_remaining_ids",
                "Ids in memory, not yet handed out.",
            )?,
            supply: register(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "id_alloc_supply_seconds",
                        "How long the ids in memory last at the tag's present rate, in seconds; +Inf while \
                         nobody asks for any.",
                    ),
                    &["biz_tag"],
                )?,
            )?,
            step: whole(
                "id_alloc_segment_step_ids",
                "Size of the claims in force, in ids.",
            )?,
            max_id: whole(
                "id_alloc_max_id",
                "End of what this server has claimed: no id it handed out is as large.",
            )?,
            other: None,
        })
    }

    pub(super) fn reset(&mut self) {
        self.remaining.reset();
        self.supply.reset();
        self.step.reset();
        self.max_id.reset();
        self.other = None;
    }

    pub(super) fn set(&mut self, label: &str, level: &Level) {
        let left = i64::try_from(level.left).unwrap_or(i64::MAX);
        let supply = level.supply_seconds();
        if label == OTHER {
            let (sum, shortest) = self.other.unwrap_or((0, f64::INFINITY));
            let (sum, shortest) = (sum.saturating_add(left), shortest.min(supply));
            self.other = Some((sum, shortest));
            self.remaining.with_label_values(&[OTHER]).set(sum);
            self.supply.with_label_values(&[OTHER]).set(shortest);
            return;
        }
        self.remaining.with_label_values(&[label]).set(left);
        self.supply.with_label_values(&[label]).set(supply);
        self.step.with_label_values(&[label]).set(level.step);
        self.max_id.with_label_values(&[label]).set(level.max_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supply_is_none_for_an_empty_buffer_and_endless_at_rest() {
        let level = |left, rate| Level {
            left,
            rate,
            step: 1,
            max_id: 1,
        };
        assert_eq!(level(600, 2.0).supply_seconds().to_string(), "300");
        assert_eq!(level(0, 0.0).supply_seconds().to_string(), "0");
        assert!(level(1, 0.0).supply_seconds().is_infinite());
    }
}
