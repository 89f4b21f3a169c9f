//! `TagRegistry`: the only one that creates and evicts TagActors.
//!
//! It is asked on a miss only; requests for loaded tags never pass through it. What must survive it (entries,
//! marks) lives in the `Directory`, so it can be made anew at any moment.

use super::{
    context::ServerContext,
    directory::{Directory, Entry},
    error::AllocError,
    loaded_tag::{Buffer, LoadedTag},
    messages::{Discard, Ended, Ensure, Rest, RunsLow, Sweep, Wake},
    tag_actor::TagActor,
};
use crate::{domain::BizTag, metrics::Unused};
use actix::{Actor, ArbiterHandle, Context, Handler, Supervisor};
use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::Arc,
    time::Instant,
};

/// Misses that may wait; past it callers try again until their deadline.
const MAILBOX: usize = 16_384;

pub(super) struct TagRegistry {
    server: Arc<ServerContext>,
    directory: Arc<Directory>,
    /// Where TagActors live, by hash of the tag.
    homes: Arc<[ArbiterHandle]>,
}

impl TagRegistry {
    pub(super) fn new(
        server: Arc<ServerContext>,
        directory: Arc<Directory>,
        homes: Arc<[ArbiterHandle]>,
        ctx: &mut Context<Self>,
    ) -> Self {
        ctx.set_mailbox_capacity(MAILBOX);
        Self {
            server,
            directory,
            homes,
        }
    }

    /// Sees to it that the tag has an actor that lives; `None` where it panicked so soon after it was made that the
    /// next has to wait, so that one which panics over and over costs the others nothing.
    fn ensure(&self, tag: &BizTag) -> Option<Result<(), AllocError>> {
        let predecessor = self.directory.get(tag);
        if let Some(entry) = &predecessor {
            if entry.is_sound() {
                self.wake(entry);
                return Some(Ok(()));
            }
            let now = self.server.clock.millis(Instant::now());
            if entry.age(now) < self.server.settings.database.backoff_max {
                return None;
            }
            // The actor has done so as it was dropped; nobody may take from it beside its successor.
            entry.revoke(Unused::Panic);
            tracing::error!(biz_tag = %tag, "the tag's actor panicked and is being replaced");
            self.server.metrics.restarted("tag", "panic");
        }
        if self.server.unknown.contains(tag) {
            return Some(Err(AllocError::UnknownTag));
        }
        let max_loaded_tags = self.server.settings.limits.max_loaded_tags;
        if predecessor.is_none() && self.directory.len() >= max_loaded_tags {
            return Some(Err(AllocError::Overloaded("too many tags are loaded")));
        }
        let mark = match predecessor {
            Some(entry) => entry.mark(),
            None => self.directory.kept_mark(tag),
        };
        let id = self.directory.new_id();
        let tag = LoadedTag::new(tag.clone(), id, mark, &self.server.clock);
        self.start(Arc::new(tag), None);
        self.count_tags();
        Some(Ok(()))
    }

    /// Has a tag at rest taken up by an actor.
    fn wake(&self, entry: &Entry) {
        if entry.actor.is_none()
            && let Some(buffer) = entry.tag.take_up()
        {
            self.start(entry.tag.clone(), Some(buffer));
        }
    }

    fn start(&self, tag: Arc<LoadedTag>, buffer: Option<Buffer>) {
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(&tag.name);
        let home = usize::try_from(hash % self.homes.len() as u64).unwrap_or(0);
        let (server, shared) = (self.server.clone(), tag.clone());
        let actor = Supervisor::start_in_arbiter(&self.homes[home], move |ctx| {
            TagActor::new(server, shared, buffer, ctx)
        });
        let actor = Some(actor);
        self.directory.insert(Arc::new(Entry { tag, actor }));
    }

    fn count_tags(&self) {
        let loaded = i64::try_from(self.directory.len()).unwrap_or(i64::MAX);
        self.server.metrics.tags_loaded.set(loaded);
    }

    /// Evicts tags that nobody uses, ends the actors of those that nobody has used for a while, and has those measure
    /// their rate whose traffic has just fallen.
    fn sweep(&self) {
        let now = self.server.clock.millis(Instant::now());
        let settings = &self.server.settings;
        let (rest_after, idle_after) = (settings.rest_after, settings.allocation.idle_after);
        let mut evicted = Vec::new();
        self.directory.for_each(|entry| {
            let is_used = entry.look(now);
            let idle = entry.idle(now);
            match entry.live_actor() {
                Some(actor) if idle >= rest_after.min(idle_after) => actor.do_send(Rest),
                Some(actor) if !is_used && entry.is_rated() => actor.do_send(RunsLow),
                None if idle >= idle_after => evicted.push((entry.name.clone(), entry.id)),
                _ => {}
            }
        });
        for (tag, id) in evicted {
            self.evict(&tag, id, Unused::Idle);
        }
        self.directory.tidy();
    }

    /// Takes a tag out of memory; what was left of it is a gap.
    fn evict(&self, tag: &BizTag, id: u64, why: Unused) {
        if let Some(entry) = self.directory.get(tag).filter(|entry| entry.id == id) {
            entry.revoke(why);
            self.directory.remove(tag, id);
            self.count_tags();
        }
    }
}

impl Actor for TagRegistry {
    type Context = Context<Self>;
}

impl Handler<Ensure> for TagRegistry {
    type Result = ();

    fn handle(&mut self, message: Ensure, _: &mut Context<Self>) {
        // Who gets no answer asks again.
        if let Some(answer) = self.ensure(&message.tag) {
            let _ = message.reply.send(answer);
        }
    }
}

impl Handler<Ended> for TagRegistry {
    type Result = ();

    fn handle(&mut self, message: Ended, _: &mut Context<Self>) {
        let entry = self.directory.get(&message.tag);
        let Some(entry) = entry.filter(|entry| entry.id == message.id) else {
            return;
        };
        if entry.range.is_revoked() {
            // What it had was counted as the range ended.
            self.evict(&message.tag, message.id, Unused::Idle);
        } else if entry.is_at_rest() {
            let (tag, actor) = (entry.tag.clone(), None);
            self.directory.insert(Arc::new(Entry { tag, actor }));
        }
    }
}

impl Handler<Wake> for TagRegistry {
    type Result = ();

    fn handle(&mut self, message: Wake, _: &mut Context<Self>) {
        if let Some(entry) = self.directory.get(&message.tag) {
            self.wake(&entry);
        }
        if let Some(entry) = self.directory.get(&message.tag)
            && let Some(actor) = &entry.actor
        {
            actor.do_send(RunsLow);
        }
    }
}

impl Handler<Discard> for TagRegistry {
    type Result = ();

    fn handle(&mut self, discard: Discard, _: &mut Context<Self>) {
        let Some(entry) = self.directory.get(&discard.tag) else {
            return;
        };
        if let Some(actor) = entry.live_actor() {
            actor.do_send(discard);
        } else {
            if discard.is_deleted {
                self.server.unknown.remember(&discard.tag);
            }
            self.evict(&discard.tag, entry.id, discard.why());
        }
    }
}

impl Handler<Sweep> for TagRegistry {
    type Result = ();

    fn handle(&mut self, _: Sweep, _: &mut Context<Self>) {
        self.sweep();
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
