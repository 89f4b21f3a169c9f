//! `UnknownNames`: names that were asked for in vain a moment ago, so that a flood of them does not reach the store.

use crate::domain::BizTag;
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct UnknownNames {
    /// Names without a row, and until when that is believed.
    names: Mutex<LruCache<BizTag, Instant>>,
    ttl: Duration,
}

impl UnknownNames {
    pub(super) fn new(capacity: usize, ttl: Duration) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self {
            names: Mutex::new(LruCache::new(capacity)),
            ttl,
        }
    }

    /// Remembers briefly that `tag` has no row.
    pub(super) fn remember(&self, tag: &BizTag) {
        let until = Instant::now() + self.ttl;
        self.names().put(tag.clone(), until);
    }

    /// A row was made for `tag`.
    pub(super) fn forget(&self, tag: &BizTag) {
        self.names().pop(tag);
    }

    /// Whether `tag` had no row a moment ago.
    pub(super) fn contains(&self, tag: &BizTag) -> bool {
        let mut names = self.names();
        match names.peek(tag) {
            Some(until) if *until > Instant::now() => true,
            Some(_) => {
                names.pop(tag);
                false
            }
            None => false,
        }
    }

    /// The names are valid after every statement, so a poisoned lock is used on.
    fn names(&self) -> MutexGuard<'_, LruCache<BizTag, Instant>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
