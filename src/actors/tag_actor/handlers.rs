//! What the actor of a tag does with each message.

use super::{TagActor, answer};
use crate::{
    actors::messages::{
        AskAgain, Describe, Discard, LoadEnded, LoaderReplaced, Rest, RunsLow, TagState, Wait, Wake,
    },
    domain::Waiting,
    metrics::Unused,
};
use actix::{Context, Handler};
use std::time::Instant;

impl Handler<Wait> for TagActor {
    type Result = ();

    fn handle(&mut self, message: Wait, ctx: &mut Context<Self>) {
        if self.ended {
            return self.end();
        }
        let now = Instant::now();
        self.tag.touch(self.server.clock.millis(now));
        let (demand, deadline) = (message.demand.at_least_one(), message.deadline);
        let waiting = Waiting {
            demand: message.demand,
            deadline: message.deadline,
            reply: message.reply,
        };
        if let Some(served) = self.buffer.wait(&self.tag.range, now, waiting) {
            answer(vec![served]);
        } else if self
            .fault_of(now, demand)
            .is_some_and(|fault| fault.refuses(deadline))
        {
            self.refuse_faulty();
        }
        self.load_if_needed(now, ctx);
    }
}

impl Handler<RunsLow> for TagActor {
    type Result = ();

    fn handle(&mut self, _: RunsLow, ctx: &mut Context<Self>) {
        if self.ended {
            // Nobody else is told: the reminder is sent once.
            self.end();
            let tag = self.tag.name.clone();
            self.server
                .tell_registry(|registry| registry.wake.do_send(Wake { tag }));
            return;
        }
        let now = Instant::now();
        self.buffer.remind(&self.tag.range, now);
        self.load_if_needed(now, ctx);
        self.publish(now);
    }
}

impl Handler<AskAgain> for TagActor {
    type Result = ();

    fn handle(&mut self, asks: AskAgain, ctx: &mut Context<Self>) {
        if self.asks_again == Some(asks.at) {
            self.asks_again = None;
        }
        let now = Instant::now();
        self.load_if_needed(now, ctx);
        self.ask_again(now, ctx);
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

impl Handler<Rest> for TagActor {
    type Result = ();

    fn handle(&mut self, _: Rest, _: &mut Context<Self>) {
        if self.ended {
            self.end();
        } else if self.buffer.has_waiting() {
            // There is something to do.
        } else if !self.tag.was_served() {
            self.retire(Unused::Idle);
        } else if !self.buffer.is_loading() {
            self.rest();
        }
    }
}

impl Handler<Discard> for TagActor {
    type Result = ();

    fn handle(&mut self, discard: Discard, _: &mut Context<Self>) {
        let is_deleted = discard.is_deleted;
        if self.ended && self.tag.is_at_rest() {
            self.end();
            self.server
                .tell_registry(|registry| registry.discard.do_send(discard));
        }
        match is_deleted {
            true => self.delete(),
            false => self.make_way(),
        }
    }
}

impl Handler<Describe> for TagActor {
    type Result = ();

    fn handle(&mut self, message: Describe, _: &mut Context<Self>) {
        let failures = self.failures.as_ref();
        let _ = message.reply.send(TagState {
            restarts: self.restarts,
            last_error: failures.map(|failures| failures.last_error.clone()),
            ..self.tag.state(&self.buffer)
        });
    }
}

#[cfg(feature = "fault-injection")]
impl Handler<crate::actors::messages::Crash> for TagActor {
    type Result = ();

    #[allow(clippy::panic, reason = "injected by a test")]
    fn handle(&mut self, _: crate::actors::messages::Crash, _: &mut Context<Self>) {
        panic!("injected panic in TagActor");
    }
}
