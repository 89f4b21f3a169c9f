//! What the admin API sees of this server, and tells it: states of loaded tags, and that a tag was made or deleted,
//! so that this server need not find out by itself.

use super::{
    Allocation,
    directory::{Directory, Entry, IN_USE},
    messages::{Describe, TagState},
    store_health::StoreHealth,
};
use crate::{domain::BizTag, metrics::Level, storage::StoreReport};
use futures_util::future::join_all;
use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How long an actor may take to tell its state.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked whether a tag's ids are gone.
const LOOK: Duration = Duration::from_millis(5);

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

/// In which order loaded tags are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order<'a> {
    /// By name, only those after this one.
    Name {
        /// Where the page before ended.
        after: Option<&'a str>,
    },
    /// Those first whose ids in memory last least.
    Supply,
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
        let server = &self.server;
        ServerState {
            uptime: server.clock.uptime(),
            draining: server.is_draining(),
            tags_loaded: self.directory.len(),
            waiting: server.waiting.load(Ordering::Relaxed),
            store: (*server.monitor.health()).clone(),
            report: server.monitor.report(),
            connections: server.store.connections(),
        }
    }

    /// The loaded tags that begin with `prefix`, at most `limit` in this order, and how many begin so.
    pub async fn tag_states(
        &self,
        prefix: &str,
        order: Order<'_>,
        limit: usize,
    ) -> (Vec<TagStatus>, usize) {
        let now = self.server.clock.millis(Instant::now());
        let (directory, prefix) = (self.directory.clone(), prefix.to_owned());
        let after = match order {
            Order::Name { after } => Some(after.unwrap_or_default().to_owned()),
            Order::Supply => None,
        };
        let look = move || first_tags(&directory, &prefix, after.as_deref(), limit, now);
        let (first, total) = match self.directory.is_small() {
            true => look(),
            false => self.server.lists.take(look).await.unwrap_or_default(),
        };
        let asked = first
            .into_iter()
            .map(|tag| async move { self.tag_state(&tag).await });
        let found = join_all(asked).await.into_iter().flatten().collect();
        (found, total)
    }

    /// The tags that run out first, at most `limit`, with what there is of each. Tags that nobody uses are not among
    /// them. It looks at every tag.
    #[must_use]
    pub fn shortest_supplies(&self, limit: usize) -> Vec<(BizTag, Level)> {
        let now = self.server.clock.millis(Instant::now());
        let mut first: Vec<(f64, BizTag, Level)> = Vec::with_capacity(limit + 1);
        self.directory.for_each(|entry| {
            let level = entry.level(now);
            let lasts = level.supply_seconds();
            let is_late = first.len() >= limit && first.last().is_none_or(|last| last.0 <= lasts);
            // One without ids that nobody asks for lacks nothing; one that never had any is new.
            let is_wanted = level.left > 0 || entry.idle(now) <= IN_USE;
            if !lasts.is_finite() || is_late || !is_wanted || !entry.was_served() {
                return;
            }
            let at = first.partition_point(|other| other.0 <= lasts);
            first.insert(at, (lasts, entry.name.clone(), level));
            first.truncate(limit);
        });
        first
            .into_iter()
            .map(|(_, tag, level)| (tag, level))
            .collect()
    }

    /// Whether there are so few tags that all may be looked at at once.
    #[must_use]
    pub fn has_few_tags(&self) -> bool {
        self.directory.is_small()
    }

    /// A loaded tag; `None` where it is not loaded.
    pub async fn tag_state(&self, tag: &BizTag) -> Option<TagStatus> {
        let entry = self.directory.get(tag)?;
        let state = describe(&entry).await;
        let now = self.server.clock.millis(Instant::now());
        Some(TagStatus {
            tag: entry.name.clone(),
            level: entry.level(now),
            state,
        })
    }

    /// A tag was made: it is not unknown any more.
    pub fn tag_created(&self, tag: &BizTag) {
        self.server.unknown.forget(tag);
    }

    /// Throws away what there is of a tag in memory, and says whether it is gone. Requests claim new ids.
    pub async fn drop_ids(&self, tag: &BizTag) -> bool {
        self.discard(tag, false).await
    }

    /// A tag was deleted: throws away what there is of it in memory, and says whether it is gone. Requests are refused.
    pub async fn tag_deleted(&self, tag: &BizTag) -> bool {
        self.discard(tag, true).await
    }

    async fn discard(&self, tag: &BizTag, is_deleted: bool) -> bool {
        let Some(entry) = self.directory.get(tag) else {
            return true;
        };
        let gone = async {
            while !entry.range.is_revoked() {
                self.server.discard(tag, is_deleted);
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.is_ok()
    }
}

/// The tags that begin with `prefix`, at most `limit`: the first names after `after`, or without that those first whose
/// ids last least; and how many begin so.
fn first_tags(
    directory: &Directory,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now: u64,
) -> (Vec<BizTag>, usize) {
    // Only as many as are wanted are kept, however many tags are loaded.
    let (mut first, mut total) = (BTreeSet::<(u64, BizTag)>::new(), 0);
    directory.for_each(|entry| {
        let name = entry.name.as_str();
        if !name.starts_with(prefix) {
            return;
        }
        total += 1;
        // Seconds order as their bits do, since none is below 0.
        let lasts = match after {
            Some(after) if name <= after => return,
            Some(_) => 0,
            None => lasts(entry, now).to_bits(),
        };
        let is_late = |last: &(u64, BizTag)| (last.0, last.1.as_str()) <= (lasts, name);
        if first.len() >= limit && first.last().is_none_or(is_late) {
            return;
        }
        first.insert((lasts, entry.name.clone()));
        if first.len() > limit {
            first.pop_last();
        }
    });
    (first.into_iter().map(|(_, tag)| tag).collect(), total)
}

/// How long the tag's ids last, in seconds. One without ids that nobody asks for can wait.
fn lasts(entry: &Entry, now: u64) -> f64 {
    let level = entry.level(now);
    match level.left == 0 && entry.idle(now) > IN_USE {
        true => f64::INFINITY,
        false => level.supply_seconds(),
    }
}

/// What the tag's actor tells of itself; `None` where it does not answer in time.
async fn describe(entry: &Entry) -> Option<TagState> {
    let Some(actor) = &entry.actor else {
        return entry.resting_state();
    };
    let (reply, answer) = oneshot::channel();
    actor.try_send(Describe { reply }).ok()?;
    tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
}
