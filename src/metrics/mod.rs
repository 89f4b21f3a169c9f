//! `Metrics`: everything Prometheus scrapes, in one registry of its own. Help texts say unit and meaning.

mod ceilings;
mod http;
mod levels;
mod redis;
mod register;
mod store;
mod unused;

pub use http::{HttpMetrics, Interface};
pub use levels::Level;
pub use redis::RedisMetrics;
pub use store::StoreMetrics;
pub use unused::{Unused, UnusedIds};

use crate::domain::{BizTag, Ceiling};
use levels::Levels;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
    proto::{Counter, Metric, MetricFamily},
};
use register::{counter, counters, gauge, gauges, metrics};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// For whom metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Who may know which tags there are.
    Operator,
    /// Who may not: all tags stand together.
    Stranger,
}

/// The name of the label that names a tag.
const TAG: &str = "biz_tag";

/// The label of tags past `telemetry.max_tag_series`.
const OTHER: &str = "_other";

/// Which actors are restarted, and why.
const RESTARTS: [(&str, &str); 4] = [
    ("tag", "store_failure"),
    ("tag", "panic"),
    ("loader", "panic"),
    ("registry", "panic"),
];

metrics! {
    /// The metrics of one server.
    pub struct Metrics {
        /// Of requests.
        pub http: HttpMetrics = HttpMetrics::registered();
        /// Of Redis' clients.
        pub redis: RedisMetrics = RedisMetrics::registered();
        /// Of the store and of claims.
        pub store: StoreMetrics = StoreMetrics::new();
        pub tags_loaded: IntGauge = gauge("id_alloc_tags_loaded", "Tags in memory.");
        pub waiting: IntGauge = gauge("id_alloc_waiting_requests", "Requests waiting for ids.");
        pub draining: IntGauge = gauge("id_alloc_draining", "1 while the server drains before it stops, else 0.");
        pub log_lines_dropped: IntCounter = counter("id_alloc_log_lines_dropped_total",
            "Log lines that were dropped, as nobody read them fast enough, or could not be written.");
        /// Ids that nobody will ever get.
        pub ids_unused: UnusedIds = UnusedIds::new();
        actor_restarts: IntCounterVec = counters("id_alloc_actor_restarts_total",
            "Actors restarted by their supervisor or made anew after a panic.", ["actor", "reason"]);
        ids_allocated: IntCounterVec = counters("id_alloc_ids_allocated_total", "Ids handed out, by biz_tag.", [TAG]);
        build_info: IntGaugeVec = gauges("id_alloc_build_info", "1, with the version as a label.", "version");
        id_limit: IntGauge = gauge("id_alloc_id_limit", "No id reaches this number (allocation.id_limit).");
    }
    and {
        all: Registry,
        /// Tags with a series of their own, at most `max_tag_series`.
        tagged: Mutex<HashSet<BizTag>>,
        max_tag_series: usize,
        /// Tags with a limit of their own, as the rows said last.
        ceilings: Mutex<Vec<(BizTag, Ceiling)>>,
        /// How long the text of the last scrape was, in bytes.
        text_length: AtomicUsize,
    }
}

/// The series of one tag.
#[derive(Debug, Clone)]
pub struct TagMetrics {
    allocated: IntCounter,
    unused: UnusedIds,
}

impl TagMetrics {
    /// Counts ids handed out.
    pub fn allocated(&self, ids: u64) {
        self.allocated.inc_by(ids);
    }

    /// Counts ids that nobody will ever get.
    pub fn unused(&self, why: Unused, ids: u64) {
        self.unused.count(why, ids);
    }
}

impl Metrics {
    /// Series with known labels at 0, so that a first increase is seen. `id_limit` is the end of the id
    /// space; past `max_tag_series` tags the rest is counted under `_other`.
    ///
    /// # Errors
    /// [`prometheus::Error`] where two metrics had the same name.
    pub fn new(max_tag_series: usize, id_limit: i64) -> Result<Self, prometheus::Error> {
        let all = Registry::new();
        #[cfg(target_os = "linux")]
        all.register(Box::new(ProcessCollector::for_self()))?;
        let metrics = Self::registered(
            &all.clone(),
            all,
            Mutex::default(),
            max_tag_series,
            Mutex::default(),
            AtomicUsize::new(0),
        )?;
        let version = [env!("CARGO_PKG_VERSION")];
        metrics.build_info.with_label_values(&version).set(1);
        metrics.id_limit.set(id_limit);
        for (actor, reason) in RESTARTS {
            metrics.actor_restarts.with_label_values(&[actor, reason]);
        }
        Ok(metrics)
    }

    /// The series of `tag`, or those of `_other` where the limit is reached.
    pub fn tag(&self, tag: &BizTag) -> TagMetrics {
        let label = if self.has_series(tag) {
            tag.as_str()
        } else {
            OTHER
        };
        TagMetrics {
            allocated: self.ids_allocated.with_label_values(&[label]),
            unused: self.ids_unused.clone(),
        }
    }

    /// Whether `tag` has series of its own; it gets them while there are any left.
    fn has_series(&self, tag: &BizTag) -> bool {
        let mut tagged = self.tagged.lock().unwrap_or_else(PoisonError::into_inner);
        if tagged.contains(tag) {
            return true;
        }
        let is_room = tagged.len() < self.max_tag_series;
        if is_room {
            tagged.insert(tag.clone());
        }
        is_room
    }

    /// Takes in how far tags with a limit of their own have come.
    pub fn set_ceilings(&self, ceilings: Vec<(BizTag, Ceiling)>) {
        *self.ceilings() = ceilings;
    }

    /// How far each of these tags has come that has a limit of its own.
    pub fn ceilings_of<'a>(
        &self,
        tags: impl IntoIterator<Item = &'a BizTag>,
    ) -> HashMap<&'a BizTag, Ceiling> {
        let mut wanted: HashSet<&BizTag> = tags.into_iter().collect();
        let ceilings = self.ceilings();
        let found = ceilings.iter();
        found
            .filter_map(|(tag, ceiling)| Some((wanted.take(tag)?, *ceiling)))
            .collect()
    }

    fn ceilings(&self) -> MutexGuard<'_, Vec<(BizTag, Ceiling)>> {
        self.ceilings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a restart.
    pub fn restarted(&self, actor: &str, reason: &str) {
        self.actor_restarts
            .with_label_values(&[actor, reason])
            .inc();
    }

    /// Everything in Prometheus' text format; `visit_all` visits the level of each loaded tag.
    pub fn render(
        &self,
        audience: Audience,
        visit_all: impl FnOnce(&mut dyn FnMut(&BizTag, Level)),
    ) -> Result<String, prometheus::Error> {
        let mut levels = Levels::default();
        let is_told = audience == Audience::Operator;
        visit_all(&mut |tag, level| match is_told && self.has_series(tag) {
            true => levels.add(tag, level),
            false => levels.add_other(level),
        });
        let encoder = TextEncoder::new();
        let mut text = String::with_capacity(self.text_length.load(Ordering::Relaxed));
        let mut families = self.all.gather();
        if !is_told {
            families.iter_mut().for_each(without_tags);
        }
        encoder.encode_utf8(&families, &mut text)?;
        levels.sort();
        let ceilings = self.ceilings().clone();
        let limited = ceilings
            .iter()
            .filter(|(tag, _)| is_told && self.has_series(tag));
        let limited: Vec<_> = limited
            .map(|(tag, ceiling)| levels.seen(tag, *ceiling))
            .collect();
        encoder.encode_utf8(&ceilings::families(&limited), &mut text)?;
        for family in levels.into_families() {
            encoder.encode_utf8(&[family], &mut text)?;
        }
        self.text_length.store(text.len(), Ordering::Relaxed);
        Ok(text)
    }
}

/// The sum over all tags, where a family counts by tag.
fn without_tags(family: &mut MetricFamily) {
    let is_by_tag = |metric: &Metric| metric.get_label().iter().any(|label| label.name() == TAG);
    if !family.get_metric().iter().any(is_by_tag) {
        return;
    }
    let counted = family.get_metric().iter();
    let sum = counted.map(|metric| metric.get_counter().get_value()).sum();
    let mut counter = Counter::default();
    counter.set_value(sum);
    let mut all = Metric::from_label(vec![levels::label(OTHER)]);
    all.set_counter(counter);
    family.set_metric(vec![all]);
}
