//! What a scrape says of tags with a limit of their own.

use super::levels::gauge;
use crate::domain::{BizTag, Ceiling};
use prometheus::proto::{MetricFamily, MetricType};

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
    vec![
        family(
            "id_alloc_tag_id_limit",
            "No id of the tag reaches this number; of tags with a limit of their own.",
            tags,
            |(_, ceiling, _)| ceiling.limit as f64,
        ),
        family(
            "id_alloc_tag_id_limit_used_ratio",
            "Share of the ids below the tag's own limit that servers have claimed, from 0 to 1.",
            tags,
            |(_, ceiling, _)| ceiling.used(),
        ),
        family(
            "id_alloc_tag_id_limit_days_left",
            "How many days the ids below the tag's own limit last at the rate at which all servers claimed them lately; \
             +Inf while nobody does.",
            tags,
            |(_, ceiling, rate)| ceiling.days_left(*rate),
        ),
    ]
}

fn family(
    name: &str,
    help: &str,
    tags: &[Seen<'_>],
    value: impl Fn(&Seen<'_>) -> f64,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    let series = tags.iter().map(|seen| gauge(seen.0.as_str(), value(seen)));
    family.set_metric(series.collect());
    family
}
