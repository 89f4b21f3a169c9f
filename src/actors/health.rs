//! What those who poll see of the actors: `/health`, `/readyz` and `/metrics`.

use super::{allocator::Allocator, error::AllocError, store_health::StoreHealth};
use crate::{domain::BizTag, metrics::Level, storage::StoreError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

impl Allocator {
    /// Whether this server can serve; the smallest number of ids in memory over the healthy tags in
    /// use, 0 when none is.
    ///
    /// # Errors
    /// While draining, or while the store cannot serve and no tag in use has an id left.
    pub async fn health(&self) -> Result<u64, AllocError> {
        if self.is_draining() {
            return Err(AllocError::ShuttingDown);
        }
        match (self.least_left().await, self.store()) {
            (Some(least), _) => Ok(least),
            (None, Ok(())) => Ok(0),
            (None, Err(error)) => Err(error),
        }
    }

    /// The fewest ids that a healthy tag in use has left, now, or where there are many tags, a moment ago.
    async fn least_left(&self) -> Option<u64> {
        let (directory, now) = (self.directory.clone(), self.now());
        let look = move || directory.least_left(now);
        match self.has_few_tags() {
            true => look(),
            false => self.server.least_left.get(look).await.flatten(),
        }
    }

    /// Whether there are so few tags that all may be looked at on a request's thread.
    #[must_use]
    pub fn has_few_tags(&self) -> bool {
        self.directory.is_small()
    }

    /// Whether the store can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn store(&self) -> Result<(), AllocError> {
        match &*self.server.monitor.health() {
            StoreHealth::Up => Ok(()),
            StoreHealth::Starting => Err(AllocError::NoAvailableId(
                "the database has not answered yet".to_owned(),
            )),
            StoreHealth::Down(reason) => Err(AllocError::StoreFailed(reason.clone())),
            StoreHealth::Unusable(reason) => Err(StoreError::Unusable(reason.clone()).into()),
        }
    }

    /// Whether the server is going away: connections should be closed.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.server.is_draining()
    }

    /// The same, for who looks at it with every answer.
    #[must_use]
    pub fn draining(&self) -> Arc<AtomicBool> {
        self.server.draining.clone()
    }

    /// The level of each loaded tag that ever had a segment; its ids are counted up to now.
    pub fn levels(&self, mut visit: impl FnMut(&BizTag, Level)) {
        let now = self.now();
        self.directory.for_each(|entry| {
            if entry.was_served() && entry.is_sound() {
                entry.report();
                visit(&entry.name, entry.level(now));
            }
        });
    }

    /// Connections to the store: idle, and in use.
    #[must_use]
    pub fn store_connections(&self) -> (usize, usize) {
        self.server.store.connections()
    }

    /// Callers waiting in the whole server.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.server.waiting.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        self.server.clock.millis(Instant::now())
    }
}
