//! `ServerContext`: what all actors of one server know: limits, the store, the metrics, and the way to each other.

use super::{
    kept::Kept,
    messages::{Discard, Ended, Ensure, LoadSegment, Wake},
    name_lookup::NameLookup,
    permits::Permits,
    store_health::StoreMonitor,
    turns::Turns,
    unknown_names::UnknownNames,
};
use crate::{
    config::{self, Config},
    domain::{BizTag, StepSettings},
    metrics::Metrics,
    storage::SegmentStore,
};
use actix::{ArbiterHandle, Recipient};
use arc_swap::ArcSwapOption;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// The sections of the configuration that the actors obey, as they are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How claims are sized, and how long tags stay.
    pub allocation: config::Allocation,
    /// Connections, times and pauses of claims.
    pub database: config::Database,
    /// Who may wait, for how long, and for how many tags.
    pub limits: config::Limits,
    /// The actor of a tag unused for so long ends, and leaves what it has to the next.
    pub rest_after: Duration,
}

/// To start an actor again takes less time than a claim.
const REST_AFTER: Duration = Duration::from_secs(10);

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            allocation: config.allocation.clone(),
            database: config.database.clone(),
            limits: config.limits.clone(),
            rest_after: REST_AFTER,
        }
    }
}

impl Settings {
    /// One claim may take so long in all; a bound of last resort above the store's own. A claim is one statement;
    /// beside it the guard may read, move and claim again.
    pub(super) fn claim_timeout(&self) -> Duration {
        (self.database.acquire_timeout + self.database.statement_timeout) * 4
    }

    /// Claims under way at once, for tags that have been served before. One connection is left for checks.
    pub(super) fn claims(&self) -> usize {
        let connections = usize::try_from(self.database.max_connections).unwrap_or(1);
        connections.saturating_sub(1).max(1)
    }
}

pub(super) struct ServerContext {
    pub(super) settings: Settings,
    /// How claims are sized, for each tag.
    pub(super) step: Arc<StepSettings>,
    pub(super) store: Arc<dyn SegmentStore>,
    pub(super) metrics: Arc<Metrics>,
    /// What is known of the store.
    pub(super) monitor: StoreMonitor,
    /// Names that had no row a moment ago.
    pub(super) unknown: UnknownNames,
    /// How many claims are under way at once.
    pub(super) permits: Permits,
    /// Names that were never served, and whether they have a row.
    pub(super) lookup: NameLookup,
    /// Callers for whom an actor is made without looking for the row first.
    pub(super) newcomers: AtomicUsize,
    /// Callers that wait in the whole server.
    pub(super) waiting: AtomicUsize,
    pub(super) clock: Clock,
    /// The segment loader that lives; replaced by supervision.
    pub(super) loader: ArcSwapOption<LoaderLink>,
    /// The registry that lives.
    pub(super) registry: ArcSwapOption<RegistryLink>,
    /// Where the registry and the loader live.
    pub(super) control: ArbiterHandle,
    /// The fewest ids that a tag in use has left; `None` where no tag has any.
    pub(super) least_left: Kept<Option<u64>>,
    /// Pages of the list of loaded tags.
    pub(super) lists: Turns,
    /// Whether the server goes away: requests are answered, `/health` says no.
    pub(super) draining: Arc<AtomicBool>,
    /// Set when whoever still waits is refused.
    pub(super) closed: watch::Sender<bool>,
}

/// What the loader can be told.
pub(super) struct LoaderLink {
    pub(super) load: Recipient<LoadSegment>,
    #[cfg(feature = "fault-injection")]
    pub(super) crash: Recipient<super::messages::Crash>,
}

/// What the registry can be told.
pub(super) struct RegistryLink {
    pub(super) ensure: Recipient<Ensure>,
    pub(super) ended: Recipient<Ended>,
    pub(super) wake: Recipient<Wake>,
    pub(super) discard: Recipient<Discard>,
    #[cfg(feature = "fault-injection")]
    pub(super) crash: Recipient<super::messages::Crash>,
}

/// Milliseconds since the process began: half the size of an `Instant`, and atomic.
#[derive(Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.0).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn uptime(&self) -> Duration {
        self.0.elapsed()
    }
}

impl ServerContext {
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Tells the registry something. One that has panicked does not hear it; whoever sends it says it again when
    /// there is another reason to.
    pub(super) fn tell_registry(&self, tell: impl FnOnce(&RegistryLink)) {
        if let Some(registry) = &*self.registry.load() {
            tell(registry);
        }
    }

    /// Has what is in memory of a tag thrown away, since it was deleted or that was asked for.
    pub(super) fn discard(&self, tag: &BizTag, is_deleted: bool) {
        let tag = tag.clone();
        self.tell_registry(|registry| registry.discard.do_send(Discard { tag, is_deleted }));
    }

    /// Waits until whoever still waits is to be refused; for ever where the server just ends.
    pub(super) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        if closed.wait_for(|closed| *closed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
