//! `TagActor`: one per biz_tag. Owns the tag's double buffer and those who wait for it.
//!
//! It never waits: claims are asked of the loader and arrive as messages, because actix lets mailbox
//! traffic starve an actor's own futures and timers (actix#520). When the loader gives up a claim the
//! actor stops its context; its Supervisor restarts it with the same buffer and waiters, and it asks
//! again. The loader waits out the backoff, so restarts come at most once per backoff.

use super::{
    core::Core,
    directory::TagShared,
    error::AllocError,
    messages::{
        Alloc, Describe, LoadEnded, LoadSegment, LoaderReplaced, Refusal, ReplyTo, Retire, Retired,
        TagState,
    },
    trouble::{Fault, Trouble},
};
use crate::{
    domain::{Batch, DoubleBuffer, Grant, IdRange, Offer},
    metrics::TagMetrics,
    storage::{Claim, StoreError},
};
use actix::{Actor, AsyncContext, Context, Handler, Supervised};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

/// Messages that may wait: one per worker and count, and the control messages.
const MAILBOX: usize = 16_384;

/// See the module's documentation.
pub(super) struct TagActor {
    core: Arc<Core>,
    shared: Arc<TagShared>,
    buffer: DoubleBuffer<ReplyTo>,
    /// The smallest demand for which the load under way was asked.
    demand: i64,
    /// `None` while claims succeed; boxed, since there are many tags and few are in trouble.
    trouble: Option<Box<Trouble>>,
    restarts: u64,
    /// Once set, nothing is handed out any more.
    retired: bool,
    /// Made with the first segment, so that unknown tags leave no series.
    metrics: Option<TagMetrics>,
}

impl TagActor {
    pub(super) fn new(core: Arc<Core>, shared: Arc<TagShared>, ctx: &mut Context<Self>) -> Self {
        ctx.set_mailbox_capacity(MAILBOX);
        let mark = shared.mark.load(Ordering::Acquire);
        Self {
            buffer: DoubleBuffer::new(core.settings.step.clone(), mark),
            core,
            shared,
            demand: 1,
            trouble: None,
            restarts: 0,
            retired: false,
            metrics: None,
        }
    }

    /// Asks for a segment where one is needed.
    fn load_if_needed(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let demand = self.buffer.smallest_demand(now);
        if self.retired || self.fault_of(now, demand).is_some() {
            return;
        }
        if self.buffer.has_parked() && !self.buffer.is_loading() {
            let settled = self.buffer.settle_parked(now);
            self.deliver(settled);
        }
        let Some(request) = self.buffer.next_load(now) else {
            return;
        };
        self.demand = demand;
        let load = LoadSegment {
            tag: self.shared.tag.clone(),
            request,
            mark: self.shared.mark.load(Ordering::Acquire),
            given_up: self.trouble.as_ref().map_or(0, |trouble| trouble.given_up),
            reply: ctx.address().recipient(),
        };
        // A dead loader drops it; the warden makes a new one and says so to every tag.
        if let Some(loader) = &*self.core.loader.load() {
            loader.do_send(load);
        }
    }

    fn deliver(&self, replies: impl IntoIterator<Item = (ReplyTo, Grant)>) {
        for (reply, grant) in replies {
            if let Some(metrics) = &self.metrics {
                metrics.allocated(grant.ids.iter().map(IdRange::len).sum());
            }
            reply.send(Ok(grant));
        }
    }

    /// Tells those who look from outside what is left.
    fn publish(&self, now: Instant) {
        let shared = &self.shared;
        shared.left.store(self.buffer.left(), Ordering::Release);
        shared.step.store(self.buffer.step(), Ordering::Relaxed);
        shared.set_rate(self.buffer.rate(now));
    }

    /// Refuses those who wait for so many ids or more.
    fn refuse_parked(&mut self, demand: i64, error: &AllocError) {
        for reply in self.buffer.take_parked(demand) {
            reply.send(Err(Refusal::Failed(error.clone())));
        }
    }

    /// What stands against a claim for a demand of so many ids, for now.
    fn fault_of(&self, now: Instant, demand: i64) -> Option<&Fault> {
        self.trouble.as_ref()?.fault_of(now, demand)
    }

    fn take_in(&mut self, now: Instant, seq: u64, claim: &Claim) {
        let (offer, replies) = self.buffer.offer(now, seq, claim.range, claim.step);
        // Also a segment that is not used was claimed: what comes later must lie above it.
        self.shared.raise_mark(claim.max_id);
        if offer == Offer::Stale {
            self.core.metrics.store.load_ended("stale");
            self.publish(now);
            self.deliver(replies);
            tracing::info!(biz_tag = %self.shared.tag, "a late segment is left as a gap");
            return;
        }
        if self
            .trouble
            .take()
            .is_some_and(|trouble| trouble.is_fault())
        {
            tracing::info!(biz_tag = %self.shared.tag, "segments can be claimed again");
        }
        let core = &self.core;
        self.metrics
            .get_or_insert_with(|| core.metrics.tag(&self.shared.tag));
        tracing::debug!(biz_tag = %self.shared.tag, max_id = claim.max_id, step = claim.step,
            size = claim.range.len(), "segment claimed");
        // Before anyone is answered, as whoever asked for health looks at it next.
        self.publish(now);
        self.deliver(replies);
    }

    fn give_up(&mut self, now: Instant, error: StoreError, ctx: &mut Context<Self>) {
        let was_never_served = self.was_never_served();
        let trouble = self.trouble.get_or_insert_default();
        trouble.last_error = error.to_string();
        if error.is_transient() {
            trouble.given_up = trouble.given_up.saturating_add(1);
            let settled = self.buffer.settle_parked(now);
            self.deliver(settled);
            if was_never_served && !self.buffer.has_parked() {
                // Nobody waits for a tag that may not even exist.
                self.retire();
                return;
            }
            // The Supervisor restarts it; `started` asks again.
            actix::ActorContext::stop(ctx);
            return;
        }
        let vanished = error == StoreError::UnknownTag;
        // What is wrong with the whole store is said once for all tags.
        let said = matches!(error, StoreError::Unusable(_)) || vanished && was_never_served;
        let error = AllocError::from(error);
        let said = said || trouble.is_known(&error);
        let demand = match error {
            AllocError::TagExhausted(_) => self.demand,
            _ => 0,
        };
        trouble.note_fault(now, error.clone(), demand);
        if !said {
            tracing::error!(biz_tag = %self.shared.tag, %error, left = self.buffer.left(),
                "no segment can be claimed");
        }
        if vanished && self.buffer.left() == 0 {
            self.delete();
            return;
        }
        self.refuse_parked(demand, &error);
        // Who wants less may still be served.
        self.load_if_needed(now, ctx);
    }

    fn retire(&mut self) {
        self.retired = true;
        self.buffer.discard();
        self.publish(Instant::now());
        self.tell_registry();
    }

    /// The tag has no row: those who wait are refused, what is in memory is a gap.
    pub(super) fn delete(&mut self) {
        if self.retired {
            return;
        }
        // First, so that whoever was refused is not looked for again.
        self.core.directory.remember_unknown(&self.shared.tag);
        self.refuse_parked(0, &AllocError::UnknownTag);
        self.retire();
    }

    /// Whether no segment was ever claimed for the tag here.
    fn was_never_served(&self) -> bool {
        self.shared.mark.load(Ordering::Acquire) == 0
    }

    /// Says that it is retired; again where a registry that panicked did not hear it.
    fn tell_registry(&self) {
        if let Some(registry) = &*self.core.registry.load() {
            registry.do_send(Retired {
                tag: self.shared.tag.clone(),
                id: self.shared.id,
            });
        }
    }
}

impl Actor for TagActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.load_if_needed(Instant::now(), ctx);
    }
}

impl Supervised for TagActor {
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.restarts += 1;
        self.core.metrics.restarted("tag", "store_failure");
        tracing::debug!(biz_tag = %self.shared.tag, restarts = self.restarts, "tag restarted");
    }
}

impl Handler<Alloc> for TagActor {
    type Result = ();

    fn handle(&mut self, message: Alloc, ctx: &mut Context<Self>) {
        self.shared.started.store(true, Ordering::Release);
        if self.retired {
            self.tell_registry();
            message.reply.send(Err(Refusal::Moved));
            return;
        }
        let now = Instant::now();
        self.core.directory.touch(&self.shared, now);
        let settled = self.buffer.allocate(
            now,
            Batch {
                count: message.count,
                deadlines: message.deadlines,
                reply: message.reply,
            },
        );
        if let Some(settled) = settled {
            self.publish(now);
            self.deliver([settled]);
        } else if let Some(fault) = self.fault_of(now, i64::from(message.count.max(1))) {
            let (demand, error) = (fault.demand, fault.error.clone());
            self.refuse_parked(demand, &error);
        }
        self.load_if_needed(now, ctx);
    }
}

impl Handler<LoadEnded> for TagActor {
    type Result = ();

    fn handle(&mut self, message: LoadEnded, ctx: &mut Context<Self>) {
        let now = Instant::now();
        match message.result {
            Ok(claim) => {
                self.take_in(now, message.seq, &claim);
                self.load_if_needed(now, ctx);
            }
            Err(error) => {
                if self.buffer.load_failed(message.seq) {
                    self.give_up(now, error, ctx);
                }
            }
        }
    }
}

impl Handler<LoaderReplaced> for TagActor {
    type Result = ();

    fn handle(&mut self, _: LoaderReplaced, ctx: &mut Context<Self>) {
        if self.buffer.is_loading() {
            self.buffer.abandon_load();
            self.load_if_needed(Instant::now(), ctx);
        }
    }
}

impl Handler<Retire> for TagActor {
    type Result = ();

    fn handle(&mut self, message: Retire, _: &mut Context<Self>) {
        if self.retired {
            self.tell_registry();
            return;
        }
        let idle = self.core.directory.idle(&self.shared, Instant::now());
        if !self.buffer.has_parked() && idle >= message.idle_after {
            self.retire();
        }
    }
}

impl Handler<Describe> for TagActor {
    type Result = ();

    fn handle(&mut self, message: Describe, _: &mut Context<Self>) {
        let _ = message.reply.send(TagState {
            segments: self
                .buffer
                .segments()
                .map(|s| (s.left().first(), s.left().end(), s.size()))
                .collect(),
            left: self.buffer.left(),
            step: self.buffer.step(),
            rate: self.buffer.rate(Instant::now()),
            loading: self.buffer.is_loading(),
            restarts: self.restarts,
            last_error: self
                .trouble
                .as_ref()
                .map(|trouble| trouble.last_error.clone()),
        });
    }
}

#[cfg(feature = "fault-injection")]
impl Handler<super::messages::Crash> for TagActor {
    type Result = ();

    #[allow(clippy::panic, reason = "injected by a test")]
    fn handle(&mut self, _: super::messages::Crash, _: &mut Context<Self>) {
        panic!("injected panic in TagActor");
    }
}
