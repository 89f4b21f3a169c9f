//! What is counted of requests.

use super::register::{Made, counters, durations_by, metrics};
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, core::Collector as _,
};
use std::time::Duration;

/// From a tenth of a millisecond to past the deadline, in seconds.
const BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

/// By which interface ids left the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `/alloc`: ids by themselves.
    Alloc,
    /// `/range`: ids that a client counts by itself.
    Range,
    /// What callers of tinyid speak.
    Tinyid,
    /// What callers of Leaf speak.
    Leaf,
    /// What callers of CosId's proxy speak.
    Cosid,
    /// What Redis' clients speak.
    Redis,
}

impl Interface {
    const LABELS: [&'static str; 6] = ["alloc", "range", "tinyid", "leaf", "cosid", "redis"];
}

metrics! {
    /// Answers, how long they took, and refusals by their codes.
    pub struct HttpMetrics {
        requests: IntCounterVec = counters("http_requests_total", "HTTP requests answered.", ["route", "method", "status"]);
        request_duration: HistogramVec = durations_by("http_request_duration_seconds",
            "Time from a request's head to its response.", BUCKETS, "route");
        rejected: IntCounterVec = counters("id_alloc_requests_rejected_total",
            "Requests answered with an error, by its code.", ["code"]);
        ids: ByInterface = by_interface("id_alloc_ids_answered_total",
            "Ids in answers, by the interface that was asked: alloc, range, tinyid, leaf, cosid or redis.");
    }
}

type ByInterface = [IntCounter; Interface::LABELS.len()];

fn by_interface(registry: &Registry, opts: Opts) -> Made<ByInterface> {
    let all = counters(registry, opts, ["interface"])?;
    Ok(Interface::LABELS.map(|label| all.with_label_values(&[label])))
}

impl HttpMetrics {
    /// The bounds of [`Self::durations`], in seconds.
    pub const BOUNDS: [f64; BUCKETS.len()] = BUCKETS;

    /// Ids in answers so far, by all interfaces.
    #[must_use]
    pub fn ids_given(&self) -> u64 {
        self.ids.iter().map(IntCounter::get).sum()
    }

    /// Requests refused with this code so far.
    #[must_use]
    pub fn refused_with(&self, code: &str) -> u64 {
        self.rejected.with_label_values(&[code]).get()
    }

    /// How long answers took so far, on the routes that `counts` names: for each of [`Self::BOUNDS`] how many took no
    /// longer, and how many there were.
    pub fn durations(&self, counts: impl Fn(&str) -> bool) -> ([u64; BUCKETS.len()], u64) {
        let (mut within, mut all) = ([0; BUCKETS.len()], 0);
        for family in self.request_duration.collect() {
            for series in family.get_metric() {
                let route = series.get_label().first().map_or("", |label| label.value());
                if !counts(route) {
                    continue;
                }
                let histogram = series.get_histogram();
                all += histogram.get_sample_count();
                for (sum, bucket) in within.iter_mut().zip(histogram.get_bucket()) {
                    *sum += bucket.cumulative_count();
                }
            }
        }
        (within, all)
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

    /// Counts an answered request.
    pub fn answered(&self, route: &str, method: &str, status: &str, took: Duration) {
        let (requests, durations) = self.series(route, method, status);
        requests.inc();
        durations.observe(took.as_secs_f64());
    }

    /// Where such answers are counted and timed, for who has many of them and looks it up once.
    #[must_use]
    pub fn series(&self, route: &str, method: &str, status: &str) -> (IntCounter, Histogram) {
        (
            self.requests.with_label_values(&[route, method, status]),
            self.request_duration.with_label_values(&[route]),
        )
    }

    /// Where ids are counted that an interface answers with.
    #[must_use]
    pub fn ids(&self, interface: Interface) -> &IntCounter {
        &self.ids[interface as usize]
    }

    /// Counts a refused request.
    pub fn rejected(&self, code: &str) {
        self.rejected.with_label_values(&[code]).inc();
    }
}
