//! The courier: one task per worker that carries the messages of its [lanes](super::lane) to the tags'
//! actors, and what they answer back to the callers.
//!
//! It never waits for one lane: answers of all actors arrive in one channel, and what takes longer (a tag
//! whose actor has to be made, a pause) is done beside it by a task that then says that the lane is
//! ready again. Before it sends, it lets those who are just being read from a socket come along, so that
//! a message serves as many as can be and one wake-up of an actor's thread serves many messages.

use super::{
    core::{Core, Phase},
    directory::TagEntry,
    error::AllocError,
    lane::Lane,
    messages::{Alloc, Ensure, Refusal, ReplyTo},
    worker::Worker,
};
use crate::domain::{BizTag, Grant};
use actix::dev::SendError;
use std::{
    rc::{Rc, Weak},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// Pause before a tag's actor that moved or died is looked up again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What is taken in at a time before anything is sent again.
const EVENTS: usize = 1024;

/// What a courier is told. At most one answer per lane is under way.
pub(super) enum Event {
    /// There are lanes to look at, or deadlines.
    Wake,
    /// The end of message `seq`.
    Answered {
        seq: u64,
        result: Result<Grant, Refusal>,
    },
    /// Panic.
    #[cfg(feature = "fault-injection")]
    Crash,
}

/// The courier's end, also by a panic: those who wait are let go, and the next caller gets a new one.
struct Guard(Weak<Worker>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(worker) = self.0.upgrade() {
            worker.abandon();
        }
    }
}

/// A lane that something is done for beside the courier, which has it again when that ends, however it ends.
struct Aside {
    worker: Rc<Worker>,
    lane: Rc<Lane>,
    era: u64,
}

impl Aside {
    fn new(worker: &Rc<Worker>, lane: Rc<Lane>) -> Self {
        let (worker, era) = (worker.clone(), worker.era.get());
        Self { worker, lane, era }
    }

    /// Whether the lane's courier still lives.
    fn is_current(&self) -> bool {
        self.worker.era.get() == self.era
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.is_current() {
            self.worker.add_ready(self.lane.clone());
            self.worker.wake();
        }
    }
}

/// Runs until the worker is gone.
pub(super) fn run(
    core: Arc<Core>,
    worker: Weak<Worker>,
    inbox: UnboundedReceiver<Event>,
) -> impl Future<Output = ()> {
    // Here, so that it ends well also where it never begins.
    let guard = Guard(worker.clone());
    async move {
        carry(&core, &worker, inbox).await;
        drop(guard);
    }
}

async fn carry(core: &Core, worker: &Weak<Worker>, mut inbox: UnboundedReceiver<Event>) {
    let mut phase = core.phase.subscribe();
    let closed = async move {
        // An error: the server is gone.
        let _ = phase.wait_for(|phase| *phase == Phase::Closed).await;
    };
    let deadline = tokio::time::sleep(Duration::ZERO);
    tokio::pin!(closed, deadline);
    let (mut is_closed, mut is_armed) = (false, false);
    let mut events = Vec::new();
    loop {
        tokio::select! {
            // What comes seldom first: there may always be something in the inbox.
            biased;
            () = &mut deadline, if is_armed => is_armed = false,
            () = &mut closed, if !is_closed => is_closed = true,
            taken = inbox.recv_many(&mut events, EVENTS) => if taken == 0 { return },
        }
        let Some(worker) = worker.upgrade() else {
            return;
        };
        for event in events.drain(..) {
            match event {
                Event::Wake => {}
                Event::Answered { seq, result } => worker.take_in(seq, result),
                #[cfg(feature = "fault-injection")]
                Event::Crash => crash(),
            }
        }
        if is_closed {
            worker.refuse_all(&AllocError::ShuttingDown);
        }
        if worker.has_ready() {
            // Whoever else is just being read from a socket comes along.
            tokio::task::yield_now().await;
        }
        worker.note_awake();
        worker.send_ready();
        if !is_armed && let Some(next) = worker.expire() {
            deadline.as_mut().reset(next.into());
            is_armed = true;
        }
    }
}

impl Worker {
    /// Hands a message's answer to its callers.
    fn take_in(self: &Rc<Self>, seq: u64, result: Result<Grant, Refusal>) {
        let Some(flight) = self.landed(seq) else {
            // Its callers were let go when a courier died: a gap.
            return;
        };
        let lane = flight.lane.clone();
        match result {
            Ok(grant) => flight.hand_out(grant),
            Err(Refusal::Failed(error)) => flight.refuse(&error),
            Err(Refusal::Lost) => flight.refuse(&AllocError::NoAvailableId(
                "the tag's actor failed and is made anew; try again".to_owned(),
            )),
            Err(Refusal::Moved) => {
                flight.put_back();
                self.pause(lane);
                return;
            }
        }
        self.carry_on(lane);
    }

    /// Sends a message for each lane that is ready.
    fn send_ready(self: &Rc<Self>) {
        let now = Instant::now();
        for lane in self.take_ready() {
            if !lane.has_queue() {
                lane.is_carried.set(false);
                continue;
            }
            match live_entry(&self.core, &lane.tag) {
                Some(entry) => self.send(lane, &entry, now),
                None => self.ensure(lane),
            }
        }
        if self.has_ready() {
            // One whose message was refused at once.
            self.wake();
        }
    }

    fn send(self: &Rc<Self>, lane: Rc<Lane>, entry: &TagEntry, now: Instant) {
        let Some(flight) = lane.next_flight(now) else {
            // All that were queued were late or gone.
            lane.is_carried.set(false);
            return;
        };
        let (count, deadlines) = (lane.count, flight.deadlines());
        let reply = ReplyTo::new(self.post(), self.takes_off(flight));
        let has_started = entry.shared.started.load(Ordering::Acquire);
        let refused = entry.addr.try_send(Alloc {
            count,
            deadlines,
            reply,
        });
        let Err(refused) = refused else { return };
        let is_full = has_started && matches!(refused, SendError::Full(_));
        let Some(flight) = self.landed(refused.into_inner().reply.forget()) else {
            return;
        };
        if is_full {
            flight.refuse(&AllocError::Overloaded("the tag's mailbox is full"));
            self.carry_on(lane);
        } else {
            // Until it starts, its mailbox holds a handful: fewer than workers and counts may send.
            flight.put_back();
            self.pause(lane);
        }
    }

    /// The lane's next message, if anyone waits for one.
    fn carry_on(&self, lane: Rc<Lane>) {
        if lane.has_queue() {
            self.add_ready(lane);
        } else {
            lane.is_carried.set(false);
        }
    }

    fn pause(self: &Rc<Self>, lane: Rc<Lane>) {
        let aside = Aside::new(self, lane);
        actix::spawn(async move {
            tokio::time::sleep(LOOK_AGAIN).await;
            drop(aside);
        });
    }

    /// Has the lane's tag loaded.
    fn ensure(self: &Rc<Self>, lane: Rc<Lane>) {
        let aside = Aside::new(self, lane);
        actix::spawn(async move {
            let made = ensure(&aside.worker.core, &aside.lane.tag).await;
            if let Err(error) = made
                && aside.is_current()
            {
                aside.lane.refuse(&error);
            }
        });
    }
}

/// The tag's actor, if it lives.
fn live_entry(core: &Core, tag: &BizTag) -> Option<Arc<TagEntry>> {
    let entry = core.directory.get(tag)?;
    entry.addr.connected().then_some(entry)
}

/// Waits until the registry has made the tag's actor.
async fn ensure(core: &Core, tag: &BizTag) -> Result<(), AllocError> {
    loop {
        if live_entry(core, tag).is_some() {
            return Ok(());
        }
        if core.directory.is_unknown(tag) {
            return Err(AllocError::UnknownTag);
        }
        let (reply, answer) = tokio::sync::oneshot::channel();
        let ensure = Ensure {
            tag: tag.clone(),
            reply,
        };
        let started = core.registry_started.load(Ordering::Acquire);
        let registry = core.registry.load_full();
        match registry.map(|registry| registry.try_send(ensure)) {
            Some(Err(SendError::Full(_))) if started => {
                return Err(AllocError::Overloaded("too many tags are being loaded"));
            }
            Some(Ok(())) => {
                if let Ok(made) = answer.await {
                    return made;
                }
            }
            // It has not started yet, or the warden is about to make a new one.
            Some(Err(_)) | None => {}
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[cfg(feature = "fault-injection")]
#[allow(clippy::panic, reason = "injected by a test")]
fn crash() {
    panic!("injected panic in a courier");
}

/// Where a courier is told of something.
pub(super) type Post = UnboundedSender<Event>;
