//! `UnknownNames`: names that were asked for in vain a moment ago, so that a flood of them does not reach the store,
//! and new names are looked up before anything is made for them.

use crate::domain::BizTag;
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

/// So long after a name without a row others may follow.
const FLOOD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct UnknownNames {
    names: Mutex<Names>,
    ttl: Duration,
}

#[derive(Debug)]
struct Names {
    /// Names without a row, and until when that is believed.
    until: LruCache<BizTag, Instant>,
    /// When one was asked for last.
    newest: Option<Instant>,
}

impl UnknownNames {
    pub(super) fn new(capacity: usize, ttl: Duration) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        let names = Names {
            until: LruCache::new(capacity),
            newest: None,
        };
        Self {
            names: Mutex::new(names),
            ttl,
        }
    }

    /// Remembers briefly that `tag` has no row.
    pub(super) fn remember(&self, tag: &BizTag) {
        let (now, mut names) = (Instant::now(), self.names.lock());
        names.newest = Some(now);
        names.until.put(tag.clone(), now + self.ttl);
    }

    /// A row was made for `tag`.
    pub(super) fn forget(&self, tag: &BizTag) {
        self.names.lock().until.pop(tag);
    }

    /// Whether `tag` had no row a moment ago.
    pub(super) fn contains(&self, tag: &BizTag) -> bool {
        let mut names = self.names.lock();
        match names.until.peek(tag) {
            Some(until) if *until > Instant::now() => true,
            Some(_) => {
                names.until.pop(tag);
                false
            }
            None => false,
        }
    }

    /// Whether a name without a row was asked for a moment ago, so that another new one may be one too.
    pub(super) fn are_asked_for(&self) -> bool {
        let newest = self.names.lock().newest;
        newest.is_some_and(|newest| newest.elapsed() < FLOOD)
    }
}
