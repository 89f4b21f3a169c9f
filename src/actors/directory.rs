//! `Directory`: which tags are loaded, looked up by every request without a lock.
//!
//! Only the TagRegistry writes to it. It also keeps what must outlive actors: the high-water marks of evicted tags.

use super::{loaded_tag::LoadedTag, tag_actor::TagActor};
use crate::domain::BizTag;
use actix::Addr;
use papaya::Guard as _;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// A loaded tag and its actor.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) tag: Arc<LoadedTag>,
    /// `None` while the tag is at rest. Shared by reference: each clone of an `Addr` gets a mailbox slot of its own.
    pub(super) actor: Option<Addr<TagActor>>,
}

impl Entry {
    /// Whether the actor, if there is one, has not panicked.
    pub(super) fn is_sound(&self) -> bool {
        self.actor.as_ref().is_none_or(Addr::connected)
    }

    /// The actor, if there is one that has not panicked.
    pub(super) fn live_actor(&self) -> Option<&Addr<TagActor>> {
        self.actor.as_ref().filter(|actor| actor.connected())
    }
}

impl Deref for Entry {
    type Target = LoadedTag;

    fn deref(&self) -> &LoadedTag {
        &self.tag
    }
}

/// Work per tag is done on a request's thread where there are no more tags than this.
const FEW: usize = 100;

/// A tag counts as in use for `/health` for so long after a request.
pub(super) const IN_USE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Directory {
    entries: papaya::HashMap<BizTag, Arc<Entry>, ahash::RandomState>,
    /// Marks of tags that are not loaded, by their names' hashes: they stay for good, so they are kept small. Two
    /// tags of one hash share the higher mark, which costs the other a gap. Bounded by the tags that ever had a row.
    marks: Mutex<HashMap<u64, i64, ahash::RandomState>>,
    hasher: ahash::RandomState,
    /// How many actors were made.
    ids: AtomicU64,
}

impl Directory {
    /// Looks at the entry of a tag, if it is loaded.
    #[inline]
    pub(super) fn with<R>(&self, tag: &str, look: impl FnOnce(&Entry) -> R) -> Option<R> {
        self.entries.pin().get(tag).map(|entry| look(entry))
    }

    /// The entry of a tag, if it is loaded.
    pub(super) fn get(&self, tag: &BizTag) -> Option<Arc<Entry>> {
        self.entries.pin().get(tag).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are so few tags that all may be looked at within a request.
    pub(super) fn is_small(&self) -> bool {
        self.len() <= FEW
    }

    /// The fewest ids that a healthy tag in use has left, at least one; `None` where there is no such tag.
    pub(super) fn least_left(&self, now: u64) -> Option<u64> {
        let mut least = None::<u64>;
        self.for_each(|entry| {
            let left = entry.range.left();
            if left > 0 && entry.is_sound() && entry.idle(now) <= IN_USE {
                least = Some(least.map_or(left, |least| least.min(left)));
            }
        });
        least
    }

    /// The number of a new actor.
    pub(super) fn new_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The mark of a tag that is not loaded; 0 where there is none.
    pub(super) fn kept_mark(&self, tag: &BizTag) -> i64 {
        let hash = self.hasher.hash_one(tag);
        self.marks.lock().get(&hash).copied().unwrap_or(0)
    }

    pub(super) fn insert(&self, entry: Arc<Entry>) {
        self.entries.pin().insert(entry.name.clone(), entry);
    }

    /// Takes out the tag's actor `id`, keeping its mark. Another actor of the tag stays.
    pub(super) fn remove(&self, tag: &BizTag, id: u64) {
        let entries = self.entries.pin();
        if let Some(entry) = entries.get(tag)
            && entry.id == id
        {
            let mark = entry.mark();
            if mark > 0 {
                let mut marks = self.marks.lock();
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

    pub(super) fn for_each(&self, mut visit: impl FnMut(&Entry)) {
        for entry in self.entries.pin().values() {
            visit(entry);
        }
    }

    /// Which tag runs out first, and when, for the log. A name that never had an id may be nobody's.
    pub(super) fn shortest_supply(&self, now: u64) -> String {
        let mut shortest = None::<(f64, BizTag)>;
        self.for_each(|entry| {
            if !entry.was_served() {
                return;
            }
            let lasts = entry.level(now).supply_seconds();
            if lasts.is_finite() && shortest.as_ref().is_none_or(|(least, _)| lasts < *least) {
                shortest = Some((lasts, entry.name.clone()));
            }
        });
        match shortest {
            Some((seconds, tag)) => format!("at its present rate {tag} lasts {seconds:.0} s"),
            None => "no tag is in use".to_owned(),
        }
    }
}
