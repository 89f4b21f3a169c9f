//! What is counted of Redis' clients. Ids and refusals are counted with those of HTTP, under the same names.

use super::register::{Made, counters, durations, gauge};
use prometheus::{Histogram, IntCounterVec, IntGauge, Registry};

/// From ten microseconds to past the deadline, in seconds.
const BUCKETS: [f64; 14] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5,
    1.0, 2.5,
];

/// Commands by their names, how long they took, and open connections.
#[derive(Debug)]
pub struct RedisMetrics {
    commands: IntCounterVec,
    /// Of commands that came together.
    pub duration: Histogram,
    /// Open connections.
    pub connections: IntGauge,
}

impl RedisMetrics {
    pub(super) fn new(registry: &Registry) -> Made<Self> {
        Ok(Self {
            commands: counters(
                registry,
                "id_alloc_redis_commands_total",
                "Commands of Redis' clients answered, by name; _other is any that is not served.",
                &["command"],
            )?,
            duration: durations(
                registry,
                "id_alloc_redis_batch_duration_seconds",
                "Time from reading commands of Redis' clients that came together to their answers.",
                &BUCKETS,
            )?,
            connections: gauge(
                registry,
                "id_alloc_redis_connections",
                "Open connections of Redis' clients.",
            )?,
        })
    }

    /// Counts answered commands.
    pub fn answered(&self, command: &str, count: u64) {
        self.commands.with_label_values(&[command]).inc_by(count);
    }
}
