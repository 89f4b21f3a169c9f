//! `Worker`: those who wait for ids in one worker, and the limits on how many may. Used by one thread.

use super::{
    core::{Core, Phase},
    courier::{self, Event, Post},
    error::AllocError,
    lane::{Awaited, Flight, Lane, TagLanes, Waiter},
    waiting::Places,
};
use crate::domain::{BizTag, TagName};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// With so many tags in the table of those waited for, the idle ones are taken out before their time.
const MANY_TAGS: usize = 1024;

/// A caller may be let go so long after its deadline.
const LATE: Duration = Duration::from_millis(10);

type Tags = HashMap<BizTag, Rc<TagLanes>, ahash::RandomState>;

/// See the module's documentation.
pub(super) struct Worker {
    pub(super) core: Arc<Core>,
    tags: RefCell<Tags>,
    /// With so many tags they are looked through at once: twice as many as were left, so that it costs each little.
    tidy_at: Cell<usize>,
    /// The part of `limits.max_waiting_per_tag` that is this worker's.
    per_tag: usize,
    /// Those of `limits.max_waiting`.
    places: Places,
    /// Whether the courier was told that there is something to do, and has not come yet.
    is_woken: Cell<bool>,
    /// Lanes that the courier is to look at.
    ready: RefCell<Vec<Rc<Lane>>>,
    /// Messages under way, by their numbers.
    in_flight: RefCell<HashMap<u64, Flight, ahash::RandomState>>,
    /// The number of the newest message; never used again, so that no answer meets another lane.
    seq: Cell<u64>,
    /// Where the courier is told; `None` while there is none.
    post: RefCell<Option<Post>>,
    /// No caller has to be let go before this; `None` where nobody is known to wait.
    first_deadline: Cell<Option<Instant>>,
    /// Which courier this is: what was begun for an earlier one is over.
    pub(super) era: Cell<u64>,
}

/// Counts a caller for as long as it waits.
pub(super) struct Admission {
    worker: Rc<Worker>,
    lanes: Rc<TagLanes>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.worker.places.give_back();
        self.lanes.callers.set(self.lanes.callers.get() - 1);
    }
}

impl Worker {
    /// `of_the_api`: whether it is one of the workers among which the limits are divided.
    pub(super) fn new(core: Arc<Core>, of_the_api: bool) -> Rc<Self> {
        let (settings, workers) = (&core.settings, core.settings.workers.max(1));
        Rc::new(Self {
            tags: RefCell::default(),
            tidy_at: Cell::new(MANY_TAGS),
            per_tag: settings.max_waiting_per_tag.div_ceil(workers),
            places: core.waiting.places(of_the_api),
            core,
            is_woken: Cell::new(false),
            ready: RefCell::default(),
            in_flight: RefCell::default(),
            seq: Cell::new(0),
            post: RefCell::default(),
            first_deadline: Cell::new(None),
            era: Cell::new(0),
        })
    }

    /// Lets a caller in, or refuses it at once.
    pub(super) fn enqueue(
        self: &Rc<Self>,
        tag: &TagName<'_>,
        count: u32,
    ) -> Result<(Admission, Awaited), AllocError> {
        if self.core.phase() == Phase::Closed {
            return Err(AllocError::ShuttingDown);
        }
        let lanes = self.lanes_of(tag);
        if lanes.callers.get() >= self.per_tag {
            return Err(AllocError::Overloaded(
                "too many requests wait for this biz_tag",
            ));
        }
        let Some(lane) = lanes.lane(count) else {
            return Err(AllocError::Overloaded(
                "too many different counts wait for this biz_tag",
            ));
        };
        if !self.places.take() {
            return Err(AllocError::Overloaded("too many requests wait"));
        }
        lanes.callers.set(lanes.callers.get() + 1);
        let worker = self.clone();
        let admission = Admission { worker, lanes };
        let deadline = Instant::now() + self.core.settings.request_deadline;
        let (waiter, awaited) = Waiter::new(deadline);
        lane.push(waiter);
        if !lane.is_carried.replace(true) {
            self.add_ready(lane);
            self.wake();
        }
        if self.first_deadline.get().is_none() {
            self.first_deadline.set(Some(deadline));
            self.wake();
        }
        Ok((admission, awaited))
    }

    fn lanes_of(&self, tag: &TagName<'_>) -> Rc<TagLanes> {
        let mut tags = self.tags.borrow_mut();
        if let Some(lanes) = tags.get(tag.as_str()) {
            return lanes.clone();
        }
        if tags.len() >= self.tidy_at.get() {
            self.tidy(&mut tags);
        }
        let tag = tag.to_biz_tag();
        let lanes = TagLanes::new(tag.clone());
        tags.insert(tag, lanes.clone());
        lanes
    }

    /// Takes out those that nobody waits for.
    fn tidy(&self, tags: &mut Tags) {
        tags.retain(|_, lanes| !lanes.is_at_rest());
        tags.shrink_to(MANY_TAGS);
        self.tidy_at.set(MANY_TAGS.max(tags.len() * 2));
    }

    fn for_each_lane(&self, mut visit: impl FnMut(&Rc<Lane>)) {
        let tags = self.tags.borrow();
        tags.values().for_each(|lanes| lanes.for_each(&mut visit));
    }

    /// The courier is to look at a lane, when it is told or comes by.
    pub(super) fn add_ready(&self, lane: Rc<Lane>) {
        self.ready.borrow_mut().push(lane);
    }

    /// Tells the courier that there is something to do, unless it knows.
    pub(super) fn wake(self: &Rc<Self>) {
        if self.is_woken.get() {
            return;
        }
        if self.post().send(Event::Wake).is_err() {
            // It ended before it began.
            self.post.take();
            let _ = self.post().send(Event::Wake);
        }
        self.is_woken.set(true);
    }

    /// The courier has come: from now on it is to be told again.
    pub(super) fn note_awake(&self) {
        self.is_woken.set(false);
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.borrow().is_empty()
    }

    pub(super) fn take_ready(&self) -> Vec<Rc<Lane>> {
        self.ready.take()
    }

    /// Keeps a message that is about to be sent, and numbers it.
    pub(super) fn takes_off(&self, flight: Flight) -> u64 {
        let seq = self.seq.get() + 1;
        self.seq.set(seq);
        self.in_flight.borrow_mut().insert(seq, flight);
        seq
    }

    /// The message `seq`, which has ended.
    pub(super) fn landed(&self, seq: u64) -> Option<Flight> {
        self.in_flight.borrow_mut().remove(&seq)
    }

    /// Lets go of those whose time is over, and of tags that nobody waits for; says when it is to be done next.
    pub(super) fn expire(&self) -> Option<Instant> {
        let now = Instant::now();
        if self.first_deadline.get()? <= now {
            let mut next = Vec::new();
            self.for_each_lane(|lane| next.extend(lane.expire(now)));
            let mut in_flight = self.in_flight.borrow_mut();
            next.extend(
                in_flight
                    .values_mut()
                    .filter_map(|flight| flight.expire(now)),
            );
            // Not for each of thousands by itself.
            let next = next.into_iter().min().map(|next| next.max(now + LATE));
            let mut tags = self.tags.borrow_mut();
            self.tidy(&mut tags);
            // Who was let go just now still counts, and is gone by then. Whoever comes later may wait longer.
            let again = (!tags.is_empty()).then(|| now + self.core.settings.request_deadline);
            self.first_deadline.set(next.or(again));
        }
        self.first_deadline.get()
    }

    /// Refuses everyone.
    pub(super) fn refuse_all(&self, error: &AllocError) {
        self.for_each_lane(|lane| lane.refuse(error));
        for flight in self.in_flight.borrow().values() {
            flight.refuse(error);
        }
    }

    /// Where the courier is told; it is started where there is none.
    pub(super) fn post(self: &Rc<Self>) -> Post {
        if let Some(post) = &*self.post.borrow() {
            return post.clone();
        }
        let (post, inbox) = mpsc::unbounded_channel();
        actix::spawn(courier::run(self.core.clone(), Rc::downgrade(self), inbox));
        self.post.replace(Some(post.clone()));
        post
    }

    #[cfg(feature = "fault-injection")]
    pub(super) fn crash(self: &Rc<Self>) {
        let _ = self.post().send(Event::Crash);
    }

    /// The courier has ended: whoever waits is let go.
    pub(super) fn abandon(&self) {
        self.era.set(self.era.get() + 1);
        self.post.take();
        self.is_woken.set(false);
        self.first_deadline.set(None);
        self.ready.take();
        self.in_flight.take();
        self.for_each_lane(|lane| lane.abandon());
    }
}
