//! A buffer and its open range, the row that they claim from, and all that may happen to them. What is handed out is
//! held against what was claimed and asked for.

use crate::domain::double_buffer::{DoubleBuffer, Load, Offer, Replies, Waiting};
use crate::domain::{BizTag, Demand, IdRange, Ids, OpenRange, StepSettings};
use id_alloc_range::Take;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A request, which takes from the open range, or waits.
    Ask(Demand),
    Arrives,
    ArrivesStale,
    ArrivesLower,
    Fails,
    /// The loader is made anew: the answer under way may come late.
    LoaderReplaced,
    /// The actor drops what it has and a successor starts, after an eviction or a panic.
    Successor,
    /// The range is revoked, as by a deletion, before the actor knows.
    Revoked,
    ChangeStep(i64),
    Pass(u64),
}

pub(super) fn settings() -> StepSettings {
    StepSettings {
        segment_duration: Duration::from_secs(2),
        max_step: 64,
        outage_budget: Duration::from_secs(1),
    }
}

pub(super) fn tag() -> BizTag {
    BizTag::parse("test").unwrap()
}

/// A world with one buffer, its row in the "database" and the claims under way.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) range: OpenRange,
    pub(super) buffer: DoubleBuffer<usize>,
    /// `max_id` of the row; other servers claim from it too.
    max_id: i64,
    step: i64,
    /// The load under way, as its owner would see it.
    pub(super) load: Option<Load>,
    /// Committed claims whose answer has not arrived, with their sequence number.
    late: Vec<(u64, IdRange)>,
    /// Demands without an answer, with their deadlines, by reply handle.
    pub(super) asked: Vec<Option<(Demand, Instant)>>,
    pub(super) seen: BTreeSet<i64>,
    claimed: Vec<IdRange>,
    /// What was handed out of the present range, to hold its books against.
    allotted: u64,
    /// Ids of the segments that its buffer has taken in, and those that were left as it ended.
    taken_in: u64,
    unused: u64,
}

impl World {
    pub(super) fn new(start: i64, step: i64) -> Self {
        Self {
            now: Instant::now(),
            range: OpenRange::default(),
            buffer: DoubleBuffer::new(settings(), 0),
            max_id: start,
            step,
            load: None,
            late: Vec::new(),
            asked: Vec::new(),
            seen: BTreeSet::new(),
            claimed: Vec::new(),
            allotted: 0,
            taken_in: 0,
            unused: 0,
        }
    }

    fn claim(&mut self, load: &Load) -> IdRange {
        let size = load.claim.want.max(self.step);
        // Every third claim follows one of another server.
        self.max_id += if self.claimed.len() % 3 == 2 {
            size + 1
        } else {
            size
        };
        let range = IdRange::claimed(self.max_id, size).unwrap();
        self.claimed.push(range);
        range
    }

    fn deliver(&mut self, reply: usize, ids: &Ids) {
        let (demand, deadline) = self.asked[reply].take().expect("answered once");
        assert!(deadline > self.now, "served after its deadline");
        let count: u64 = ids.iter().map(IdRange::len).sum();
        assert_eq!(count, demand.count, "whole demands");
        if demand.contiguous && demand.count > 0 {
            assert_eq!(ids.len(), 1, "one piece");
        }
        self.allotted += count;
        for id in ids.iter().flat_map(IdRange::iter) {
            assert!(id > 0, "id 0 is skipped");
            let last = self.seen.last();
            assert!(last.is_none_or(|last| *last < id), "{id} after {last:?}");
            let is_claimed = |range: &IdRange| (range.first()..range.end()).contains(&id);
            assert!(
                self.claimed.iter().any(is_claimed),
                "{id} was never claimed"
            );
            self.seen.insert(id);
        }
    }

    fn deliver_all(&mut self, replies: Replies<usize>) {
        for (reply, ids) in replies {
            self.deliver(reply, &ids);
        }
    }

    /// As `Allocator` and `TagActor` do together.
    fn ask(&mut self, demand: Demand) {
        let reply = self.asked.len();
        let deadline = self.now + Duration::from_millis(1500);
        self.asked.push(Some((demand, deadline)));
        match self.range.cursor.take(demand.count) {
            Take::Ids { range, remind } => {
                self.deliver(reply, &std::iter::once(range).collect());
                if remind {
                    self.buffer.remind(&self.range, self.now);
                }
            }
            // It asks the registry for a successor and comes again.
            Take::Revoked => self.asked[reply] = None,
            Take::Short => {
                let waiting = Waiting {
                    demand,
                    deadline,
                    reply,
                };
                let served = self.buffer.wait(&self.range, self.now, waiting);
                self.deliver_all(served.into_iter().collect());
            }
        }
    }

    fn arrive(&mut self, seq: u64, range: IdRange, expect: Offer) {
        let (offer, replies) = self
            .buffer
            .offer(&self.range, self.now, seq, range, self.step);
        assert_eq!(offer, expect);
        if offer == Offer::Taken {
            self.taken_in += range.len();
        }
        self.deliver_all(replies);
    }

    fn successor(&mut self) {
        self.load = None;
        self.late.clear();
        let mut unused = self.unused + self.range.revoke();
        self.range.report(|_, passed_over| unused += passed_over);
        assert_eq!(
            self.taken_in,
            self.allotted + unused,
            "each id is handed out or counted as unused"
        );
        (self.taken_in, self.unused) = (0, 0);
        assert_eq!(self.range.cursor.take(1), Take::Revoked);
        for reply in self.buffer.take_waiting(0, |_| true) {
            self.asked[reply] = None;
        }
        self.buffer = DoubleBuffer::new(settings(), self.max_id);
        self.range = OpenRange::default();
        self.allotted = 0;
    }

    fn poll_load(&mut self) {
        if !self.buffer.is_loading() {
            let served = self.buffer.serve_waiting(&self.range, self.now);
            self.deliver_all(served);
        }
        if let Some(load) = self.buffer.next_load(&self.range, self.now, &tag(), 0) {
            assert!(self.load.is_none(), "one load at a time");
            self.load = Some(load);
        }
    }

    fn check(&self) {
        assert_eq!(self.range.allotted(), self.allotted, "the books are exact");
        if self.range.is_revoked() {
            return;
        }
        assert_eq!(
            self.range.left(),
            self.buffer.left(&self.range),
            "for all to see"
        );
        let left = self.buffer.left(&self.range);
        for (demand, deadline) in self.asked.iter().flatten() {
            if *deadline <= self.now {
                continue;
            }
            let fits = !demand.contiguous && left >= demand.count.max(1);
            assert!(!fits, "{demand:?} waits while {left} are left");
            assert!(self.buffer.is_loading(), "somebody waits, nothing loads");
        }
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Ask(demand) => self.ask(demand),
            Event::Arrives => {
                if let Some(load) = self.load.take() {
                    let range = self.claim(&load);
                    self.arrive(load.seq, range, Offer::Taken);
                }
            }
            Event::ArrivesStale => {
                if let Some((seq, range)) = self.late.pop() {
                    self.arrive(seq, range, Offer::Stale);
                }
            }
            Event::ArrivesLower => {
                let seen = self.seen.last().copied().unwrap_or(0);
                if let Some(load) = self.load.take_if(|_| seen > 1) {
                    let lower = IdRange::claimed(seen, seen.min(10)).unwrap();
                    self.arrive(load.seq, lower, Offer::Stale);
                }
            }
            Event::Fails => {
                if let Some(load) = self.load.take() {
                    assert!(self.buffer.load_failed(load.seq));
                    assert!(!self.buffer.load_failed(load.seq));
                }
            }
            Event::LoaderReplaced => {
                if let Some(load) = self.load.take() {
                    let range = self.claim(&load);
                    self.late.push((load.seq, range));
                }
                self.buffer.abandon_load();
            }
            Event::Successor => self.successor(),
            Event::Revoked => {
                self.unused = self.range.revoke();
                self.ask(Demand {
                    count: 1,
                    contiguous: false,
                });
                self.successor();
            }
            Event::ChangeStep(step) => self.step = step,
            Event::Pass(millis) => self.now += Duration::from_millis(millis),
        }
        self.poll_load();
        self.check();
    }
}
