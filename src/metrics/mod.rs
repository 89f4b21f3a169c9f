//! `Metrics`: everything Prometheus scrapes, in one registry of its own. Help texts say unit and meaning.

mod levels;

pub use levels::Level;

use crate::domain::BizTag;
use levels::Levels;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};
use std::{
    collections::HashSet,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The label of tags past `telemetry.max_tag_series`.
const OTHER: &str = "_other";

/// The metrics of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ids_allocated: IntCounterVec,
    segment_loads: IntCounterVec,
    segment_load_duration: Histogram,
    store_ping_duration: Histogram,
    actor_restarts: IntCounterVec,
    rejected: IntCounterVec,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    /// Those of `GET /alloc` that were answered with ids, looked up once: nearly all are.
    alloc_requests: OnceLock<(IntCounter, Histogram)>,
    /// 1 while the store can be used, as far as is known.
    pub store_up: IntGauge,
    /// 1 while claims carry the guard.
    pub guard_active: IntGauge,
    /// Tags in memory.
    pub tags_loaded: IntGauge,
    /// Callers waiting for ids.
    pub waiting: IntGauge,
    /// 1 while the server drains.
    pub draining: IntGauge,
    /// Rows found below what had been claimed.
    max_id_regressions: IntCounter,
    /// Rows moved after a failover.
    failover_skips: IntCounter,
    /// Tags with a series of their own, at most `max_tag_series`.
    tagged: Mutex<HashSet<BizTag>>,
    max_tag_series: usize,
    /// The id space's end.
    id_limit: IntGauge,
    store_connections: IntGaugeVec,
    /// How long the text of the last scrape was, in bytes.
    text_length: AtomicUsize,
}

/// The series of one tag.
#[derive(Debug, Clone)]
pub struct TagMetrics {
    allocated: IntCounter,
}

impl TagMetrics {
    /// Counts ids handed out.
    pub fn allocated(&self, ids: u64) {
        self.allocated.inc_by(ids);
    }
}

impl Metrics {
    /// An empty set; past `max_tag_series` tags the rest is counted under `_other`.
    ///
    /// # Errors
    /// [`prometheus::Error`] where two metrics had the same name.
    pub fn new(max_tag_series: usize) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            ids_allocated: counters(
                &registry,
                "id_alloc_ids_allocated_total",
                "Ids handed out, by biz_tag.",
                &["biz_tag"],
            )?,
            segment_loads: counters(
                &registry,
                "id_alloc_segment_loads_total",
                "Attempts to claim a segment, by outcome.",
                &["outcome"],
            )?,
            segment_load_duration: store_duration(
                &registry,
                "id_alloc_segment_load_duration_seconds",
                "How long one attempt to claim a segment took.",
            )?,
            store_ping_duration: store_duration(
                &registry,
                "id_alloc_store_ping_duration_seconds",
                "How long the database took to say that it is there, asked every few seconds.",
            )?,
            actor_restarts: counters(
                &registry,
                "id_alloc_actor_restarts_total",
                "Actors restarted by their supervisor or made anew after a panic.",
                &["actor", "reason"],
            )?,
            rejected: counters(
                &registry,
                "id_alloc_requests_rejected_total",
                "Requests answered with an error, by its code.",
                &["code"],
            )?,
            requests: counters(
                &registry,
                "http_requests_total",
                "HTTP requests answered.",
                &["route", "method", "status"],
            )?,
            request_duration: register(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "http_request_duration_seconds",
                        "Time from a request's head to its response.",
                    )
                    .buckets(vec![
                        0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                        0.25, 0.5, 1.0, 2.5,
                    ]),
                    &["route"],
                )?,
            )?,
            store_up: gauge(
                &registry,
                "id_alloc_store_up",
                "1 while the database can be used, as far as is known, else 0.",
            )?,
            guard_active: gauge(
                &registry,
                "id_alloc_guard_active",
                "1 while claims are guarded against a row that went backwards, else 0.",
            )?,
            tags_loaded: gauge(&registry, "id_alloc_tags_loaded", "Tags in memory.")?,
            waiting: gauge(
                &registry,
                "id_alloc_waiting_requests",
                "Requests waiting for ids.",
            )?,
            draining: gauge(
                &registry,
                "id_alloc_draining",
                "1 while the server drains before it stops, else 0.",
            )?,
            max_id_regressions: counter(
                &registry,
                "id_alloc_max_id_regressions_total",
                "Rows whose max_id was below what had been claimed, and that were raised.",
            )?,
            failover_skips: counter(
                &registry,
                "id_alloc_failover_skips_total",
                "Rows moved forwards because they were claimed on another primary.",
            )?,
            alloc_requests: OnceLock::new(),
            tagged: Mutex::default(),
            max_tag_series,
            id_limit: gauge(
                &registry,
                "id_alloc_id_limit",
                "No id reaches this number (allocation.id_limit).",
            )?,
            store_connections: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "id_alloc_store_connections",
                        "Connections to the database, by state: idle or in use.",
                    ),
                    &["state"],
                )?,
            )?,
            text_length: AtomicUsize::new(0),
            registry,
        };
        metrics.start_at_zero()?;
        Ok(metrics)
    }

    /// Series with known labels exist from the start, so that a first increase is seen.
    fn start_at_zero(&self) -> Result<(), prometheus::Error> {
        for outcome in [
            "ok",
            "transient",
            "permanent",
            "unknown",
            "stale",
            "regressed",
            "moved",
        ] {
            self.segment_loads.with_label_values(&[outcome]);
        }
        for (actor, reason) in [
            ("tag", "store_failure"),
            ("tag", "panic"),
            ("loader", "panic"),
            ("registry", "panic"),
        ] {
            self.actor_restarts.with_label_values(&[actor, reason]);
        }
        let build = register(
            &self.registry,
            IntGaugeVec::new(
                Opts::new("id_alloc_build_info", "1, with the version as a label."),
                &["version"],
            )?,
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        self.registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(())
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

    /// Counts an attempt to claim by its outcome.
    pub fn load_ended(&self, outcome: &str) {
        self.segment_loads.with_label_values(&[outcome]).inc();
    }

    /// Counts the rows that a claim raised and moved on its way.
    pub fn repaired(&self, raised: u64, moved: u64) {
        let loads = |outcome| self.segment_loads.with_label_values(&[outcome]);
        loads("regressed").inc_by(raised);
        loads("moved").inc_by(moved);
        self.max_id_regressions.inc_by(raised);
        self.failover_skips.inc_by(moved);
    }

    /// Notes how long an attempt to claim took.
    pub fn load_took(&self, duration: Duration) {
        self.segment_load_duration.observe(duration.as_secs_f64());
    }

    /// Notes how long the store took to say that it is there.
    pub fn ping_took(&self, duration: Duration) {
        self.store_ping_duration.observe(duration.as_secs_f64());
    }

    /// Counts a restart.
    pub fn restarted(&self, actor: &str, reason: &str) {
        self.actor_restarts
            .with_label_values(&[actor, reason])
            .inc();
    }

    /// Counts a refused request.
    pub fn rejected(&self, code: &str) {
        self.rejected.with_label_values(&[code]).inc();
    }

    /// Counts an answered request.
    pub fn answered(&self, route: &str, method: &str, status: &str, duration: Duration) {
        self.requests
            .with_label_values(&[route, method, status])
            .inc();
        self.request_duration
            .with_label_values(&[route])
            .observe(duration.as_secs_f64());
    }

    /// Makes the series of these codes of refused requests, at 0.
    pub fn know_codes(&self, codes: &[&str]) {
        for code in codes {
            self.rejected.with_label_values(&[*code]);
        }
    }

    /// Makes the series of answers with these statuses to these methods of `route`, at 0.
    pub fn know_answers(&self, route: &str, methods: &[&str], statuses: &[&str]) {
        for method in methods {
            for status in statuses {
                self.requests.with_label_values(&[route, *method, *status]);
            }
        }
        self.request_duration.with_label_values(&[route]);
    }

    /// The end of the id space.
    pub fn set_id_limit(&self, limit: i64) {
        self.id_limit.set(limit);
    }

    /// Connections to the database.
    pub fn set_store_connections(&self, idle: usize, in_use: usize) {
        for (state, count) in [("idle", idle), ("in_use", in_use)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.store_connections
                .with_label_values(&[state])
                .set(count);
        }
    }

    /// Counts a `GET /alloc` that was answered with ids.
    pub fn alloc_answered(&self, duration: Duration) {
        let (requests, durations) = self.alloc_requests.get_or_init(|| {
            (
                self.requests.with_label_values(&["/alloc", "GET", "200"]),
                self.request_duration.with_label_values(&["/alloc"]),
            )
        });
        requests.inc();
        durations.observe(duration.as_secs_f64());
    }

    /// Everything in Prometheus' text format; `visit_all` visits the level of each loaded tag.
    ///
    /// # Errors
    /// [`prometheus::Error`] where a metric cannot be written.
    pub fn render(
        &self,
        visit_all: impl FnOnce(&mut dyn FnMut(&BizTag, Level)),
    ) -> Result<String, prometheus::Error> {
        let mut levels = Levels::default();
        visit_all(&mut |tag, level| match self.has_series(tag) {
            true => levels.add(tag, level),
            false => levels.add_other(level),
        });
        let encoder = TextEncoder::new();
        let mut text = String::with_capacity(self.text_length.load(Ordering::Relaxed));
        encoder.encode_utf8(&self.registry.gather(), &mut text)?;
        for family in levels.into_families() {
            encoder.encode_utf8(&[family], &mut text)?;
        }
        self.text_length.store(text.len(), Ordering::Relaxed);
        Ok(text)
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// How long the database takes: from half a millisecond to ten seconds.
fn store_duration(
    registry: &Registry,
    name: &str,
    help: &str,
) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::new(name, help).buckets(vec![
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ]);
    register(registry, Histogram::with_opts(opts)?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(registry, IntCounter::new(name, help)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::new(name, help)?)
}
