//! `Allocator`: the only type of this folder that HTTP sees. One per worker, not shared by threads.

use super::{
    core::{Core, Phase, StoreHealth},
    error::AllocError,
    messages::{Describe, TagState},
    worker::Worker,
};
use crate::{
    domain::{BizTag, Ids, TagName},
    metrics::Level,
};
use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// A tag counts as in use for `/health` for so long after a request.
const IN_USE: Duration = Duration::from_secs(60);

/// Hands out ids; see `actors` for how.
pub struct Allocator {
    core: Arc<Core>,
    worker: Rc<Worker>,
}

impl Allocator {
    pub(super) fn new(core: Arc<Core>, of_the_api: bool) -> Self {
        let worker = Worker::new(core.clone(), of_the_api);
        Self { core, worker }
    }

    /// `count` ids of `tag`, ascending, that nobody else gets.
    ///
    /// Dropping the future gives nothing back: ids allotted to it are a gap.
    ///
    /// # Errors
    /// [`AllocError`], within the request deadline.
    pub async fn allocate<'a>(
        &self,
        tag: impl Into<TagName<'a>>,
        count: u32,
    ) -> Result<Ids, AllocError> {
        let (_admission, awaited) = self.worker.enqueue(&tag.into(), count)?;
        awaited.await
    }

    /// Ids of `tag` in memory, at least one; loads the tag where it is not loaded.
    ///
    /// # Errors
    /// As [`Self::allocate`], and where none is left.
    pub async fn left<'a>(&self, tag: impl Into<TagName<'a>>) -> Result<u64, AllocError> {
        if self.core.phase() != Phase::Serving {
            return Err(AllocError::ShuttingDown);
        }
        let tag = tag.into().to_biz_tag();
        self.allocate(&tag, 0).await?;
        let entry = self.core.directory.get(&tag);
        match entry.map_or(0, |entry| entry.shared.left.load(Ordering::Acquire)) {
            0 => Err(AllocError::NoAvailableId("none is left".to_owned())),
            left => Ok(left),
        }
    }

    /// Whether this server can serve; the smallest number of ids in memory over the healthy tags in
    /// use, 0 when none is.
    ///
    /// # Errors
    /// While draining, or while the store cannot serve and no tag in use has an id left.
    pub fn health(&self) -> Result<u64, AllocError> {
        if self.core.phase() != Phase::Serving {
            return Err(AllocError::ShuttingDown);
        }
        let (now, mut least) = (Instant::now(), None::<u64>);
        let directory = &self.core.directory;
        directory.for_each(|entry| {
            let left = entry.shared.left.load(Ordering::Acquire);
            if left > 0 && entry.addr.connected() && directory.idle(&entry.shared, now) <= IN_USE {
                least = Some(least.map_or(left, |least| least.min(left)));
            }
        });
        match (least, self.store()) {
            (Some(least), _) => Ok(least),
            (None, Ok(())) => Ok(0),
            (None, Err(error)) => Err(error),
        }
    }

    /// Whether the store can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn store(&self) -> Result<(), AllocError> {
        match &**self.core.health.load() {
            StoreHealth::Up => Ok(()),
            StoreHealth::Starting => Err(AllocError::NoAvailableId(
                "the database has not answered yet".to_owned(),
            )),
            StoreHealth::Down(reason) => Err(AllocError::NoAvailableId(reason.clone())),
            StoreHealth::Unusable(reason) => {
                Err(crate::storage::StoreError::Unusable(reason.clone()).into())
            }
        }
    }

    /// Whether the server is going away: connections should be closed.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.core.phase() != Phase::Serving
    }

    /// What the actor of a loaded tag tells of itself; `None` where the tag is not loaded.
    pub async fn describe(&self, tag: &BizTag) -> Option<TagState> {
        let entry = self.core.directory.get(tag)?;
        let (reply, answer) = oneshot::channel();
        entry.addr.try_send(Describe { reply }).ok()?;
        tokio::time::timeout(self.core.settings.request_deadline, answer)
            .await
            .ok()?
            .ok()
    }

    /// The level of each loaded tag that ever had a segment.
    pub fn levels(&self, mut visit: impl FnMut(&BizTag, Level)) {
        let (now, directory) = (Instant::now(), &self.core.directory);
        directory.for_each(|entry| {
            if entry.shared.mark.load(Ordering::Acquire) > 0 && entry.addr.connected() {
                visit(&entry.shared.tag, directory.level(&entry.shared, now));
            }
        });
    }

    /// Connections to the store: idle, and in use.
    #[must_use]
    pub fn store_connections(&self) -> (usize, usize) {
        self.core.store.connections()
    }

    /// Makes this worker's courier panic, for tests.
    #[cfg(feature = "fault-injection")]
    pub fn crash(&self) {
        self.worker.crash();
    }

    /// Callers waiting in the whole server.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.waiting.count()
    }
}

impl std::fmt::Debug for Allocator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allocator").finish_non_exhaustive()
    }
}
