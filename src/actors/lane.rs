//! Lanes: the requests of one worker that want equally many ids of one tag travel together.
//!
//! A lane has at most one `Alloc` message in flight; whoever comes meanwhile goes with the next one, so
//! under load one message serves many requests. All callers of a lane want the same, so where one cannot
//! be served none can, and a parked message holds nobody up. The [`courier`](super::courier) carries
//! the messages; deadlines are kept here, also while a message is parked.

use super::error::AllocError;
use crate::domain::{BizTag, Grant, IdRange, Ids};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant,
};

/// The most callers in one message.
const MAX_BATCH: usize = 4096;

/// Lanes per tag and worker: so many callers with different counts may wait at once.
const MAX_LANES: usize = 512;

/// With so many lanes those at rest are taken out first.
const MANY_LANES: usize = 8;

/// Someone who waits for ids, as the lane has it. Dropped without an answer, it says so.
pub(super) struct Waiter {
    deadline: Instant,
    caller: Rc<Caller>,
}

/// Someone who waits for ids, as it awaits them. A channel for one value within one thread: no atomics.
#[derive(Default)]
struct Caller {
    /// `None` before the answer, and once it was taken.
    answer: Cell<Option<Result<Ids, AllocError>>>,
    is_answered: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// The caller's end of a [`Waiter`].
pub(super) struct Awaited(Rc<Caller>);

/// Those who wait for `count` ids each of one tag, in the order in which they came.
pub(super) struct Lane {
    pub(super) tag: BizTag,
    pub(super) count: u32,
    queue: RefCell<VecDeque<Waiter>>,
    /// Whether the courier has it: it is about to be looked at, in flight, or pauses.
    pub(super) is_carried: Cell<bool>,
}

/// A message of a lane that is under way, and its callers by their places in it.
pub(super) struct Flight {
    pub(super) lane: Rc<Lane>,
    batch: Vec<Waiter>,
}

/// The lanes of one tag, and who waits in them.
pub(super) struct TagLanes {
    tag: BizTag,
    /// Callers that wait.
    pub(super) callers: Cell<usize>,
    lanes: RefCell<Vec<Rc<Lane>>>,
}

impl TagLanes {
    pub(super) fn new(tag: BizTag) -> Rc<Self> {
        Rc::new(Self {
            tag,
            callers: Cell::new(0),
            lanes: RefCell::default(),
        })
    }

    /// The lane for so many ids each; `None` where too many different counts wait already.
    pub(super) fn lane(&self, count: u32) -> Option<Rc<Lane>> {
        let mut lanes = self.lanes.borrow_mut();
        if let Some(lane) = lanes.iter().find(|lane| lane.count == count) {
            return Some(lane.clone());
        }
        if lanes.len() >= MANY_LANES {
            lanes.retain(|lane| !lane.is_at_rest());
        }
        if lanes.len() >= MAX_LANES {
            return None;
        }
        let lane = Rc::new(Lane {
            tag: self.tag.clone(),
            count,
            queue: RefCell::default(),
            is_carried: Cell::new(false),
        });
        lanes.push(lane.clone());
        Some(lane)
    }

    /// Whether nobody waits, and nothing is in flight.
    pub(super) fn is_at_rest(&self) -> bool {
        self.callers.get() == 0 && self.lanes.borrow().iter().all(|lane| lane.is_at_rest())
    }

    pub(super) fn for_each(&self, visit: impl FnMut(&Rc<Lane>)) {
        self.lanes.borrow().iter().for_each(visit);
    }
}

impl Lane {
    fn is_at_rest(&self) -> bool {
        !self.is_carried.get() && self.queue.borrow().is_empty()
    }

    pub(super) fn push(&self, waiter: Waiter) {
        self.queue.borrow_mut().push_back(waiter);
    }

    pub(super) fn has_queue(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// Takes the callers of the next message out of the queue: those still there and in time. `None` only
    /// with the queue empty.
    pub(super) fn next_flight(self: &Rc<Self>, now: Instant) -> Option<Flight> {
        let mut queue = self.queue.borrow_mut();
        let mut batch = Vec::with_capacity(queue.len().min(MAX_BATCH));
        while batch.len() < MAX_BATCH {
            let Some(waiter) = queue.pop_front() else {
                break;
            };
            if waiter.deadline <= now {
                waiter.late();
            }
            if waiter.is_there() {
                batch.push(waiter);
            }
        }
        let lane = self.clone();
        (!batch.is_empty()).then_some(Flight { lane, batch })
    }

    /// Refuses those who are not in a message yet.
    pub(super) fn refuse(&self, error: &AllocError) {
        for waiter in self.queue.borrow_mut().drain(..) {
            waiter.answer(Err(error.clone()));
        }
    }

    /// Lets go of those whose time is over, and says when that of the next one is.
    pub(super) fn expire(&self, now: Instant) -> Option<Instant> {
        let mut queue = self.queue.borrow_mut();
        while queue.front().is_some_and(|waiter| waiter.deadline <= now) {
            if let Some(waiter) = queue.pop_front() {
                waiter.late();
            }
        }
        queue.front().map(|waiter| waiter.deadline)
    }

    /// Forgets everyone; to each it looks as if the server's part that served it had died.
    pub(super) fn abandon(&self) {
        self.queue.borrow_mut().clear();
        self.is_carried.set(false);
    }
}

impl Flight {
    /// When each caller gives up.
    pub(super) fn deadlines(&self) -> Vec<Instant> {
        self.batch.iter().map(|waiter| waiter.deadline).collect()
    }

    /// Hands out what came; those not yet settled are the next again.
    pub(super) fn hand_out(mut self, mut grant: Grant) {
        for waiter in self.batch.drain(..grant.settled.min(self.batch.len())) {
            if waiter.deadline <= grant.at {
                waiter.late();
            } else {
                // The ids of one who is gone meanwhile are taken out all the same: thrown away.
                waiter.answer(Ok(take(&mut grant.ids, self.lane.count)));
            }
        }
        self.put_back();
    }

    /// Nothing was decided about its callers: they are the next again.
    pub(super) fn put_back(self) {
        let mut queue = self.lane.queue.borrow_mut();
        for waiter in self.batch.into_iter().rev().filter(Waiter::is_there) {
            queue.push_front(waiter);
        }
    }

    /// Refuses its callers, who keep their places.
    pub(super) fn refuse(&self, error: &AllocError) {
        for waiter in &self.batch {
            waiter.answer(Err(error.clone()));
        }
    }

    /// Lets go of those whose time is over, and says when that of the next one is.
    pub(super) fn expire(&self, now: Instant) -> Option<Instant> {
        for waiter in self.batch.iter().filter(|waiter| waiter.deadline <= now) {
            waiter.late();
        }
        let waiting = self
            .batch
            .iter()
            .find(|waiter| !waiter.caller.is_answered.get());
        waiting.map(|waiter| waiter.deadline)
    }
}

impl Waiter {
    pub(super) fn new(deadline: Instant) -> (Self, Awaited) {
        let caller = Rc::<Caller>::default();
        let awaited = Awaited(caller.clone());
        (Self { deadline, caller }, awaited)
    }

    /// Whether it still waits for an answer.
    fn is_there(&self) -> bool {
        !self.caller.is_answered.get() && Rc::strong_count(&self.caller) > 1
    }

    /// Where the caller is gone the answer, and any ids in it, are thrown away. It keeps its place, as a grant
    /// counts by places, and gets no second answer.
    fn answer(&self, result: Result<Ids, AllocError>) {
        if !self.caller.is_answered.replace(true) {
            self.caller.answer.set(Some(result));
            if let Some(waker) = self.caller.waker.take() {
                waker.wake();
            }
        }
    }

    fn late(&self) {
        if self.caller.is_answered.get() {
            return;
        }
        self.answer(Err(AllocError::NoAvailableId(
            "none came before the request's deadline; try again".to_owned(),
        )));
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.caller.is_answered.get() {
            self.answer(Err(AllocError::NoAvailableId("try again".to_owned())));
        }
    }
}

impl Future for Awaited {
    type Output = Result<Ids, AllocError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                self.0.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        // What it would wake may go before the lane comes to it.
        self.0.waker.take();
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
