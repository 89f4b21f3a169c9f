//! `StoreMonitor`: what is known of the store, and the log lines that say so: one for each change.

use crate::{
    metrics::Metrics,
    storage::{StoreError, StoreReport, Unusable},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use std::{
    mem::discriminant,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// What is known of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreHealth {
    /// Nothing has been heard of it yet.
    Starting,
    /// The newest call succeeded.
    Up,
    /// It cannot be reached, or does not answer in time.
    Down(String),
    /// It answers, but cannot serve.
    Unusable(Unusable),
}

/// Failing claims are told of at most this often.
const FLAPPING: Duration = Duration::from_secs(10);

/// So long a database that has no connection left for this server is waited for: others close those that they
/// do not need within seconds.
const FULL: Duration = Duration::from_secs(15);

/// How claims went last.
#[derive(Debug, Default)]
struct Claims {
    /// Whether the newest one failed, and that was told.
    failing: bool,
    /// When failing claims were last told of.
    said: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct StoreMonitor {
    health: ArcSwap<StoreHealth>,
    /// What the newest check that succeeded found.
    report: ArcSwapOption<StoreReport>,
    claims: Mutex<Claims>,
    /// Since when the store has had no connection left.
    full: Mutex<Option<Instant>>,
    /// The store's warnings as last logged.
    warnings: ArcSwap<Vec<String>>,
    /// A claim failed, and the store should be looked at.
    doubt: Notify,
    metrics: Arc<Metrics>,
}

impl StoreMonitor {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            health: ArcSwap::from_pointee(StoreHealth::Starting),
            report: ArcSwapOption::empty(),
            claims: Mutex::default(),
            full: Mutex::default(),
            warnings: ArcSwap::default(),
            doubt: Notify::new(),
            metrics,
        }
    }

    pub(super) fn health(&self) -> Arc<StoreHealth> {
        self.health.load_full()
    }

    pub(super) fn is_up(&self) -> bool {
        **self.health.load() == StoreHealth::Up
    }

    pub(super) fn report(&self) -> Option<Arc<StoreReport>> {
        self.report.load_full()
    }

    /// Waits until a claim has failed for a reason that may be the store's.
    pub(super) async fn doubted(&self) {
        self.doubt.notified().await;
    }

    /// Takes in what a claim says of the store. A failure that may be the row's alone (a deadlock, a lock) only
    /// makes it be looked at. `supply` says for the log how long the ids in memory last.
    pub(super) fn note_claim<T>(
        &self,
        result: Result<T, &StoreError>,
        supply: impl Fn() -> String,
    ) {
        let failed = result.as_ref().err().filter(|error| error.is_transient());
        self.note_failing(failed.copied(), &supply);
        match result {
            Err(error) if error.is_transient() => self.doubt.notify_one(),
            result => self.note_store(result, supply),
        }
    }

    /// One log line where claims begin to fail, and one where they succeed again.
    fn note_failing(&self, failed: Option<&StoreError>, supply: impl Fn() -> String) {
        let now = Instant::now();
        let mut claims = self.claims.lock();
        match (failed, claims.failing) {
            (None, true) => {
                tracing::info!("claims succeed again");
                claims.failing = false;
            }
            (Some(error), false) => {
                // A database that flaps, or one row among thousands, does not fill the log.
                if claims.said.is_some_and(|said| now < said + FLAPPING) {
                    return;
                }
                (claims.failing, claims.said) = (true, Some(now));
                let supply = supply();
                tracing::warn!(%error, supply, "claims fail; ids in memory are still served");
            }
            _ => {}
        }
    }

    /// Takes in what the store says of itself.
    pub(super) fn note_store<T>(
        &self,
        result: Result<T, &StoreError>,
        supply: impl Fn() -> String,
    ) {
        if self.is_only_full(result.as_ref().err().copied()) {
            return;
        }
        let now = match result {
            Err(error) if error.is_transient() => StoreHealth::Down(error.to_string()),
            Err(StoreError::Unusable(reason)) => StoreHealth::Unusable(reason.clone()),
            // Any other answer concerns one tag: the store itself is well.
            Ok(_) | Err(_) => StoreHealth::Up,
        };
        let before = self.health.load();
        self.metrics.store.up.set(i64::from(now == StoreHealth::Up));
        if discriminant(&**before) == discriminant(&now) {
            return;
        }
        match &now {
            StoreHealth::Up if **before != StoreHealth::Starting => {
                tracing::info!("the database is back");
            }
            StoreHealth::Down(reason) => {
                let supply = supply();
                tracing::error!(%reason, supply, "the database is lost; ids in memory are still served");
            }
            StoreHealth::Unusable(reason) => {
                tracing::error!(%reason, "the database cannot serve");
            }
            StoreHealth::Up | StoreHealth::Starting => {}
        }
        self.health.store(Arc::new(now));
    }

    /// Whether all that is wrong is that the store has no connection left, and that has not lasted. Then it is what
    /// it was before: it is there, and this server's turn comes.
    fn is_only_full(&self, error: Option<&StoreError>) -> bool {
        let mut full = self.full.lock();
        let Some(StoreError::NoConnection(reason)) = error else {
            *full = None;
            return false;
        };
        let now = Instant::now();
        let since = *full.get_or_insert_with(|| {
            tracing::warn!(%reason, "waiting for a connection to the database");
            now
        });
        now < since + FULL
    }

    /// Takes in what a check of the store found; each set of warnings is logged once.
    pub(super) fn note_check(
        &self,
        found: Result<&StoreReport, &StoreError>,
        supply: impl Fn() -> String,
    ) {
        self.note_store(found, supply);
        let Ok(report) = found else { return };
        self.report.store(Some(Arc::new(report.clone())));
        let guard_active = i64::from(report.guard_active);
        self.metrics.store.guard_active.set(guard_active);
        if **self.warnings.load() != report.warnings {
            for warning in &report.warnings {
                tracing::warn!("{warning}");
            }
            self.warnings.store(Arc::new(report.warnings.clone()));
        }
    }
}
