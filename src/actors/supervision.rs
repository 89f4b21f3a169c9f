//! Watches those actors that have no supervisor of their own, and sweeps idle tags.
//!
//! A `Supervisor` does not survive a panic (actix#158), so a plain task, which runs no code of ours that can panic,
//! looks whether the registry and the loader still live and makes them anew.

use super::{
    context::{LoaderLink, RegistryLink, ServerContext},
    directory::Directory,
    loader::SegmentLoader,
    messages::{LoaderReplaced, Sweep},
    registry::TagRegistry,
};
use actix::{Actor as _, Addr, ArbiterHandle};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often the actors are looked at.
const ROUND: Duration = Duration::from_millis(100);

/// How often idle tags are looked for, at the least.
const SWEEP: Duration = Duration::from_secs(5);

/// What is needed to make the loader and the registry, and those that live.
pub(super) struct Supervision {
    server: Arc<ServerContext>,
    directory: Arc<Directory>,
    /// Where TagActors live.
    homes: Arc<[ArbiterHandle]>,
    loader: Addr<SegmentLoader>,
    registry: Addr<TagRegistry>,
}

impl Supervision {
    /// Starts both.
    pub(super) fn start(
        server: Arc<ServerContext>,
        directory: Arc<Directory>,
        homes: Arc<[ArbiterHandle]>,
    ) -> Self {
        let loader = start_loader(&server, &directory);
        let registry = start_registry(&server, &directory, &homes);
        Self {
            server,
            directory,
            homes,
            loader,
            registry,
        }
    }

    /// Looks after them until the server ends.
    pub(super) async fn watch(mut self) {
        let settings = &self.server.settings;
        let sweep_every = (settings.allocation.idle_after.min(settings.rest_after) / 4).min(SWEEP);
        let mut swept = Instant::now();
        loop {
            tokio::time::sleep(ROUND).await;
            self.revive();
            if swept.elapsed() >= sweep_every {
                swept = Instant::now();
                self.registry.do_send(Sweep);
            }
        }
    }

    fn revive(&mut self) {
        if !self.loader.connected() {
            self.server.metrics.restarted("loader", "panic");
            tracing::error!("the segment loader panicked and is being replaced");
            self.loader = start_loader(&self.server, &self.directory);
            self.directory.for_each(|entry| {
                if let Some(actor) = &entry.actor {
                    actor.do_send(LoaderReplaced);
                }
            });
        }
        if !self.registry.connected() {
            self.server.metrics.restarted("registry", "panic");
            tracing::error!("the registry panicked and is being replaced");
            self.registry = start_registry(&self.server, &self.directory, &self.homes);
        }
    }
}

fn start_loader(server: &Arc<ServerContext>, directory: &Arc<Directory>) -> Addr<SegmentLoader> {
    let made = SegmentLoader::new(server.clone(), directory.clone());
    let loader = SegmentLoader::start_in_arbiter(&server.control, |_| made);
    server.loader.store(Some(Arc::new(LoaderLink {
        load: loader.clone().recipient(),
        #[cfg(feature = "fault-injection")]
        crash: loader.clone().recipient(),
    })));
    loader
}

fn start_registry(
    server: &Arc<ServerContext>,
    directory: &Arc<Directory>,
    homes: &Arc<[ArbiterHandle]>,
) -> Addr<TagRegistry> {
    let parts = (server.clone(), directory.clone(), homes.clone());
    let registry = TagRegistry::start_in_arbiter(&server.control, |ctx| {
        TagRegistry::new(parts.0, parts.1, parts.2, ctx)
    });
    server.registry.store(Some(Arc::new(RegistryLink {
        ensure: registry.clone().recipient(),
        ended: registry.clone().recipient(),
        wake: registry.clone().recipient(),
        discard: registry.clone().recipient(),
        #[cfg(feature = "fault-injection")]
        crash: registry.clone().recipient(),
    })));
    registry
}
