//! `Directory`: which tags are loaded, looked up by every request without a lock.
//!
//! Only the TagRegistry writes to it. It also keeps what must outlive actors: the high-water marks of
//! evicted tags, and the names that were asked for in vain a moment ago.

use super::tag::TagActor;
use crate::{
    domain::{BizTag, RateMeter},
    metrics::Level,
};
use actix::Addr;
use lru::LruCache;
use papaya::Guard as _;
use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What a tag's actor shares with those who look at it. Survives the actor's panic.
#[derive(Debug)]
pub(super) struct TagShared {
    pub(super) tag: BizTag,
    /// Which of the tag's actors this is.
    pub(super) id: u64,
    /// End of everything this process ever claimed for the tag; only raised.
    pub(super) mark: AtomicI64,
    /// When this actor was made, in milliseconds of the directory's clock.
    born: u64,
    /// Ids in memory.
    pub(super) left: AtomicU64,
    /// The size of claims in force, in ids.
    pub(super) step: AtomicI64,
    /// Ids handed out per second as of the last request, as the bits of an `f64`.
    rate: AtomicU64,
    /// Set once the actor has taken a message: only then its mailbox takes as many as it should.
    pub(super) started: AtomicBool,
    /// When it was last asked for ids or health, in milliseconds of the directory's clock.
    last_use: AtomicU64,
}

impl TagShared {
    pub(super) fn raise_mark(&self, to: i64) {
        self.mark.fetch_max(to, Ordering::AcqRel);
    }

    pub(super) fn set_rate(&self, per_second: f64) {
        self.rate.store(per_second.to_bits(), Ordering::Relaxed);
    }
}

/// A loaded tag. Its `Addr` is shared by reference: each clone would get a mailbox slot of its own.
#[derive(Debug)]
pub(super) struct TagEntry {
    pub(super) shared: Arc<TagShared>,
    pub(super) addr: Addr<TagActor>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Directory {
    entries: papaya::HashMap<BizTag, Arc<TagEntry>, ahash::RandomState>,
    /// Marks of tags that are not loaded, by their names' hashes: they stay for good, so they are kept small. Two
    /// tags of one hash share the higher mark, which costs the other a gap. Bounded by the tags that ever
    /// had a row.
    marks: Mutex<HashMap<u64, i64, ahash::RandomState>>,
    hasher: ahash::RandomState,
    /// Names without a row, and until when that is believed.
    unknown: Mutex<LruCache<BizTag, Instant>>,
    unknown_ttl: Duration,
    /// When the process began; `last_use` counts from here.
    epoch: Instant,
    ids: AtomicU64,
}

impl Directory {
    pub(super) fn new(unknown_tags: usize, unknown_ttl: Duration) -> Self {
        let capacity = NonZeroUsize::new(unknown_tags).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: papaya::HashMap::default(),
            marks: Mutex::default(),
            hasher: ahash::RandomState::new(),
            unknown: Mutex::new(LruCache::new(capacity)),
            unknown_ttl,
            epoch: Instant::now(),
            ids: AtomicU64::new(0),
        }
    }

    /// The live entry of a tag, if it is loaded.
    pub(super) fn get(&self, tag: &BizTag) -> Option<Arc<TagEntry>> {
        self.entries.pin().get(tag).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What a new actor of `tag` shares; it starts at the mark of its predecessors.
    pub(super) fn new_shared(&self, tag: &BizTag, predecessor: Option<&TagShared>) -> TagShared {
        let hash = self.hasher.hash_one(tag);
        let kept = lock(&self.marks).get(&hash).copied().unwrap_or(0);
        let inherited = predecessor.map_or(0, |old| old.mark.load(Ordering::Acquire));
        let now = self.millis(Instant::now());
        TagShared {
            tag: tag.clone(),
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            mark: AtomicI64::new(kept.max(inherited)),
            born: now,
            left: AtomicU64::new(0),
            step: AtomicI64::new(0),
            rate: AtomicU64::new(0),
            started: AtomicBool::new(false),
            last_use: AtomicU64::new(now),
        }
    }

    pub(super) fn insert(&self, entry: Arc<TagEntry>) {
        self.entries.pin().insert(entry.shared.tag.clone(), entry);
    }

    /// Takes out the tag's actor `id`, keeping its mark. Another actor of the tag stays.
    pub(super) fn remove(&self, tag: &BizTag, id: u64) {
        let entries = self.entries.pin();
        if let Some(entry) = entries.get(tag)
            && entry.shared.id == id
        {
            let mark = entry.shared.mark.load(Ordering::Acquire);
            if mark > 0 {
                let mut marks = lock(&self.marks);
                let kept = marks.entry(self.hasher.hash_one(tag)).or_insert(mark);
                *kept = (*kept).max(mark);
            }
            entries.remove(tag);
        }
    }

    /// Lets go of entries that were taken out, whose memory the table would else keep until more follow.
    pub(super) fn tidy(&self) {
        self.entries.guard().flush();
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(&TagEntry)) {
        for entry in self.entries.pin().values() {
            visit(entry);
        }
    }

    /// Remembers briefly that `tag` has no row.
    pub(super) fn remember_unknown(&self, tag: &BizTag) {
        let until = Instant::now() + self.unknown_ttl;
        lock(&self.unknown).put(tag.clone(), until);
    }

    /// A row was made for `tag`.
    pub(super) fn forget_unknown(&self, tag: &BizTag) {
        lock(&self.unknown).pop(tag);
    }

    /// Whether `tag` had no row a moment ago.
    pub(super) fn is_unknown(&self, tag: &BizTag) -> bool {
        let mut unknown = lock(&self.unknown);
        match unknown.peek(tag) {
            Some(until) if *until > Instant::now() => true,
            Some(_) => {
                unknown.pop(tag);
                false
            }
            None => false,
        }
    }

    pub(super) fn touch(&self, shared: &TagShared, now: Instant) {
        shared.last_use.store(self.millis(now), Ordering::Relaxed);
    }

    /// How long ago the tag was used.
    pub(super) fn idle(&self, shared: &TagShared, now: Instant) -> Duration {
        let last = shared.last_use.load(Ordering::Relaxed);
        Duration::from_millis(self.millis(now).saturating_sub(last))
    }

    /// How long ago the tag's actor was made.
    pub(super) fn age(&self, shared: &TagShared) -> Duration {
        Duration::from_millis(self.millis(Instant::now()).saturating_sub(shared.born))
    }

    /// What there is of a tag at `now`. A tag that nobody asks for slows down as its meter would.
    pub(super) fn level(&self, shared: &TagShared, now: Instant) -> Level {
        let rate = f64::from_bits(shared.rate.load(Ordering::Relaxed));
        Level {
            left: shared.left.load(Ordering::Acquire),
            rate: RateMeter::faded(rate, self.idle(shared, now)),
            step: shared.step.load(Ordering::Relaxed),
            max_id: shared.mark.load(Ordering::Acquire),
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A poisoned lock is used on: its data is valid after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
