//! `Recent`: what happened on this server over the last minutes, from the counters that `/metrics` shows. Of fixed size.

use super::figures::{History, ShortSupply, Traffic};
use crate::{actors::Allocation, http::codes::Kind, metrics::HttpMetrics, metrics::Metrics};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// From one look at the counters to the next.
const EVERY: Duration = Duration::from_secs(2);
/// What is shown of now is what happened within so many looks.
const LOOKS: usize = 5;
/// A point of the history each [`LOOKS`], and so many of them: ten minutes.
const POINTS: usize = 60;
/// Tags that run out first.
const TAGS: usize = 5;
/// To look at all of many tags takes a tenth of one core at most.
const TIMES: u32 = 10;

/// Counters at one moment.
#[derive(Debug, Clone, Copy)]
struct Counts {
    at: Instant,
    ids: u64,
    errors: u64,
    refused: u64,
    /// See [`HttpMetrics::durations`].
    within: [u64; BOUNDS],
    requests: u64,
}

const BOUNDS: usize = HttpMetrics::BOUNDS.len();

impl Counts {
    fn of(metrics: &HttpMetrics, at: Instant) -> Self {
        let (mut errors, mut refused) = (0, 0);
        for (code, is_fault) in Kind::of_ids() {
            let count = metrics.refused_with(code);
            *if is_fault { &mut errors } else { &mut refused } += count;
        }
        let (within, requests) = metrics.durations(is_for_callers);
        Self {
            at,
            ids: metrics.ids_given(),
            errors,
            refused,
            within,
            requests,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "rates, not ids")]
    fn since(&self, before: &Self) -> Traffic {
        let time = self.at.duration_since(before.at).as_secs_f64();
        let rate = |now: u64, then: u64| match time > 0.0 {
            true => short(now.saturating_sub(then) as f64 / time),
            false => 0.0,
        };
        let mut within = self.within;
        for (now, then) in within.iter_mut().zip(before.within) {
            *now = now.saturating_sub(then);
        }
        let requests = self.requests.saturating_sub(before.requests);
        Traffic {
            ids_per_second: rate(self.ids, before.ids),
            requests_per_second: rate(self.requests, before.requests),
            errors_per_second: rate(self.errors, before.errors),
            refused_per_second: rate(self.refused, before.refused),
            latency_p50_seconds: quantile(0.5, &within, requests),
            latency_p99_seconds: quantile(0.99, &within, requests),
        }
    }
}

/// Not those who poll, and not administrators.
fn is_for_callers(route: &str) -> bool {
    let others = [
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "_none",
    ];
    !others.contains(&route) && !route.starts_with("/admin") && !route.starts_with("/console")
}

/// As Prometheus estimates it: evenly spread within a bucket, and no more than the last bound.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn quantile(share: f64, within: &[u64; BOUNDS], all: u64) -> Option<f64> {
    if all == 0 {
        return None;
    }
    let rank = share * all as f64;
    let (mut low, mut below) = (0.0, 0);
    for (high, count) in HttpMetrics::BOUNDS.into_iter().zip(*within) {
        if count as f64 >= rank && count > below {
            let part = (rank - below as f64) / (count - below) as f64;
            return Some(short(low + (high - low) * part));
        }
        (low, below) = (high, count);
    }
    Some(low)
}

/// To three digits, so that many of them are a short text.
fn short(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    #[allow(clippy::cast_possible_truncation, reason = "a small number")]
    let digits = 2 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[derive(Debug, Default)]
struct State {
    /// The newest last; what is older than [`LOOKS`] is gone.
    counts: VecDeque<Counts>,
    looks: usize,
    /// What each point of the history tells of, and of which supply.
    points: VecDeque<(Traffic, Option<f64>)>,
    supplies: Vec<ShortSupply>,
}

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<State>);

impl Recent {
    /// Looks at the counters on and on.
    pub(super) async fn watch(&self, metrics: &Metrics, allocation: &Allocation) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut supplies_from = Instant::now();
        loop {
            ticks.tick().await;
            let began = Instant::now();
            let supplies = match began >= supplies_from {
                true => supplies(allocation).await,
                false => None,
            };
            supplies_from = began + began.elapsed() * TIMES;
            self.note(Counts::of(&metrics.http, Instant::now()), supplies);
        }
    }

    fn note(&self, counts: Counts, supplies: Option<Vec<ShortSupply>>) {
        let mut state = self.state();
        if let Some(supplies) = supplies {
            state.supplies = supplies;
        }
        state.counts.push_back(counts);
        if state.counts.len() > LOOKS + 1 {
            state.counts.pop_front();
        }
        state.looks += 1;
        if state.looks > LOOKS && state.looks % LOOKS == 1 {
            let shortest = state.supplies.first().map(|tag| short(tag.supply_seconds));
            let point = (state.now(), shortest);
            state.points.push_back(point);
            if state.points.len() > POINTS {
                state.points.pop_front();
            }
        }
    }

    /// What happened within the last seconds, and which tags run out first.
    pub(super) fn now(&self) -> (Traffic, Vec<ShortSupply>) {
        let state = self.state();
        (state.now(), state.supplies.clone())
    }

    pub(super) fn history(&self) -> History {
        let state = self.state();
        let (points, supplies): (Vec<Traffic>, _) = state.points.iter().cloned().unzip();
        let rates = |of: fn(&Traffic) -> f64| points.iter().map(of).collect();
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let every = EVERY.as_secs_f64() * LOOKS as f64;
        let latencies = points.iter().map(|point| point.latency_p99_seconds);
        History {
            every_seconds: every,
            ids_per_second: rates(|point| point.ids_per_second),
            errors_per_second: rates(|point| point.errors_per_second),
            latency_p99_seconds: latencies.collect(),
            supply_seconds: supplies,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> Traffic {
        match (self.counts.front(), self.counts.back()) {
            (Some(first), Some(last)) => last.since(first),
            _ => Traffic::default(),
        }
    }
}

pub(super) async fn supplies(allocation: &Allocation) -> Option<Vec<ShortSupply>> {
    let look = {
        let allocation = allocation.clone();
        move || allocation.shortest_supplies(TAGS)
    };
    let found = match allocation.has_few_tags() {
        true => look(),
        false => tokio::task::spawn_blocking(look).await.ok()?,
    };
    let told = found.into_iter().map(|(tag, level)| ShortSupply {
        biz_tag: tag.to_string(),
        supply_seconds: short(level.supply_seconds()),
        left: level.left,
        rate: short(level.rate),
    });
    Some(told.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(at: Instant, ids: u64) -> Counts {
        Counts {
            at,
            ids,
            errors: ids / 10,
            refused: 0,
            // All but one took at most a millisecond.
            within: std::array::from_fn(|bound| if bound < 3 { 0 } else { ids }),
            requests: ids,
        }
    }

    #[test]
    fn rates_are_of_the_last_ten_seconds_and_ten_minutes_are_kept() {
        let (recent, start) = (Recent::default(), Instant::now());
        let supply = |seconds| {
            Some(vec![ShortSupply {
                biz_tag: "order".to_owned(),
                supply_seconds: seconds,
                left: 1,
                rate: 1.0,
            }])
        };
        for look in 0..1000_u64 {
            recent.note(
                counts(start + EVERY * look as u32, look * 200),
                supply(look as f64),
            );
        }
        let (now, supplies) = recent.now();
        assert_eq!((now.ids_per_second, now.errors_per_second), (100.0, 10.0));
        assert_eq!(supplies[0].supply_seconds, 999.0);
        let history = recent.history();
        assert_eq!(history.every_seconds, 10.0);
        assert_eq!(history.ids_per_second, [100.0; POINTS]);
        assert_eq!(history.supply_seconds.len(), POINTS);
        assert!(history.supply_seconds.is_sorted());
    }

    #[test]
    fn a_quantile_lies_within_its_bucket_and_there_is_none_of_nothing() {
        let start = Instant::now();
        let traffic = counts(start + EVERY, 1000).since(&counts(start, 0));
        let p99 = traffic.latency_p99_seconds.unwrap();
        assert!((0.000_5..=0.001).contains(&p99), "{p99}");
        assert!(traffic.latency_p50_seconds.unwrap() < p99);
        let none = counts(start + EVERY, 7).since(&counts(start, 7));
        assert_eq!((none.latency_p99_seconds, none.ids_per_second), (None, 0.0));
        // Slower than all bounds.
        assert_eq!(
            quantile(0.99, &[0; BOUNDS], 5),
            HttpMetrics::BOUNDS.last().copied()
        );
        assert_eq!(
            (short(123_456.0), short(0.001_234), short(0.0)),
            (123_000.0, 0.001_23, 0.0)
        );
    }
}
