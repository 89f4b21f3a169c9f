//! `Allocator`: the only type of this folder that HTTP sees. One per worker, not shared by threads.

use super::{
    core::{Core, Phase, StoreHealth},
    error::AllocError,
    gather::{Lane, Waiter},
    messages::{Describe, TagState},
};
use crate::{
    domain::{BizTag, Ids},
    metrics::Level,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
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
    tags: RefCell<HashMap<BizTag, Rc<Waiting>>>,
    /// The part of `limits.max_waiting_per_tag` that is this worker's.
    per_tag: usize,
}

/// Those of this worker who wait for one tag.
#[derive(Default)]
struct Waiting {
    callers: Cell<usize>,
    lanes: RefCell<HashMap<u32, Rc<Lane>>>,
}

/// Counts a caller for as long as it waits.
struct Admission<'a> {
    core: &'a Core,
    waiting: Rc<Waiting>,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.core.waiting.fetch_sub(1, Ordering::Relaxed);
        self.waiting.callers.set(self.waiting.callers.get() - 1);
    }
}

/// Takes a lane out when its task ends, also by a panic: its callers are then told, not forgotten.
struct Running {
    waiting: Rc<Waiting>,
    count: u32,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.waiting.lanes.borrow_mut().remove(&self.count);
    }
}

impl Allocator {
    pub(super) fn new(core: Arc<Core>) -> Self {
        let per_tag = core
            .settings
            .max_waiting_per_tag
            .div_ceil(core.settings.workers.max(1));
        Self {
            core,
            tags: RefCell::default(),
            per_tag,
        }
    }

    /// `count` ids of `tag`, ascending, that nobody else gets.
    ///
    /// Dropping the future gives nothing back: ids allotted to it are a gap.
    ///
    /// # Errors
    /// [`AllocError`], within the request deadline.
    pub async fn allocate(&self, tag: &BizTag, count: u32) -> Result<Ids, AllocError> {
        let (reply, answer) = oneshot::channel();
        let _admission = self.enqueue(tag, count, reply)?;
        answer
            .await
            .unwrap_or_else(|_| Err(AllocError::NoAvailableId("try again".to_owned())))
    }

    /// Ids of `tag` in memory, at least one; loads the tag where it is not loaded.
    ///
    /// # Errors
    /// As [`Self::allocate`], and where none is left.
    pub async fn left(&self, tag: &BizTag) -> Result<u64, AllocError> {
        if self.core.phase() != Phase::Serving {
            return Err(AllocError::ShuttingDown);
        }
        self.allocate(tag, 0).await?;
        let entry = self.core.directory.get(tag);
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

    /// Callers waiting in the whole server.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.waiting.load(Ordering::Relaxed)
    }

    fn enqueue(
        &self,
        tag: &BizTag,
        count: u32,
        reply: oneshot::Sender<Result<Ids, AllocError>>,
    ) -> Result<Admission<'_>, AllocError> {
        if self.core.phase() == Phase::Closed {
            return Err(AllocError::ShuttingDown);
        }
        let waiting = self.waiting_for(tag);
        if waiting.callers.get() >= self.per_tag {
            return Err(AllocError::Overloaded(
                "too many requests wait for this biz_tag",
            ));
        }
        // Not added first and taken back: nobody may see more than the limit.
        let limit = self.core.settings.max_waiting;
        let place = |taken| (taken < limit).then_some(taken + 1);
        let order = Ordering::Relaxed;
        if self.core.waiting.fetch_update(order, order, place).is_err() {
            return Err(AllocError::Overloaded("too many requests wait"));
        }
        waiting.callers.set(waiting.callers.get() + 1);
        let admission = Admission {
            core: &self.core,
            waiting: waiting.clone(),
        };
        let waiter = Waiter {
            deadline: Instant::now() + self.core.settings.request_deadline,
            reply: Some(reply),
        };
        let mut lanes = waiting.lanes.borrow_mut();
        if let Some(lane) = lanes.get(&count) {
            lane.push(waiter);
        } else if lanes.len() >= MAX_LANES {
            return Err(AllocError::Overloaded(
                "too many different counts wait for this biz_tag",
            ));
        } else {
            let lane = Lane::new(tag.clone(), count);
            lane.push(waiter);
            lanes.insert(count, lane.clone());
            self.spawn(waiting.clone(), lane, count);
        }
        Ok(admission)
    }

    /// Lanes live only while someone waits in them, so evicted tags leave nothing behind here.
    fn spawn(&self, waiting: Rc<Waiting>, lane: Rc<Lane>, count: u32) {
        let core = self.core.clone();
        let running = Running { waiting, count };
        actix::spawn(async move {
            lane.run(&core).await;
            drop(running);
        });
    }

    fn waiting_for(&self, tag: &BizTag) -> Rc<Waiting> {
        let mut tags = self.tags.borrow_mut();
        if let Some(waiting) = tags.get(tag) {
            return waiting.clone();
        }
        if tags.len() >= MANY_TAGS {
            tags.retain(|_, waiting| {
                waiting.callers.get() > 0 || !waiting.lanes.borrow().is_empty()
            });
        }
        let waiting = Rc::<Waiting>::default();
        tags.insert(tag.clone(), waiting.clone());
        waiting
    }
}

/// With so many tags in the table of those waited for, the idle ones are taken out first.
const MANY_TAGS: usize = 1024;

/// Lanes per tag and worker: so many callers with different counts may wait at once.
const MAX_LANES: usize = 512;

impl std::fmt::Debug for Allocator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allocator").finish_non_exhaustive()
    }
}
