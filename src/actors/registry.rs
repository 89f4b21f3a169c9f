//! `TagRegistry`: the only one that creates and evicts TagActors.
//!
//! It is asked on a miss only; requests for loaded tags never pass through it. What must survive it
//! (entries, marks) lives in the `Directory`, so it can be made anew at any moment.

use super::{
    core::Core,
    directory::{TagEntry, TagShared},
    error::AllocError,
    messages::{Ensure, Retire, Retired, Sweep},
    tag::TagActor,
};
use crate::domain::BizTag;
use actix::{Actor, Context, Handler, Supervised, Supervisor};
use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Misses that may wait; past it callers are told that the server is overloaded.
const MAILBOX: usize = 16_384;

/// A tag for which no segment could ever be claimed leaves memory this soon.
const UNSERVED: Duration = Duration::from_secs(10);

/// See the module's documentation.
pub(super) struct TagRegistry {
    core: Arc<Core>,
}

impl TagRegistry {
    pub(super) fn new(core: Arc<Core>, ctx: &mut Context<Self>) -> Self {
        ctx.set_mailbox_capacity(MAILBOX);
        Self { core }
    }

    /// Sees to it that the tag has an actor that lives; `None` where it panicked so soon after it was made that the next
    /// has to wait, so that one which panics over and over costs the others nothing.
    fn ensure(&self, tag: &BizTag) -> Option<Result<(), AllocError>> {
        let directory = &self.core.directory;
        let predecessor = directory.get(tag);
        if let Some(entry) = &predecessor {
            if entry.addr.connected() {
                return Some(Ok(()));
            }
            if directory.age(&entry.shared) < self.core.settings.backoff_max {
                return None;
            }
            tracing::error!(biz_tag = %tag, "the tag's actor panicked and is made anew");
            self.core.metrics.restarted("tag", "panic");
        }
        if directory.is_unknown(tag) {
            return Some(Err(AllocError::UnknownTag));
        }
        if predecessor.is_none() && directory.len() >= self.core.settings.max_loaded_tags {
            return Some(Err(AllocError::Overloaded("too many tags are loaded")));
        }
        let old: Option<&TagShared> = predecessor.as_ref().map(|entry| &*entry.shared);
        let entry = self.start(Arc::new(directory.new_shared(tag, old)));
        directory.insert(entry);
        self.core.metrics.tags_loaded.set(gauge(directory.len()));
        Some(Ok(()))
    }

    fn start(&self, shared: Arc<TagShared>) -> Arc<TagEntry> {
        let arbiters = &self.core.tag_arbiters;
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(&shared.tag);
        let home = usize::try_from(hash % arbiters.len() as u64).unwrap_or(0);
        let (core, actor_shared) = (self.core.clone(), shared.clone());
        let addr = Supervisor::start_in_arbiter(&arbiters[home], move |ctx| {
            TagActor::new(core, actor_shared, ctx)
        });
        Arc::new(TagEntry { shared, addr })
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Actor for TagRegistry {
    type Context = Context<Self>;
}

impl Supervised for TagRegistry {}

impl Handler<Ensure> for TagRegistry {
    type Result = ();

    fn handle(&mut self, message: Ensure, _: &mut Context<Self>) {
        self.core.registry_started.store(true, Ordering::Release);
        // An unanswered one asks again.
        if let Some(answer) = self.ensure(&message.tag) {
            let _ = message.reply.send(answer);
        }
    }
}

impl Handler<Retired> for TagRegistry {
    type Result = ();

    fn handle(&mut self, message: Retired, _: &mut Context<Self>) {
        let directory = &self.core.directory;
        directory.remove(&message.tag, message.id);
        self.core.metrics.tags_loaded.set(gauge(directory.len()));
    }
}

impl Handler<Sweep> for TagRegistry {
    type Result = ();

    fn handle(&mut self, _: Sweep, _: &mut Context<Self>) {
        let now = Instant::now();
        let directory = &self.core.directory;
        let mut dead = Vec::new();
        directory.for_each(|entry| {
            let served = entry.shared.mark.load(Ordering::Acquire) > 0;
            let idle_after = match served {
                true => self.core.settings.idle_after,
                false => self.core.settings.idle_after.min(UNSERVED),
            };
            if directory.idle(&entry.shared, now) < idle_after {
                return;
            }
            if entry.addr.connected() {
                entry.addr.do_send(Retire { idle_after });
            } else {
                dead.push((entry.shared.tag.clone(), entry.shared.id));
            }
        });
        for (tag, id) in dead {
            directory.remove(&tag, id);
        }
        directory.tidy();
        self.core.metrics.tags_loaded.set(gauge(directory.len()));
    }
}

#[cfg(feature = "fault-injection")]
impl Handler<super::messages::Crash> for TagRegistry {
    type Result = ();

    #[allow(clippy::panic, reason = "injected by a test")]
    fn handle(&mut self, _: super::messages::Crash, _: &mut Context<Self>) {
        panic!("injected panic in TagRegistry");
    }
}
