//! What is counted of the store and of claims.

use super::register::{Made, counter, counters, durations, gauge, gauges, metrics};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use std::time::Duration;

/// How attempts to claim a segment end.
const OUTCOMES: [&str; 7] = [
    "ok",
    "transient",
    "permanent",
    "unknown",
    "stale",
    "regressed",
    "moved",
];

/// From half a millisecond to ten seconds.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

metrics! {
    /// Claims, what they found, and how the database does.
    pub struct StoreMetrics {
        pub up: IntGauge = gauge("id_alloc_store_up", "1 while the database can be used, as far as is known, else 0.");
        pub guard_active: IntGauge = gauge("id_alloc_guard_active",
            "1 while claims are guarded against a row that went backwards, else 0.");
        connections: IntGaugeVec = gauges("id_alloc_store_connections",
            "Connections to the database, by state: idle or in use.", "state");
        ping_duration: Histogram = durations("id_alloc_store_ping_duration_seconds",
            "How long the database took to say that it is there, asked every few seconds.", BUCKETS);
        segment_loads: IntCounterVec = counters("id_alloc_segment_loads_total",
            "Attempts to claim a segment, by outcome.", ["outcome"]);
        segment_load_duration: Histogram = durations("id_alloc_segment_load_duration_seconds",
            "How long one attempt to claim a segment took.", BUCKETS);
        max_id_regressions: IntCounter = counter("id_alloc_max_id_regressions_total",
            "Rows whose max_id was below what had been claimed, and that were raised.");
        failover_skips: IntCounter = counter("id_alloc_failover_skips_total",
            "Rows moved forwards because they were claimed on another primary.");
    }
}

impl StoreMetrics {
    pub(super) fn new(registry: &Registry) -> Made<Self> {
        let metrics = Self::registered(registry)?;
        for outcome in OUTCOMES {
            metrics.segment_loads.with_label_values(&[outcome]);
        }
        Ok(metrics)
    }

    /// Counts an attempt to claim by its outcome.
    pub fn load_ended(&self, outcome: &str) {
        self.segment_loads.with_label_values(&[outcome]).inc();
    }

    /// Notes how long an attempt to claim took.
    pub fn load_took(&self, duration: Duration) {
        self.segment_load_duration.observe(duration.as_secs_f64());
    }

    /// Counts the rows that a claim raised and moved on its way.
    pub fn repaired(&self, raised: u64, moved: u64) {
        let loads = |outcome| self.segment_loads.with_label_values(&[outcome]);
        loads("regressed").inc_by(raised);
        loads("moved").inc_by(moved);
        self.max_id_regressions.inc_by(raised);
        self.failover_skips.inc_by(moved);
    }

    /// Notes how long the store took to say that it is there.
    pub fn ping_took(&self, duration: Duration) {
        self.ping_duration.observe(duration.as_secs_f64());
    }

    /// How many connections there are.
    pub fn set_connections(&self, idle: usize, in_use: usize) {
        for (state, count) in [("idle", idle), ("in_use", in_use)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.connections.with_label_values(&[state]).set(count);
        }
    }
}
