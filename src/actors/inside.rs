//! What the admin API sees of this server, and tells it: states of loaded tags, and that a tag was made
//! or deleted, so that this server need not find out by itself.

use super::{
    Allocation,
    core::{Core, Phase, StoreHealth},
    directory::TagEntry,
    messages::{Deleted, Describe, TagState},
    tag::TagActor,
};
use crate::{domain::BizTag, metrics::Level, storage::StoreReport};
use actix::Handler;
use futures_util::future::join_all;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How long an actor may take to tell its state.
const PATIENCE: Duration = Duration::from_secs(1);

/// A tag that is loaded on this server.
#[derive(Debug, Clone)]
pub struct TagStatus {
    /// Its name.
    pub tag: BizTag,
    /// What there is of it.
    pub level: Level,
    /// What its actor tells; `None` where it did not answer in time.
    pub state: Option<TagState>,
}

/// What there is of this server.
#[derive(Debug, Clone)]
pub struct ServerState {
    /// How long it has run.
    pub uptime: Duration,
    /// Whether `/health` says no because it is going away.
    pub draining: bool,
    /// Tags in memory.
    pub tags_loaded: usize,
    /// Callers waiting for ids.
    pub waiting: usize,
    /// What is known of the store.
    pub store: StoreHealth,
    /// What the newest check that succeeded found; `None` before the first.
    pub report: Option<Arc<StoreReport>>,
    /// Connections to the store: idle, and in use.
    pub connections: (usize, usize),
}

impl Allocation {
    /// What there is of this server.
    #[must_use]
    pub fn server_state(&self) -> ServerState {
        let core = &self.core;
        ServerState {
            uptime: core.begun.elapsed(),
            draining: core.phase() != Phase::Serving,
            tags_loaded: core.directory.len(),
            waiting: core.waiting.count(),
            store: (**core.health.load()).clone(),
            report: core.report.load_full(),
            connections: core.store.connections(),
        }
    }

    /// The loaded tags that begin with `prefix` and come after `after`, by name, at most `limit`.
    pub async fn tag_states(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<TagStatus> {
        // Only as many names as are wanted are kept, however many tags are loaded.
        let mut first = BTreeMap::new();
        self.core.directory.for_each(|entry| {
            let name = entry.shared.tag.as_str();
            if !name.starts_with(prefix) || after.is_some_and(|after| name <= after) {
                return;
            }
            let is_late = |last: &BizTag| name > last.as_str();
            if first.len() >= limit && first.last_key_value().is_none_or(|(last, _)| is_late(last))
            {
                return;
            }
            first.insert(entry.shared.tag.clone(), ());
            if first.len() > limit {
                first.pop_last();
            }
        });
        let asked = first
            .into_keys()
            .map(|tag| async move { self.tag_state(&tag).await });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// A loaded tag; `None` where it is not loaded.
    pub async fn tag_state(&self, tag: &BizTag) -> Option<TagStatus> {
        let entry = self.core.directory.get(tag)?;
        Some(status(&self.core, &entry).await)
    }

    /// A tag was made: it is not unknown any more.
    pub fn tag_created(&self, tag: &BizTag) {
        self.core.directory.forget_unknown(tag);
    }

    /// A tag was deleted: what there is of it in memory is thrown away.
    pub fn tag_deleted(&self, tag: &BizTag) {
        if let Some(entry) = self.core.directory.get(tag) {
            entry.addr.do_send(Deleted);
        }
    }
}

async fn status(core: &Core, entry: &TagEntry) -> TagStatus {
    let (reply, answer) = oneshot::channel();
    let asked = entry.addr.try_send(Describe { reply });
    let state = match asked {
        Ok(()) => tokio::time::timeout(PATIENCE, answer).await.ok(),
        Err(_) => None,
    };
    TagStatus {
        tag: entry.shared.tag.clone(),
        level: core.directory.level(&entry.shared, Instant::now()),
        state: state.and_then(Result::ok),
    }
}

impl Handler<Deleted> for TagActor {
    type Result = ();

    fn handle(&mut self, _: Deleted, _: &mut Self::Context) {
        self.delete();
    }
}
