//! Looks after the store: checks it every `allocation.refresh` while it is well, every second while it is not, and
//! soon after a claim has failed; in between it asks every few seconds whether the store is there, since nobody
//! claims for minutes. Every `allocation.refresh`, and however many claims fail no more often, it drops the tags that
//! were deleted, and looks how far those with a limit of their own have come.

use super::Allocation;
use crate::{
    domain::Ceilings,
    storage::{StoreError, StoreReport},
};
use futures_util::FutureExt as _;
use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

/// How often a store that is well is asked whether it is there.
const PING: Duration = Duration::from_secs(5);

/// So many tags with a limit of their own are watched, those that have used most of it.
const LIMITED: u64 = 1000;

/// How often a store that is not well is checked.
const UNWELL: Duration = Duration::from_secs(1);

/// A failure that came sooner says nothing of the store: one that does not answer takes longer.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Allocation {
    /// Runs until the server ends.
    pub(super) async fn watch_store(self) {
        let (server, settings) = (&self.server, &self.server.settings.allocation);
        let mut ceilings = Ceilings::default();
        // Whether it was said that the deleted ones, or those with a limit, cannot be looked for.
        let (mut deleted_unseen, mut limits_unseen) = (false, false);
        let mut looked = None::<Instant>;
        loop {
            let found = self.check().await;
            self.note_check(found.as_ref());
            let until_refresh = |looked: Option<Instant>| {
                looked.map_or(Duration::ZERO, |at| {
                    settings.refresh.saturating_sub(at.elapsed())
                })
            };
            if found.is_ok() && until_refresh(looked).is_zero() {
                self.look_for_deleted(&mut deleted_unseen).await;
                self.look_at_limits(&mut ceilings, &mut limits_unseen).await;
                looked = Some(Instant::now());
            }
            // Never more often than this, however many claims fail.
            tokio::time::sleep(UNWELL.min(settings.refresh)).await;
            while server.monitor.is_up() {
                let rest = until_refresh(looked);
                let pause = tokio::time::timeout(rest.min(PING), server.monitor.doubted());
                if pause.await.is_ok() || rest <= PING {
                    break;
                }
                let there = self.ping().await;
                server
                    .monitor
                    .note_store(there.as_ref(), || self.shortest_supply());
            }
        }
    }

    /// Tags that were deleted, here or elsewhere, leave memory.
    async fn look_for_deleted(&self, unseen: &mut bool) {
        let mut loaded = Vec::with_capacity(self.directory.len());
        self.directory
            .for_each(|entry| loaded.push(entry.name.clone()));
        if loaded.is_empty() {
            return;
        }
        match caught(self.server.store.retired(&loaded)).await {
            Ok(deleted) => {
                *unseen = false;
                for tag in deleted
                    .iter()
                    .filter(|tag| self.directory.get(tag).is_some())
                {
                    tracing::info!(biz_tag = %tag, "the tag was deleted; its ids in memory are left as a gap");
                    self.server.discard(tag, true);
                }
            }
            // The next look asks again.
            Err(error) => say_once(unseen, &error, "deleted tags"),
        }
    }

    /// Checks the store, and whether it takes writes.
    async fn check(&self) -> Result<StoreReport, StoreError> {
        let store = &self.server.store;
        let report = twice(|| store.check()).await?;
        self.ping().await?;
        Ok(report)
    }

    /// Asks whether the store is there and takes writes.
    async fn ping(&self) -> Result<(), StoreError> {
        let (store, asked) = (&self.server.store, Instant::now());
        let there = twice(|| store.ping()).await;
        self.server.metrics.store.ping_took(asked.elapsed());
        there
    }

    /// Takes in what a check of the store found.
    pub fn note_check(&self, found: Result<&StoreReport, &StoreError>) {
        self.server
            .monitor
            .note_check(found, || self.shortest_supply());
    }

    /// How far tags with a limit of their own have come.
    async fn look_at_limits(&self, ceilings: &mut Ceilings, unseen: &mut bool) {
        match caught(self.server.store.limited(LIMITED)).await {
            Ok(rows) => {
                *unseen = false;
                let rows = rows
                    .into_iter()
                    .map(|row| (row.tag, row.max_id, row.id_limit));
                let read = ceilings.read(Instant::now(), rows);
                self.server.metrics.set_ceilings(read);
            }
            // What is known stays; the next check asks again.
            Err(error) => say_once(unseen, &error, "tags with a limit"),
        }
    }

    fn shortest_supply(&self) -> String {
        let now = self.server.clock.millis(Instant::now());
        self.directory.shortest_supply(now)
    }
}

/// What cannot be looked for; where it lasts, checks come each second.
fn say_once(said: &mut bool, error: &StoreError, what: &str) {
    if !std::mem::replace(said, true) {
        tracing::warn!(%error, "cannot look for {what}");
    }
}

/// What fails at once is asked again, on another connection: something between may have cut one that was idle.
async fn twice<T, F>(ask: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let asked = Instant::now();
    match caught(ask()).await {
        Err(error) if error.is_transient() && asked.elapsed() < AT_ONCE => caught(ask()).await,
        found => found,
    }
}

/// A panic in the store is an error like any other: this task goes on.
async fn caught<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let found = AssertUnwindSafe(asked).catch_unwind().await;
    found.unwrap_or_else(|_| {
        let text = "the check of the database panicked".to_owned();
        Err(StoreError::Transient(text))
    })
}
