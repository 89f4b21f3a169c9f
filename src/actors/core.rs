//! `Core`: what all actors and workers of one server share.

use super::{
    directory::Directory,
    loader::{Permits, SegmentLoader},
    registry::TagRegistry,
    waiting::Waiting,
};
use crate::{
    domain::{BizTag, StepSettings},
    metrics::Metrics,
    storage::{SegmentStore, StoreError, StoreReport, Unusable},
};
use actix::{Addr, ArbiterHandle};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};

/// The limits and times that the actors obey.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How claims are sized.
    pub step: Arc<StepSettings>,
    /// The longest pause between attempts to claim.
    pub backoff_max: Duration,
    /// One claim may take so long in all; a bound of last resort above the store's own.
    pub claim_timeout: Duration,
    /// Claims under way at once, for tags that have been served before.
    pub claims: usize,
    /// How long a caller waits for ids.
    pub request_deadline: Duration,
    /// Callers that may wait for one tag, in the whole server.
    pub max_waiting_per_tag: usize,
    /// Callers that may wait in all.
    pub max_waiting: usize,
    /// HTTP workers; each gets its part of the limit per tag.
    pub workers: usize,
    /// How long an unknown name is remembered.
    pub unknown_tag_ttl: Duration,
    /// How many unknown names are remembered.
    pub unknown_tags: usize,
    /// Tags in memory at once.
    pub max_loaded_tags: usize,
    /// A tag unused for so long is evicted.
    pub idle_after: Duration,
    /// How often the store is checked while it is well.
    pub refresh: Duration,
}

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

/// How claims went last.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Whether the newest one failed, and that was told.
    failing: bool,
    /// When failing claims were last told of.
    said: Option<Instant>,
}

/// Why the server is going away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// As always.
    Serving,
    /// Requests are answered, `/health` says no.
    Draining,
    /// Whoever still waits is refused.
    Closed,
}

/// See the module's documentation.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn SegmentStore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) directory: Directory,
    pub(super) loader: ArcSwapOption<Addr<SegmentLoader>>,
    pub(super) registry: ArcSwapOption<Addr<TagRegistry>>,
    /// Set once the registry has taken a message: only then its mailbox takes as many as it should.
    pub(super) registry_started: AtomicBool,
    /// Where the registry and the loader live.
    pub(super) control: ArbiterHandle,
    /// Where TagActors live, by hash of the tag.
    pub(super) tag_arbiters: Vec<ArbiterHandle>,
    pub(super) health: ArcSwap<StoreHealth>,
    /// What the newest check that succeeded found.
    pub(super) report: ArcSwapOption<StoreReport>,
    /// When the server began.
    pub(super) begun: Instant,
    /// How claims went last, for the log.
    pub(super) claims: Mutex<Claims>,
    /// The store's warnings as last logged.
    pub(super) warnings: ArcSwap<Vec<String>>,
    /// Claims under way.
    pub(super) permits: Permits,
    /// Tells the warden that a claim failed and the store should be looked at.
    pub(super) doubt: Notify,
    /// Who waits in the whole server.
    pub(super) waiting: Arc<Waiting>,
    /// Changed by [`Core::enter`] alone, together with `phase_now`.
    pub(super) phase: watch::Sender<Phase>,
    /// The same, for those who only look: a request costs no lock.
    pub(super) phase_now: AtomicU8,
}

impl Core {
    /// What the server is about.
    pub(super) fn phase(&self) -> Phase {
        match self.phase_now.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Closed,
        }
    }

    /// Tells everyone that the server goes away.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase_now.store(phase as u8, Ordering::Release);
        self.phase.send_replace(phase);
    }

    /// Takes in what a claim says of the store. A failure that may be the row's alone (a deadlock, a
    /// lock) only makes the warden look.
    pub(super) fn note_claim<T>(&self, result: Result<T, &StoreError>) {
        let failed = result.as_ref().err().filter(|error| error.is_transient());
        self.claims_went(failed.copied());
        match result {
            Err(error) if error.is_transient() => self.doubt.notify_one(),
            result => self.note_store(result),
        }
    }

    /// One log line where claims begin to fail, and one where they succeed again.
    fn claims_went(&self, failed: Option<&StoreError>) {
        let now = Instant::now();
        let mut state = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        match (failed, state.failing) {
            (None, true) => {
                tracing::info!("claims succeed again");
                state.failing = false;
            }
            (Some(error), false) => {
                // A database that flaps, or one row among thousands, does not fill the log.
                if state.said.is_some_and(|said| now < said + FLAPPING) {
                    return;
                }
                (state.failing, state.said) = (true, Some(now));
                let supply = self.shortest_supply(now);
                tracing::warn!(%error, supply, "claims fail; ids in memory are served on");
            }
            _ => {}
        }
    }

    /// Which tag runs out first, and when, for the log.
    fn shortest_supply(&self, now: Instant) -> String {
        let mut shortest = None::<(f64, BizTag)>;
        self.directory.for_each(|entry| {
            let lasts = self.directory.level(&entry.shared, now).supply_seconds();
            if lasts.is_finite() && shortest.as_ref().is_none_or(|(least, _)| lasts < *least) {
                shortest = Some((lasts, entry.shared.tag.clone()));
            }
        });
        match shortest {
            Some((seconds, tag)) => format!("at its present rate {tag} lasts {seconds:.0} s"),
            None => "no tag is in use".to_owned(),
        }
    }

    /// Takes in what the store says of itself, with one log line per change of state.
    pub(super) fn note_store<T>(&self, result: Result<T, &StoreError>) {
        let now = match result {
            Err(error) if error.is_transient() => StoreHealth::Down(error.to_string()),
            Err(StoreError::Unusable(reason)) => StoreHealth::Unusable(reason.clone()),
            // Any other answer concerns one tag: the store itself is well.
            Ok(_) | Err(_) => StoreHealth::Up,
        };
        let before = self.health.load();
        let is_up = now == StoreHealth::Up;
        self.metrics.store.up.set(i64::from(is_up));
        if std::mem::discriminant(&**before) == std::mem::discriminant(&now) {
            return;
        }
        match &now {
            StoreHealth::Up if **before != StoreHealth::Starting => {
                tracing::info!("the database is back");
            }
            StoreHealth::Down(reason) => {
                let supply = self.shortest_supply(Instant::now());
                tracing::error!(%reason, supply, "the database is lost; ids in memory are served on");
            }
            StoreHealth::Unusable(reason) => {
                tracing::error!(%reason, "the database cannot serve");
            }
            StoreHealth::Up | StoreHealth::Starting => {}
        }
        self.health.store(Arc::new(now));
    }
}

impl Core {
    /// Takes in what a check of the store found; each set of warnings is logged once.
    pub(super) fn note_check(&self, found: Result<&StoreReport, &StoreError>) {
        self.note_store(found);
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

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("settings", &self.settings)
            .field("tags", &self.directory.len())
            .finish_non_exhaustive()
    }
}
