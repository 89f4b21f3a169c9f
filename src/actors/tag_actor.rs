//! `TagActor`: one per biz_tag. Owns the tag's double buffer and those who wait for it.
//!
//! Requests take ids from the tag's open range by themselves; the actor opens, closes and refills it, and hears of
//! requests only where the range holds too little or it is time for the next segment. It never waits: claims are
//! asked of the loader and arrive as messages, because actix lets mailbox traffic starve an actor's own futures and
//! timers (actix#520). When the loader gives up a claim the actor stops its context; its Supervisor restarts it with
//! the same buffer and the same who wait, while the range stays open, and it asks again. The loader waits out the
//! backoff, so restarts come at most once per backoff. An actor that panics revokes the range as it is dropped: what
//! its successor hands out lies above. One that has nothing to do for a while ends and leaves its buffer, and the
//! open range, to the next: of 100,000 tags few are in use at a time, and an actor takes more memory than a buffer.

mod handlers;

use super::{
    claim_failures::{ClaimFailures, Fault},
    context::ServerContext,
    error::AllocError,
    loaded_tag::{Buffer, LoadedTag},
    messages::{AskAgain, Ended, LoadSegment, ReplyTo},
};
use crate::{
    domain::{DoubleBuffer, Offer, Replies},
    metrics::Unused,
    storage::{Claim, StoreError},
};
use actix::{Actor, AsyncContext, Context, Supervised};
use std::{sync::Arc, time::Instant};

/// Messages beside those of callers that wait.
const OTHER_MESSAGES: usize = 64;

pub(super) struct TagActor {
    server: Arc<ServerContext>,
    tag: Arc<LoadedTag>,
    buffer: Buffer,
    /// The smallest demand for which the load under way was asked.
    demand: i64,
    /// `None` while claims succeed; boxed, since there are many tags and few are in trouble.
    failures: Option<Box<ClaimFailures>>,
    restarts: u64,
    /// When it is going to ask again by itself.
    asks_again: Option<Instant>,
    /// Once set, it does nothing more: the buffer is at rest, or the range revoked.
    ended: bool,
}

impl TagActor {
    pub(super) fn new(
        server: Arc<ServerContext>,
        tag: Arc<LoadedTag>,
        buffer: Option<Buffer>,
        ctx: &mut Context<Self>,
    ) -> Self {
        // Room for each caller that may wait, so that none finds the mailbox full.
        ctx.set_mailbox_capacity(server.settings.limits.max_waiting_per_tag + OTHER_MESSAGES);
        Self {
            buffer: buffer.unwrap_or_else(|| new_buffer(&server, &tag)),
            server,
            tag,
            demand: 1,
            failures: None,
            restarts: 0,
            asks_again: None,
            ended: false,
        }
    }

    /// Asks for a segment where one is needed.
    fn load_if_needed(&mut self, now: Instant, ctx: &mut Context<Self>) {
        if self.ended || self.buffer.is_loading() {
            return;
        }
        let demand = match &self.failures {
            // Whom a claim could serve matters where some cannot succeed.
            Some(_) => self.buffer.smallest_demand(now),
            None => 1,
        };
        if self.fault_of(now, demand).is_some() {
            return;
        }
        let served = self.buffer.serve_waiting(&self.tag.range, now);
        answer(served);
        let (tag, mark) = (&self.tag, self.tag.mark());
        let Some(load) = self.buffer.next_load(&tag.range, now, &tag.name, mark) else {
            return;
        };
        self.demand = self.buffer.smallest_demand(now);
        let failures = self.failures.as_ref();
        let load = LoadSegment {
            load,
            given_up: failures.map_or(0, |failures| failures.given_up),
            reply: ctx.address().recipient(),
        };
        // A dead loader drops it; supervision makes a new one and says so to every tag.
        if let Some(loader) = &*self.server.loader.load() {
            loader.load.do_send(load);
        }
    }

    fn publish(&self, now: Instant) {
        self.tag.publish(self.buffer.step(), self.buffer.rate(now));
    }

    /// Refuses those who wait for so many ids or more.
    fn refuse_waiting(&mut self, demand: i64, error: &AllocError) {
        for reply in self.buffer.take_waiting(demand, |_| true) {
            let _ = reply.send(Err(error.clone()));
        }
    }

    /// Refuses those whom the fault that is known keeps from being served in time.
    fn refuse_faulty(&mut self) {
        let Some(fault) = self.failures.as_ref().and_then(|failures| failures.fault()) else {
            return;
        };
        let refuses = |deadline| fault.refuses(deadline);
        for reply in self.buffer.take_waiting(fault.demand, refuses) {
            let _ = reply.send(Err(fault.error.clone()));
        }
    }

    /// Has itself ask again when the tag's allowance permits it. At most one such message is on its way, but for one
    /// that comes too late.
    fn ask_again(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let fault = self.failures.as_ref().and_then(|failures| failures.fault());
        let Some(at) = fault
            .filter(|fault| fault.is_used_up())
            .map(|fault| fault.until)
        else {
            return;
        };
        if self.asks_again.is_some_and(|asks| asks <= at) || at <= now {
            return;
        }
        self.asks_again = Some(at);
        // Not a timer of the actor's context, which its mailbox can starve.
        let actor = ctx.address();
        actix::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            actor.do_send(AskAgain { at });
        });
    }

    /// What stands against a claim for a demand of so many ids, for now.
    fn fault_of(&self, now: Instant, demand: i64) -> Option<&Fault> {
        self.failures.as_ref()?.fault_of(now, demand)
    }

    fn take_in(&mut self, now: Instant, seq: u64, claim: &Claim) {
        let tag = &self.tag;
        // Also a segment that is not used was claimed: what comes later must lie above it.
        tag.raise_mark(claim.max_id);
        tag.note_row_step(claim.step);
        tag.count_in(|| self.server.metrics.tag(&tag.name));
        let (offer, replies) = self
            .buffer
            .offer(&tag.range, now, seq, claim.range, claim.step);
        self.publish(now);
        answer(replies);
        if offer == Offer::Stale {
            self.server.metrics.store.load_ended("stale");
            self.tag.count_unused(Unused::Late, claim.range.len());
            tracing::info!(biz_tag = %self.tag.name, "a late segment is left as a gap");
            return;
        }
        let failures = self.failures.take();
        if failures
            .as_ref()
            .is_some_and(|failures| failures.is_fault())
        {
            tracing::info!(biz_tag = %self.tag.name, "segments can be claimed again");
        }
        // A claim for less says nothing of what is too much for now.
        self.failures = failures
            .filter(|failures| failures.is_used_up(now))
            .map(|mut failures| {
                failures.given_up = 0;
                failures
            });
        tracing::debug!(biz_tag = %self.tag.name, max_id = claim.max_id, step = claim.step,
            size = claim.range.len(), "segment claimed");
    }

    fn give_up(&mut self, now: Instant, error: StoreError, ctx: &mut Context<Self>) {
        let failures = self.failures.get_or_insert_default();
        failures.last_error = error.to_string();
        if error.is_transient() {
            failures.given_up = failures.given_up.saturating_add(1);
            answer(self.buffer.serve_waiting(&self.tag.range, now));
            if !self.tag.was_served() && !self.buffer.has_waiting() {
                // Nobody waits for a tag that may not even exist.
                self.retire(Unused::Idle);
                return;
            }
            // The Supervisor restarts it; `started` asks again.
            actix::ActorContext::stop(ctx);
            return;
        }
        let vanished = error == StoreError::UnknownTag;
        // What is wrong with the whole store is said once for all tags. A row that was not found since the tag was
        // loaded has not vanished: it was deleted before, and is asked for on and on.
        let is_said =
            matches!(error, StoreError::Unusable(_)) || vanished && self.tag.row_step() == 0;
        if let StoreError::AllowanceUsedUp { wait, .. } = error {
            tracing::debug!(biz_tag = %self.tag.name, %error, "a claim waits");
            failures.note_fault(Some(now + wait), error.into(), self.demand);
            self.refuse_faulty();
            self.ask_again(now, ctx);
            // Who wants less may still be served.
            self.load_if_needed(now, ctx);
            return;
        }
        // What was asked for is too much; less may still be served.
        let is_too_much = matches!(error, StoreError::TagExhausted(_));
        let error = AllocError::from(error);
        let is_said = is_said || failures.is_known(&error);
        let demand = if is_too_much { self.demand } else { 0 };
        failures.note_fault(None, error.clone(), demand);
        let left = self.buffer.left(&self.tag.range);
        if !is_said {
            tracing::error!(biz_tag = %self.tag.name, %error, left, "no segment can be claimed");
        }
        if vanished && left == 0 {
            self.delete();
            return;
        }
        self.refuse_waiting(demand, &error);
        // Who wants less may still be served.
        self.load_if_needed(now, ctx);
    }

    fn retire(&mut self, why: Unused) {
        let unused = self.buffer.discard(&self.tag.range);
        self.tag.count_unused(why, unused);
        self.tag.report();
        self.end();
    }

    /// Leaves the buffer to a later actor. The range stays open.
    fn rest(&mut self) {
        let rest = new_buffer(&self.server, &self.tag);
        self.tag
            .lay_to_rest(std::mem::replace(&mut self.buffer, rest));
        self.end();
    }

    /// The tag has no row: those who wait are refused, what is in memory is a gap.
    fn delete(&mut self) {
        if self.ended {
            return;
        }
        // First, so that whoever was refused is not looked for again.
        self.server.unknown.remember(&self.tag.name);
        self.refuse_waiting(0, &AllocError::UnknownTag);
        self.retire(Unused::Deleted);
    }

    /// What is in memory is a gap; those who wait ask a successor, which claims anew.
    fn make_way(&mut self) {
        if self.ended {
            return;
        }
        drop(self.buffer.take_waiting(0, |_| true));
        self.retire(Unused::Dropped);
    }

    /// Does nothing more, and says so; again where a registry that panicked did not hear it.
    fn end(&mut self) {
        self.ended = true;
        let (tag, id) = (self.tag.name.clone(), self.tag.id);
        self.server
            .tell_registry(|registry| registry.ended.do_send(Ended { tag, id }));
    }
}

/// A buffer without segments that takes none below the tag's mark.
fn new_buffer(server: &ServerContext, tag: &LoadedTag) -> Buffer {
    DoubleBuffer::new(server.step.clone(), tag.mark())
}

/// Ids of a caller who is gone are a gap.
fn answer(replies: Replies<ReplyTo>) {
    for (reply, ids) in replies {
        let _ = reply.send(Ok(ids));
    }
}

impl Drop for TagActor {
    /// Also when it panicked: a successor must not hand out ids above those that are still being taken.
    fn drop(&mut self) {
        if !self.ended {
            self.tag.revoke(Unused::Panic);
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
        self.server.metrics.restarted("tag", "store_failure");
        tracing::debug!(biz_tag = %self.tag.name, restarts = self.restarts, "tag restarted");
    }
}
