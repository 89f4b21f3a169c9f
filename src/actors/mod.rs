//! The actors: who owns the segments, who claims them, who creates and evicts.
//!
//! ```text
//! request ─ Allocator ─▶ the tag's open range ─▶ ids                       no message, no await
//!               │ too little in it                  ▲ opens, closes, refills
//!               ├─ Wait, RunsLow ────────────▶ TagActor ─ LoadSegment ─▶ SegmentLoader ─▶ SegmentStore
//!               └─ not loaded: Ensure ─▶ TagRegistry ◀── Ended ──┘ ◀─ LoadEnded ─┘
//! ```
//!
//! | what you want to see | file |
//! |---|---|
//! | what HTTP sees: taking ids, and waiting for them | `allocator.rs` |
//! | what those who poll see: health and levels | `health.rs` |
//! | the cursor that requests take from | the crate `id-alloc-range` (`range/src/cursor.rs`) |
//! | the books about it: ids handed out, ids left | `domain/open_range.rs` |
//! | the tag's actor: segments, those who wait, when to claim | `tag_actor.rs`, `tag_actor/handlers.rs` (its rules: `domain/double_buffer.rs`) |
//! | why a tag's claims fail, and when to try again | `claim_failures.rs` |
//! | claiming segments for all tags | `loader.rs`; whose turn it is: `permits.rs` |
//! | making and evicting actors | `registry.rs` |
//! | which tags are loaded, and what others see of each | `directory.rs`, `loaded_tag.rs`, `unknown_names.rs` |
//! | which of many new names have a row | `name_lookup.rs` |
//! | what the actors say to each other | `messages.rs` |
//! | what is known of the store, and who looks | `store_health.rs`, `store_watch.rs` |
//! | who makes loader and registry anew after a panic | `supervision.rs` |
//! | what the admin API sees | `status.rs` |
//! | limits, draining | `context.rs` |
//! | what is made for those who poll: once for all, or in turn | `kept.rs`, `turns.rs` |
//!
//! Promises: while ids are in memory a request is answered at once, whatever the database does; no actor waits for
//! anything; each queue is bounded; a panic costs nobody an answer where asking again is safe. No actix type leaves
//! this folder. What is known to race, and why that is accepted, stands in `docs/ARCHITECTURE.md`.

mod allocator;
mod claim_failures;
mod context;
mod directory;
mod error;
mod health;
mod kept;
mod loaded_tag;
mod loader;
mod messages;
mod name_lookup;
mod permits;
mod registry;
mod status;
mod store_health;
mod store_watch;
mod supervision;
mod tag_actor;
mod turns;
mod unknown_names;

pub use allocator::Allocator;
pub use context::Settings;
pub use error::AllocError;
pub use kept::Kept;
pub use messages::TagState;
pub use status::{Order, ServerState, TagStatus};
pub use store_health::StoreHealth;

use crate::{domain::BizTag, metrics::Metrics, storage::SegmentStore};
use actix::{Arbiter, ArbiterHandle};
use arc_swap::ArcSwapOption;
use context::{Clock, ServerContext};
use directory::Directory;
use name_lookup::NameLookup;
use permits::Permits;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store_health::StoreMonitor;
use supervision::Supervision;
use tokio::sync::watch;
use turns::Turns;
use unknown_names::UnknownNames;

/// How often the store's state is looked at by who waits for it.
const STORE_POLL: Duration = Duration::from_millis(50);

/// All actors of one server. Cheap to clone.
#[derive(Clone)]
pub struct Allocation {
    server: Arc<ServerContext>,
    directory: Arc<Directory>,
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
        let control = Arbiter::new().handle();
        let homes: Arc<[ArbiterHandle]> = (0..tag_arbiters.max(1))
            .map(|_| Arbiter::new().handle())
            .collect();
        let permits = Permits::new(settings.claims(), settings.database.statement_timeout);
        let server = Arc::new(ServerContext {
            unknown: UnknownNames::new(
                settings.limits.unknown_tags,
                settings.limits.unknown_tag_ttl,
            ),
            monitor: StoreMonitor::new(metrics.clone()),
            step: Arc::new((&settings.allocation).into()),
            settings,
            store,
            metrics,
            lookup: NameLookup::default(),
            permits,
            waiting: AtomicUsize::new(0),
            newcomers: AtomicUsize::new(0),
            clock: Clock::new(),
            loader: ArcSwapOption::empty(),
            registry: ArcSwapOption::empty(),
            control: control.clone(),
            draining: Arc::default(),
            least_left: Kept::default(),
            lists: Turns::default(),
            closed: watch::Sender::new(false),
        });
        let directory = Arc::new(Directory::default());
        let allocation = Self { server, directory };
        let (server, directory) = (allocation.server.clone(), allocation.directory.clone());
        control.spawn(Supervision::start(server, directory, homes).watch());
        control.spawn(allocation.clone().watch_store());
        allocation
    }

    /// What hands out ids.
    #[must_use]
    pub fn allocator(&self) -> Allocator {
        Allocator::new(self.server.clone(), self.directory.clone())
    }

    /// Waits until the store can be used.
    pub async fn store_is_up(&self) {
        while !self.server.monitor.is_up() {
            tokio::time::sleep(STORE_POLL).await;
        }
    }

    /// Loads these tags. Failures are logged: the tags are then loaded by their first request.
    pub async fn preload(&self, tags: Vec<BizTag>) {
        let allocator = self.allocator();
        for tag in tags {
            if let Err(error) = allocator.left(&tag).await {
                tracing::warn!(biz_tag = %tag, %error, "cannot preload a tag");
            }
        }
    }

    /// `/health` says no from now on; requests are answered as before.
    pub fn drain(&self) {
        self.server.draining.store(true, Ordering::Release);
    }

    /// Whoever still waits, or comes, is refused.
    pub fn close(&self) {
        self.drain();
        self.server.closed.send_replace(true);
    }

    /// Ids in memory, which a server that stops leaves unused.
    #[must_use]
    pub fn left(&self) -> u64 {
        let mut left = 0;
        self.directory.for_each(|entry| left += entry.range.left());
        left
    }

    /// Whether a tag is loaded without an actor, for tests.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn is_at_rest(&self, tag: &BizTag) -> bool {
        let entry = self.directory.get(tag);
        entry.is_some_and(|entry| entry.actor.is_none())
    }

    /// Makes actors panic, for tests.
    #[cfg(feature = "fault-injection")]
    pub fn crash(&self, whom: Crash<'_>) {
        let server = &self.server;
        match whom {
            Crash::Tag(tag) => {
                if let Some(entry) = self.directory.get(tag)
                    && let Some(actor) = &entry.actor
                {
                    actor.do_send(messages::Crash);
                }
            }
            Crash::Loader => {
                if let Some(loader) = &*server.loader.load() {
                    loader.crash.do_send(messages::Crash);
                }
            }
            Crash::Registry => {
                if let Some(registry) = &*server.registry.load() {
                    registry.crash.do_send(messages::Crash);
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
