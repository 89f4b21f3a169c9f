//! The actors: who owns the buffers, who claims, who creates and evicts.
//!
//! ```text
//! worker: Allocator ─ lanes, courier ─▶ Alloc ─▶ TagActor ─ LoadSegment ─▶ SegmentLoader ─▶ SegmentStore
//!             └─ miss: Ensure ─▶ TagRegistry        ◀─ LoadEnded ──┘
//! ```
//!
//! Promises: an `Alloc` is answered at once while ids are in memory, whatever the database does; no
//! actor waits for anything; each queue is bounded; a panic costs those in one mailbox a 503.
//! No actix type leaves this folder. What is known to race, and why that is accepted, stands in
//! `docs/ARCHITECTURE.md`.

mod allocator;
mod core;
mod courier;
mod directory;
mod error;
mod inside;
mod lane;
mod loader;
mod messages;
mod registry;
mod tag;
mod trouble;
mod waiting;
mod warden;
mod worker;

pub use self::core::{Settings, StoreHealth};
pub use allocator::Allocator;
pub use error::AllocError;
pub use inside::{ServerState, TagStatus};
pub use messages::TagState;

use self::core::{Core, Phase};
use crate::{
    domain::BizTag,
    metrics::Metrics,
    storage::{SegmentStore, StoreError, StoreReport},
};
use actix::Arbiter;
use arc_swap::{ArcSwap, ArcSwapOption};
use directory::Directory;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};

/// How often the store's state is looked at by who waits for it.
const STORE_POLL: Duration = Duration::from_millis(50);

/// All actors of one server. Cheap to clone; each worker takes an [`Allocator`] from it.
#[derive(Clone, Debug)]
pub struct Allocation {
    core: Arc<Core>,
}

impl Allocation {
    /// Starts the actors on arbiters of their own. Must be called within an actix system.
    #[must_use]
    pub fn start(
        settings: Settings,
        store: Arc<dyn SegmentStore>,
        metrics: Arc<Metrics>,
        tag_arbiters: usize,
    ) -> Self {
        let permits = loader::Permits::new(settings.claims);
        let waiting = waiting::Waiting::new(settings.max_waiting, settings.workers);
        let core = Arc::new(Core {
            directory: Directory::new(settings.unknown_tags, settings.unknown_tag_ttl),
            settings,
            store,
            metrics,
            loader: ArcSwapOption::empty(),
            registry: ArcSwapOption::empty(),
            control: Arbiter::new().handle(),
            tag_arbiters: (0..tag_arbiters.max(1))
                .map(|_| Arbiter::new().handle())
                .collect(),
            health: ArcSwap::from_pointee(StoreHealth::Starting),
            report: ArcSwapOption::empty(),
            begun: Instant::now(),
            claims: Mutex::default(),
            warnings: ArcSwap::default(),
            permits,
            doubt: Notify::new(),
            waiting,
            registry_started: AtomicBool::new(false),
            phase: watch::Sender::new(Phase::Serving),
            phase_now: AtomicU8::new(Phase::Serving as u8),
        });
        warden::revive(&core);
        core.control.spawn(warden::watch_actors(core.clone()));
        core.control.spawn(warden::watch_store(core.clone()));
        Self { core }
    }

    /// Takes in what a check of the store found before the actors were started.
    pub fn note_check(&self, found: Result<&StoreReport, &StoreError>) {
        self.core.note_check(found);
    }

    /// An allocator for the calling worker, one of those that serve the API.
    #[must_use]
    pub fn allocator(&self) -> Allocator {
        Allocator::new(self.core.clone(), true)
    }

    /// One for anyone else: of the places for those who wait it takes what is left.
    #[must_use]
    pub fn allocator_beside(&self) -> Allocator {
        Allocator::new(self.core.clone(), false)
    }

    /// Waits until the store can be used.
    pub async fn store_is_up(&self) {
        while **self.core.health.load() != StoreHealth::Up {
            tokio::time::sleep(STORE_POLL).await;
        }
    }

    /// Loads these tags. Failures are logged: the tags are then loaded by their first request.
    pub async fn preload(&self, tags: Vec<BizTag>) {
        let allocator = self.allocator_beside();
        for tag in tags {
            if let Err(error) = allocator.left(&tag).await {
                tracing::warn!(biz_tag = %tag, %error, "a tag could not be preloaded");
            }
        }
    }

    /// `/health` says no from now on; requests are answered as before.
    pub fn drain(&self) {
        self.core.enter(Phase::Draining);
    }

    /// Whoever still waits, or comes, is refused.
    pub fn close(&self) {
        self.core.enter(Phase::Closed);
    }

    /// Makes actors panic, for tests.
    #[cfg(feature = "fault-injection")]
    pub fn crash(&self, whom: Crash<'_>) {
        match whom {
            Crash::Tag(tag) => {
                if let Some(entry) = self.core.directory.get(tag) {
                    entry.addr.do_send(messages::Crash);
                }
            }
            Crash::Loader => {
                if let Some(loader) = &*self.core.loader.load() {
                    loader.do_send(messages::Crash);
                }
            }
            Crash::Registry => {
                if let Some(registry) = &*self.core.registry.load() {
                    registry.do_send(messages::Crash);
                }
            }
        }
    }
}

/// Which actor is to panic.
#[cfg(feature = "fault-injection")]
#[derive(Debug, Clone, Copy)]
pub enum Crash<'a> {
    /// The actor of this tag.
    Tag(&'a BizTag),
    /// The segment loader.
    Loader,
    /// The registry.
    Registry,
}
