//! The warden: what watches those who have no supervisor of their own, and the store.
//!
//! A `Supervisor` does not survive a panic (actix#158), so a plain task, which runs no code of ours
//! that can panic, looks whether the registry and the loader still live and makes them anew. Another
//! checks the store: every `allocation.refresh` while it is well, every second while it is not, and soon
//! after a claim has failed; in between it asks every few seconds whether the store is there, since
//! nobody claims for minutes. With each check it drops the tags that were deleted.

use super::{
    core::{Core, StoreHealth},
    loader::SegmentLoader,
    messages::{Deleted, LoaderReplaced, Sweep},
    registry::TagRegistry,
};
use crate::{domain::BizTag, storage::StoreError};
use actix::{Addr, Supervisor};
use arc_swap::ArcSwapOption;
use futures_util::FutureExt as _;
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How often the actors are looked at.
const ROUND: Duration = Duration::from_millis(100);

/// How often idle tags are looked for, at the least.
const SWEEP: Duration = Duration::from_secs(5);

/// How often a store that is well is asked whether it is there.
const PING: Duration = Duration::from_secs(5);

/// So many tags, those deleted last, are looked for in memory at each check.
const DELETED: u64 = 10_000;

/// How often a store that is not well is checked.
const UNWELL: Duration = Duration::from_secs(1);

/// Starts loader and registry where they do not live; true where the loader was made anew.
pub(super) fn revive(core: &Arc<Core>) -> bool {
    let replaced = core.loader.load().is_some();
    let loader_died = is_dead(&core.loader);
    if loader_died {
        let owned = core.clone();
        let loader =
            Supervisor::start_in_arbiter(&core.control, |ctx| SegmentLoader::new(owned, ctx));
        core.loader.store(Some(Arc::new(loader)));
    }
    if is_dead(&core.registry) {
        if core.registry.load().is_some() {
            core.metrics.restarted("registry", "panic");
            tracing::error!("the registry panicked and is made anew");
        }
        core.registry_started.store(false, Ordering::Release);
        let owned = core.clone();
        let registry =
            Supervisor::start_in_arbiter(&core.control, |ctx| TagRegistry::new(owned, ctx));
        core.registry.store(Some(Arc::new(registry)));
    }
    loader_died && replaced
}

fn is_dead<A: actix::Actor>(slot: &ArcSwapOption<Addr<A>>) -> bool {
    slot.load().as_ref().is_none_or(|addr| !addr.connected())
}

/// Looks after the actors until the server ends.
pub(super) async fn watch_actors(core: Arc<Core>) {
    let sweep_every = (core.settings.idle_after / 4).min(SWEEP);
    let mut swept = Instant::now();
    loop {
        tokio::time::sleep(ROUND).await;
        if revive(&core) {
            core.metrics.restarted("loader", "panic");
            tracing::error!("the segment loader panicked and is made anew");
            core.directory
                .for_each(|entry| entry.addr.do_send(LoaderReplaced));
        }
        if swept.elapsed() >= sweep_every {
            swept = Instant::now();
            if let Some(registry) = &*core.registry.load() {
                registry.do_send(Sweep);
            }
        }
    }
}

/// Checks the store until the server ends.
pub(super) async fn watch_store(core: Arc<Core>) {
    loop {
        let found = unpanicked(core.store.check()).await;
        core.note_check(found.as_ref());
        if found.is_ok() && core.directory.len() > 0 {
            match unpanicked(core.store.retired(DELETED)).await {
                Ok(deleted) => drop_deleted(&core, &deleted),
                // The next check asks again.
                Err(error) => tracing::warn!(%error, "deleted tags could not be looked for"),
            }
        }
        let checked = Instant::now();
        // Never more often than this, however many claims fail.
        tokio::time::sleep(UNWELL.min(core.settings.refresh)).await;
        while **core.health.load() == StoreHealth::Up {
            let rest = core.settings.refresh.saturating_sub(checked.elapsed());
            let pause = tokio::time::timeout(rest.min(PING), core.doubt.notified());
            if pause.await.is_ok() || rest <= PING {
                break;
            }
            let asked = Instant::now();
            let there = unpanicked(core.store.ping()).await;
            core.metrics.store.ping_took(asked.elapsed());
            core.note_store(there.as_ref());
        }
    }
}

/// Tags that were deleted, here or elsewhere, leave memory.
fn drop_deleted(core: &Core, deleted: &[BizTag]) {
    for tag in deleted {
        if let Some(entry) = core.directory.get(tag) {
            tracing::info!(biz_tag = %tag, "the tag was deleted; its ids in memory are left as a gap");
            entry.addr.do_send(Deleted);
        }
    }
}

async fn unpanicked<T>(
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let found = AssertUnwindSafe(asked).catch_unwind().await;
    found.unwrap_or_else(|_| {
        let text = "the check of the database panicked".to_owned();
        Err(StoreError::Transient(text))
    })
}
