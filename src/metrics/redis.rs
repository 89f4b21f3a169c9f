//! What is counted of Redis' clients. Ids and refusals are counted with those of HTTP, under the same names.

use super::register::{counters, durations, gauge, metrics};
use prometheus::{Histogram, IntCounterVec, IntGauge};

/// From ten microseconds to past the deadline, in seconds.
const BUCKETS: [f64; 14] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5,
    1.0, 2.5,
];

metrics! {
    /// Commands by their names, how long they took, and open connections.
    pub struct RedisMetrics {
        commands: IntCounterVec = counters("id_alloc_redis_commands_total",
            "Commands of Redis' clients answered, by name; _other is any that is not served.", ["command"]);
        pub duration: Histogram = durations("id_alloc_redis_batch_duration_seconds",
            "Time from reading commands of Redis' clients that came together to their answers.", BUCKETS);
        pub connections: IntGauge = gauge("id_alloc_redis_connections", "Open connections of Redis' clients.");
    }
}

impl RedisMetrics {
    /// Counts answered commands.
    pub fn answered(&self, command: &str, count: u64) {
        self.commands.with_label_values(&[command]).inc_by(count);
    }
}
