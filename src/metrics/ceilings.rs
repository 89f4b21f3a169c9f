//! What a scrape says of tags with a limit of their own.

use super::levels::{family, gauge};
use crate::domain::{BizTag, Ceiling};
use prometheus::proto::MetricFamily;

/// Such a tag, and how many ids per second this server hands out of it.
pub(super) type Seen<'a> = (&'a BizTag, Ceiling, f64);

/// The series of these tags; none where there are none.
#[allow(
    clippy::cast_precision_loss,
    reason = "numbers in Prometheus are floats"
)]
pub(super) fn families(tags: &[Seen<'_>]) -> Vec<MetricFamily> {
    if tags.is_empty() {
        return Vec::new();
    }
    let of = |name, help, value: fn(Ceiling, f64) -> f64| {
        let series = tags.iter();
        let series = series.map(|(tag, ceiling, rate)| gauge(tag.as_str(), value(*ceiling, *rate)));
        family(name, help, series)
    };
    vec![
        of(
            "id_alloc_tag_id_limit",
            "No id of the tag reaches this number; of tags with a limit of their own.",
            |ceiling, _| ceiling.limit as f64,
        ),
        of(
            "id_alloc_tag_id_limit_used_ratio",
            "Share of the ids below the tag's own limit that servers have claimed, from 0 to 1.",
            |ceiling, _| ceiling.used(),
        ),
        of(
            "id_alloc_tag_id_limit_days_left",
            "How many days the ids below the tag's own limit last at the rate at which all servers claimed them lately; \
             +Inf while nobody does.",
            |ceiling, rate| ceiling.days_left(rate),
        ),
    ]
}
