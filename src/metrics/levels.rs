//! What there is of each tag at the moment of a scrape: ids, seconds, step, max_id.

use super::{OTHER, TAG};
use crate::domain::{BizTag, Ceiling};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};

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

/// What a scrape says of all tags. Made for it and written at once: gauges that stay would have to be found by
/// their labels, and be taken out where a tag has gone.
#[derive(Debug, Default)]
pub(super) struct Levels {
    tags: Vec<(BizTag, Level)>,
    /// The sum over tags without series of their own, and their shortest supply.
    other: Option<(u64, f64)>,
}

impl Levels {
    /// A tag that has series of its own.
    pub(super) fn add(&mut self, tag: &BizTag, level: Level) {
        self.tags.push((tag.clone(), level));
    }

    /// One that has none.
    pub(super) fn add_other(&mut self, level: Level) {
        let (sum, shortest) = self.other.unwrap_or((0, f64::INFINITY));
        let supply = level.supply_seconds();
        self.other = Some((sum.saturating_add(level.left), shortest.min(supply)));
    }

    /// Orders them by tag, so that one is found.
    pub(super) fn sort(&mut self) {
        self.tags.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        // One that was made anew meanwhile may have been met twice.
        self.tags.dedup_by(|a, b| a.0 == b.0);
    }

    /// A tag with a limit of its own (after [`Self::sort`]), with what this server knows of it since the rows were read.
    pub(super) fn seen<'a>(&self, tag: &'a BizTag, read: Ceiling) -> (&'a BizTag, Ceiling, f64) {
        let found = self.tags.binary_search_by(|(name, _)| name.cmp(tag));
        let Some((_, level)) = found.ok().and_then(|index| self.tags.get(index)) else {
            return (tag, read, 0.0);
        };
        let ceiling = Ceiling {
            max_id: read.max_id.max(level.max_id),
            ..read
        };
        (tag, ceiling, level.rate)
    }

    /// The series, sorted by tag; each family is made when it is asked for, as it may be large.
    #[allow(
        clippy::cast_precision_loss,
        reason = "numbers in Prometheus are floats"
    )]
    pub(super) fn into_families(mut self) -> impl Iterator<Item = MetricFamily> {
        self.sort();
        let (sum, shortest) = self.other.unzip();
        let families: [Family; 4] = [
            (
                "id_alloc_buffer_remaining_ids",
                "Ids in memory, not yet handed out.",
                sum.map(|sum| sum as f64),
                |level| level.left as f64,
            ),
            (
                "id_alloc_supply_seconds",
                "How long the ids in memory last at the tag's present rate, in seconds; +Inf while nobody \
                       asks for any.",
                shortest,
                Level::supply_seconds,
            ),
            (
                "id_alloc_segment_step_ids",
                "Size of the claims in force, in ids.",
                None,
                |level| level.step as f64,
            ),
            (
                "id_alloc_max_id",
                "End of what this server has claimed: no id it handed out is as large.",
                None,
                |level| level.max_id as f64,
            ),
        ];
        let series = move |(name, help, other, value): Family| {
            let tags = self.tags.iter();
            let tags = tags.map(|(tag, level)| gauge(tag.as_str(), value(level)));
            let other = other.map(|value| gauge(OTHER, value));
            family(name, help, other.into_iter().chain(tags))
        };
        // One without series cannot be written.
        let families = families.into_iter().map(series);
        families.filter(|family| !family.get_metric().is_empty())
    }
}

/// A gauge's name and help text, its value for tags without series of their own, and for one of those that have them.
type Family = (&'static str, &'static str, Option<f64>, fn(&Level) -> f64);

/// Gauges with these series.
pub(super) fn family(name: &str, help: &str, series: impl Iterator<Item = Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(series.collect());
    family
}

pub(super) fn gauge(tag: &str, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(vec![label(tag)]);
    metric.set_gauge(gauge);
    metric
}

pub(super) fn label(tag: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(TAG.to_owned());
    label.set_value(tag.to_owned());
    label
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

    #[test]
    fn tags_are_sorted_and_those_without_series_stand_together() {
        let level = |left, rate| Level {
            left,
            rate,
            step: 7,
            max_id: 9,
        };
        let mut levels = Levels::default();
        for name in ["b", "a", "b"] {
            levels.add(&BizTag::parse(name).unwrap(), level(10, 2.0));
        }
        levels.add_other(level(30, 1.0));
        levels.add_other(level(40, 20.0));
        let families: Vec<MetricFamily> = levels.into_families().collect();
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&families)
            .unwrap();
        let of = |name: &str| -> Vec<&str> {
            text.lines()
                .filter_map(|line| line.strip_prefix(name))
                .collect()
        };
        let other = r#"{biz_tag="_other"}"#;
        assert_eq!(
            of("id_alloc_buffer_remaining_ids"),
            [
                format!("{other} 70"),
                r#"{biz_tag="a"} 10"#.to_owned(),
                r#"{biz_tag="b"} 10"#.to_owned()
            ]
        );
        assert_eq!(
            of("id_alloc_supply_seconds"),
            [
                format!("{other} 2"),
                r#"{biz_tag="a"} 5"#.to_owned(),
                r#"{biz_tag="b"} 5"#.to_owned()
            ]
        );
        assert_eq!(of("id_alloc_max_id").len(), 2);
        assert_eq!(Levels::default().into_families().count(), 0);
    }
}
