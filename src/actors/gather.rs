//! Gathering: the requests of one worker that want equally many ids of one tag travel together.
//!
//! A *lane* exists per tag and count while someone waits in it. Its task keeps one `Alloc` message in
//! flight; whoever comes meanwhile goes with the next one, so under load one message serves many
//! requests. All callers of a lane want the same, so where one cannot be served none can, and a
//! parked message holds nobody up. Deadlines are kept here: the lane's task answers those past
//! theirs, also while their message is parked.

use super::{
    core::{Core, Phase},
    directory::TagEntry,
    error::AllocError,
    messages::{Alloc, Ensure, Refusal},
};
use crate::domain::{BizTag, Grant, IdRange, Ids};
use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The most callers in one message.
const MAX_BATCH: usize = 4096;

/// Pause before a tag's actor that moved or died is looked up again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Someone who waits for ids.
pub(super) struct Waiter {
    pub(super) deadline: Instant,
    /// `None` once it was answered; it keeps its place, as the grant counts by places.
    pub(super) reply: Option<oneshot::Sender<Result<Ids, AllocError>>>,
}

/// Those who wait for `count` ids each of one tag, in the order in which they came.
pub(super) struct Lane {
    tag: BizTag,
    count: u32,
    queue: RefCell<VecDeque<Waiter>>,
}

/// How a message ended.
enum Outcome {
    Granted(Grant),
    Failed(AllocError),
    /// Nothing was decided; ask again.
    Again,
}

impl Lane {
    pub(super) fn new(tag: BizTag, count: u32) -> Rc<Self> {
        Rc::new(Self {
            tag,
            count,
            queue: RefCell::default(),
        })
    }

    pub(super) fn push(&self, waiter: Waiter) {
        self.queue.borrow_mut().push_back(waiter);
    }

    /// Serves the lane until nobody waits.
    pub(super) async fn run(&self, core: &Core) {
        loop {
            // Whoever else has been read from a socket by now comes along: each message costs two wake-ups
            // of a thread, a system call each.
            tokio::task::yield_now().await;
            let mut batch = self.next_batch();
            if batch.is_empty() {
                // All that were queued were late or gone.
                return;
            }
            let outcome = self.send(core, &mut batch).await;
            self.settle(batch, outcome).await;
        }
    }

    /// The callers of the next message: those still there and in time. Empty only with the queue.
    fn next_batch(&self) -> Vec<Waiter> {
        let mut queue = self.queue.borrow_mut();
        let now = Instant::now();
        let mut batch = Vec::with_capacity(queue.len().min(MAX_BATCH));
        while batch.len() < MAX_BATCH {
            let Some(mut waiter) = queue.pop_front() else {
                break;
            };
            if waiter.deadline <= now {
                waiter.late();
            }
            if waiter.is_there() {
                batch.push(waiter);
            }
        }
        batch
    }

    /// Sends one message and waits for its answer, letting go of callers whose time is over.
    async fn send(&self, core: &Core, batch: &mut [Waiter]) -> Outcome {
        let deadlines: Vec<Instant> = batch.iter().map(|w| w.deadline).collect();
        let mut phase = core.phase.subscribe();
        let exchange = self.exchange(core, deadlines);
        tokio::pin!(exchange);
        loop {
            let next = self.next_deadline(batch);
            tokio::select! {
                biased;
                outcome = &mut exchange => return outcome,
                _ = phase.wait_for(|phase| *phase == Phase::Closed) => {
                    return Outcome::Failed(AllocError::ShuttingDown);
                }
                () = tokio::time::sleep_until(next.into()) => self.expire(batch),
            }
        }
    }

    async fn exchange(&self, core: &Core, deadlines: Vec<Instant>) -> Outcome {
        let entry = match self.entry(core).await {
            Ok(entry) => entry,
            Err(error) => return Outcome::Failed(error),
        };
        let (reply, answer) = oneshot::channel();
        let message = Alloc {
            count: self.count,
            deadlines,
            reply,
        };
        let started = entry.shared.started.load(Ordering::Acquire);
        match entry.addr.try_send(message) {
            Ok(()) => {}
            // Until it starts, its mailbox holds a handful: fewer than workers and counts may send.
            Err(actix::dev::SendError::Full(_)) if !started => return Outcome::Again,
            Err(actix::dev::SendError::Full(_)) => {
                return Outcome::Failed(AllocError::Overloaded("the tag's mailbox is full"));
            }
            Err(actix::dev::SendError::Closed(_)) => return Outcome::Again,
        }
        match answer.await {
            Ok(Ok(grant)) => Outcome::Granted(grant),
            Ok(Err(Refusal::Failed(error))) => Outcome::Failed(error),
            Ok(Err(Refusal::Moved)) => Outcome::Again,
            Err(_) => Outcome::Failed(AllocError::NoAvailableId(
                "the tag's actor failed and is made anew; try again".to_owned(),
            )),
        }
    }

    /// The tag's live actor, made by the registry where there is none.
    async fn entry(&self, core: &Core) -> Result<Arc<TagEntry>, AllocError> {
        loop {
            if let Some(entry) = core.directory.get(&self.tag)
                && entry.addr.connected()
            {
                return Ok(entry);
            }
            if core.directory.is_unknown(&self.tag) {
                return Err(AllocError::UnknownTag);
            }
            let (reply, answer) = oneshot::channel();
            let ensure = Ensure {
                tag: self.tag.clone(),
                reply,
            };
            let started = core.registry_started.load(Ordering::Acquire);
            let sent = core
                .registry
                .load()
                .as_ref()
                .map(|registry| registry.try_send(ensure));
            match sent {
                Some(Err(actix::dev::SendError::Full(_))) if started => {
                    return Err(AllocError::Overloaded("too many tags are being loaded"));
                }
                Some(Ok(())) => {
                    if let Ok(entry) = answer.await {
                        return entry;
                    }
                }
                // It has not started yet, or the warden is about to make a new one.
                Some(Err(_)) | None => {}
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Hands out what came, and puts those not yet settled back to the front.
    async fn settle(&self, batch: Vec<Waiter>, outcome: Outcome) {
        match outcome {
            Outcome::Failed(error) => {
                let queued = error == AllocError::ShuttingDown;
                for mut waiter in batch {
                    waiter.answer(Err(error.clone()));
                }
                if queued {
                    for mut waiter in self.queue.borrow_mut().drain(..) {
                        waiter.answer(Err(error.clone()));
                    }
                }
            }
            Outcome::Again => {
                self.put_back(batch);
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Outcome::Granted(grant) => self.hand_out(batch, grant),
        }
    }

    fn hand_out(&self, mut batch: Vec<Waiter>, mut grant: Grant) {
        let unsettled = batch.split_off(grant.settled.min(batch.len()));
        for mut waiter in batch {
            if waiter.deadline <= grant.at {
                waiter.late();
            } else {
                // The ids of one who is gone meanwhile are taken out all the same: thrown away.
                waiter.answer(Ok(take(&mut grant.ids, self.count)));
            }
        }
        self.put_back(unsettled);
    }

    fn put_back(&self, batch: Vec<Waiter>) {
        let mut queue = self.queue.borrow_mut();
        for waiter in batch.into_iter().rev().filter(Waiter::is_there) {
            queue.push_front(waiter);
        }
    }

    /// When the next caller's time is over, in the message or behind it.
    fn next_deadline(&self, batch: &[Waiter]) -> Instant {
        let in_flight = batch.iter().find(|w| w.reply.is_some()).map(|w| w.deadline);
        let queued = self.queue.borrow().front().map(|w| w.deadline);
        [in_flight, queued]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(1))
    }

    fn expire(&self, batch: &mut [Waiter]) {
        let now = Instant::now();
        for waiter in batch.iter_mut().filter(|waiter| waiter.deadline <= now) {
            waiter.late();
        }
        let mut queue = self.queue.borrow_mut();
        while queue.front().is_some_and(|waiter| waiter.deadline <= now) {
            if let Some(mut waiter) = queue.pop_front() {
                waiter.late();
            }
        }
    }
}

impl Waiter {
    /// Whether it still waits for an answer.
    fn is_there(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Where the caller is gone the answer, and any ids in it, are thrown away.
    fn answer(&mut self, result: Result<Ids, AllocError>) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(result);
        }
    }

    fn late(&mut self) {
        self.answer(Err(AllocError::NoAvailableId(
            "none came before the request's deadline; try again".to_owned(),
        )));
    }
}

/// Takes the lowest `count` ids out of `ids`.
fn take(ids: &mut Ids, count: u32) -> Ids {
    let mut taken = Ids::new();
    let mut missing = u64::from(count);
    while missing > 0 {
        let Some(range) = ids.first_mut() else { break };
        let part = range.take(missing);
        missing -= part.len();
        if range.is_empty() {
            ids.remove(0);
        }
        taken.push(part);
    }
    debug_assert_eq!(
        taken.iter().map(IdRange::len).sum::<u64>(),
        u64::from(count)
    );
    taken
}
