//! `Permits`: how many claims are under way at once, and whose turn it is.
//!
//! Tags that were never served have half of them, so that newcomers cannot delay tags in use, and so have claims that
//! nobody waits for yet: after a failover they are as many as there are tags. A claim that takes far
//! longer than others do, since its row is locked or slow, goes on beside them where there is room for that (a third
//! of all), and is given up where there is none and others wait. Its tag then takes turns with those of its kind until
//! a claim of it succeeds. So rows that are locked cost other tags a moment, however many they are.

use crate::domain::{BizTag, ClaimRequest};
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// A claim is slow when it takes so many times as long as others do, and
const SLOWER: u32 = 4;
/// at least this part of what a statement may take.
const PART: u32 = 8;
/// So many tags whose claims are slow are remembered.
const REMEMBERED: usize = 10_000;

/// Kept apart from the loader, so that its successor does not double them. Semaphores are fair, and never closed.
pub(super) struct Permits {
    /// All claims.
    all: Semaphore,
    /// Those of tags that were never served here, which take one of `all` as well.
    newcomers: Semaphore,
    /// Those that nobody waits for, which do so too.
    ahead: Semaphore,
    /// Those of them that wait for their turn, until somebody waits for the tag.
    queued: Mutex<HashMap<BizTag, Arc<Notify>, ahash::RandomState>>,
    /// Those that are slow, which keep one of `all`, so that they are few.
    slow: Semaphore,
    /// Whether there is room for slow ones at all.
    has_slow: bool,
    /// Claims that wait for a permit, slow ones aside.
    waiting: AtomicUsize,
    /// What a claim takes, in nanoseconds: about the median.
    typical: AtomicU64,
    /// A claim that takes less is not slow.
    least: Duration,
    slow_tags: Mutex<LruCache<BizTag, ()>>,
}

/// The permits of a claim.
#[derive(Debug, Default)]
pub(super) struct Held<'a> {
    all: Option<SemaphorePermit<'a>>,
    newcomer: Option<SemaphorePermit<'a>>,
    ahead: Option<SemaphorePermit<'a>>,
    slow: Option<SemaphorePermit<'a>>,
}

impl Held<'_> {
    /// Whether the claim goes on although it is slow.
    pub(super) fn is_slow(&self) -> bool {
        self.slow.is_some()
    }
}

impl Permits {
    /// So many claims at once; a statement may take so long.
    pub(super) fn new(claims: usize, statement_timeout: Duration) -> Self {
        let slow = claims / 3;
        let remembered = NonZeroUsize::new(REMEMBERED).unwrap_or(NonZeroUsize::MIN);
        Self {
            all: Semaphore::new(claims.max(1)),
            newcomers: Semaphore::new(newcomers(claims)),
            ahead: Semaphore::new(newcomers(claims)),
            queued: Mutex::default(),
            slow: Semaphore::new(slow),
            has_slow: slow > 0,
            waiting: AtomicUsize::new(0),
            typical: AtomicU64::new(0),
            least: statement_timeout / PART,
            slow_tags: Mutex::new(LruCache::new(remembered)),
        }
    }

    /// Waits for its turn. `is_wanted` says whether somebody waits for the tag.
    pub(super) async fn acquire(
        &self,
        request: &ClaimRequest,
        is_wanted: impl Fn() -> bool,
    ) -> Held<'_> {
        let mut held = Held::default();
        if self.has_slow && self.is_slow(&request.tag) {
            held.slow = self.slow.acquire().await.ok();
            held.all = self.all.acquire().await.ok();
            return held;
        }
        if request.mark > 0 {
            held.ahead = self.ahead_of_demand(&request.tag, is_wanted).await;
        }
        let _waits = Place::take(&self.waiting, usize::MAX);
        if request.mark == 0 {
            held.newcomer = self.newcomers.acquire().await.ok();
        }
        held.all = self.all.acquire().await.ok();
        held
    }

    /// The turn of a claim that nobody waits for; `None` once somebody does.
    async fn ahead_of_demand(
        &self,
        tag: &BizTag,
        is_wanted: impl Fn() -> bool,
    ) -> Option<SemaphorePermit<'_>> {
        let hurry = Arc::new(Notify::new());
        self.queued.lock().insert(tag.clone(), hurry.clone());
        // Whoever comes to wait from now on finds it there.
        let permit = match is_wanted() {
            true => None,
            false => tokio::select! {
                permit = self.ahead.acquire() => permit.ok(),
                () = hurry.notified() => None,
            },
        };
        self.queued.lock().remove(tag);
        permit
    }

    /// Somebody waits for the tag by now: its claim does not queue behind those that nobody waits for.
    pub(super) fn hurry(&self, tag: &BizTag) {
        if let Some(hurry) = self.queued.lock().get(tag) {
            hurry.notify_one();
        }
    }

    /// Waits until a claim with these permits has to be given up: it is slow, there are enough slow ones, and others
    /// wait. Never, where it may go on.
    pub(super) async fn over<'a>(&'a self, held: &mut Held<'a>) {
        if held.slow.is_some() {
            return std::future::pending().await;
        }
        let typical = Duration::from_nanos(self.typical.load(Ordering::Relaxed));
        let patience = (typical * SLOWER).max(self.least);
        tokio::time::sleep(patience).await;
        loop {
            if let Ok(slow) = self.slow.try_acquire() {
                held.slow = Some(slow);
                (held.newcomer, held.ahead) = (None, None);
                return std::future::pending().await;
            }
            if self.waiting.load(Ordering::Relaxed) > 0 {
                return;
            }
            tokio::time::sleep(patience / 4).await;
        }
    }

    /// Takes in that a claim was answered, after so long.
    pub(super) fn answered(&self, tag: &BizTag, after: Duration) {
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        // A median that is followed in steps: one claim that waited long does not change it much.
        let follow = |typical: u64| match typical {
            0 => after,
            typical if after > typical => typical + typical / 4 + 1,
            typical => typical - typical / 5,
        };
        let order = Ordering::Relaxed;
        let _ = self
            .typical
            .fetch_update(order, order, |typical| Some(follow(typical)));
        self.slow_tags.lock().pop(tag);
    }

    /// Takes in that the claim took longer than others.
    pub(super) fn note_slow(&self, tag: &BizTag) {
        self.slow_tags.lock().put(tag.clone(), ());
    }

    fn is_slow(&self, tag: &BizTag) -> bool {
        self.slow_tags.lock().contains(tag)
    }
}

/// How many of so many claims at once are of tags that were never served.
pub(super) fn newcomers(claims: usize) -> usize {
    claims.div_ceil(2).max(1)
}

/// Counts a caller for as long as it waits.
pub(super) struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    /// One of `limit` places, if there is one.
    pub(super) fn take(taken: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let more = |taken| (taken < limit).then_some(taken + 1);
        let order = Ordering::Relaxed;
        taken.fetch_update(order, order, more).ok()?;
        Some(Self(taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_the_limit_says_and_they_are_given_back() {
        let taken = AtomicUsize::new(0);
        let places: Vec<_> = (0..9).filter_map(|_| Place::take(&taken, 5)).collect();
        assert_eq!(places.len(), 5);
        drop(places);
        assert!(Place::take(&taken, 1).is_some());
    }
}
