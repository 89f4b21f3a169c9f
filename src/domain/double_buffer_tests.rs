//! Property tests: the promises of [`DoubleBuffer`] and its [`OpenRange`] over arbitrary histories.

use super::*;
use crate::domain::BizTag;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Event {
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

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0_u64..40, prop::bool::weighted(0.2))
            .prop_map(|(count, contiguous)| Event::Ask(Demand { count, contiguous })),
        5 => Just(Event::Arrives),
        1 => Just(Event::ArrivesStale),
        1 => Just(Event::ArrivesLower),
        1 => Just(Event::Fails),
        1 => Just(Event::LoaderReplaced),
        1 => Just(Event::Successor),
        1 => Just(Event::Revoked),
        1 => (1_i64..30).prop_map(Event::ChangeStep),
        2 => (0_u64..3000).prop_map(Event::Pass),
    ]
}

fn settings() -> StepSettings {
    StepSettings {
        segment_duration: Duration::from_secs(2),
        max_step: 64,
        outage_budget: Duration::from_secs(1),
    }
}

fn some(count: u64) -> Event {
    Event::Ask(Demand {
        count,
        contiguous: false,
    })
}

/// A world with one buffer, its row in the "database" and the claims under way.
struct World {
    now: Instant,
    range: OpenRange,
    buffer: DoubleBuffer<usize>,
    /// `max_id` of the row; other servers claim from it too.
    max_id: i64,
    step: i64,
    /// The load under way, as its owner would see it.
    load: Option<Load>,
    /// Committed claims whose answer has not arrived, with their sequence number.
    late: Vec<(u64, IdRange)>,
    /// Demands without an answer, with their deadlines, by reply handle.
    asked: Vec<Option<(Demand, Instant)>>,
    seen: BTreeSet<i64>,
    claimed: Vec<IdRange>,
    /// What was handed out of the present range, to hold its books against.
    allotted: u64,
    /// Ids of the segments that its buffer has taken in, and those that were left as it ended.
    taken_in: u64,
    unused: u64,
}

fn tag() -> BizTag {
    BizTag::parse("test").unwrap()
}

impl World {
    fn new(start: i64, step: i64) -> Self {
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

    fn apply(&mut self, event: Event) {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn ids_are_unique_increasing_and_nobody_waits_in_vain(
        start in 0_i64..3,
        step in 1_i64..20,
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut world = World::new(start, step);
        for event in events {
            world.apply(event);
        }
        // A healthy database serves everyone who is still there, however much they ask for.
        for _ in 0..world.asked.len() + 8 {
            world.apply(Event::Arrives);
        }
        let waiting = world.asked.iter().flatten().any(|(_, deadline)| *deadline > world.now);
        prop_assert!(!waiting, "a demand was never served");
    }
}

#[test]
fn step_one_at_start_zero_works_though_its_first_claim_holds_only_id_zero() {
    let mut world = World::new(0, 1);
    world.apply(some(1));
    world.apply(Event::Arrives);
    world.apply(Event::Arrives);
    assert!(world.seen.contains(&1));
}

#[test]
fn a_demand_larger_than_two_segments_is_claimed_whole() {
    let mut world = World::new(0, 10);
    world.apply(some(1));
    world.apply(Event::Arrives);
    world.apply(Event::Arrives);
    world.apply(some(5000));
    assert!(world.load.as_ref().unwrap().claim.want >= 5000);
    world.apply(Event::Arrives);
    assert_eq!(world.seen.len(), 5001);
}

#[test]
fn small_requests_are_served_while_a_large_one_waits() {
    let mut world = World::new(0, 10);
    world.apply(some(1));
    world.apply(Event::Arrives);
    world.apply(some(5000));
    world.apply(some(1));
    assert_eq!(world.seen.len(), 2);
}

#[test]
fn a_caller_past_its_deadline_gets_nothing() {
    let mut world = World::new(0, 10);
    world.apply(some(3));
    world.apply(Event::Pass(1600));
    world.apply(some(3));
    world.apply(Event::Arrives);
    assert_eq!(world.seen.len(), 3, "the first of the two was late");
}

#[test]
fn those_whose_time_is_over_do_not_pile_up_while_no_claim_ends() {
    let mut world = World::new(0, 10);
    for _ in 0..100 {
        for _ in 0..50 {
            world.apply(some(1));
        }
        world.apply(Event::Pass(1600));
    }
    assert!(world.buffer.waiting.len() <= 2 * 50 + queue::MANY as usize);
}

#[test]
fn the_next_segment_is_asked_for_when_a_tenth_is_used() {
    let mut world = World::new(1, 30);
    world.apply(some(1));
    world.apply(Event::Arrives);
    assert!(world.load.is_none());
    world.apply(some(1));
    assert!(world.load.is_none());
    world.apply(some(1));
    assert!(world.load.is_some());
}

#[test]
fn ids_in_one_piece_leave_the_rest_of_a_segment_unless_the_next_follows_it() {
    let (now, range) = (Instant::now(), OpenRange::default());
    let mut buffer = DoubleBuffer::new(settings(), 0);
    let mut ask = |count, end, size| {
        let waiting = Waiting {
            demand: Demand {
                count,
                contiguous: true,
            },
            deadline: now + Duration::from_secs(1),
            reply: (),
        };
        assert!(buffer.wait(&range, now, waiting).is_none());
        let load = buffer.next_load(&range, now, &tag(), 0).unwrap();
        let segment = IdRange::claimed(end, size).unwrap();
        let (_, replies) = buffer.offer(&range, now, load.seq, segment, 1);
        let ids: Vec<IdRange> = replies.into_iter().flat_map(|(_, ids)| ids).collect();
        ids
    };
    assert_eq!(ask(20, 31, 30), [IdRange::between(1, 21)]);
    assert_eq!(ask(20, 61, 30), [IdRange::between(21, 41)], "31 follows 30");
    assert_eq!(
        ask(25, 130, 30),
        [IdRange::between(100, 125)],
        "41 to 60 are a gap"
    );
    assert_eq!(range.left(), 5);
}

#[test]
fn a_reminder_is_wanted_about_once_a_second_however_many_ask() {
    let mut world = World::new(1, 10_000_000);
    world.apply(some(1));
    world.apply(Event::Arrives);
    let mut reminders = 0;
    let seconds = 60;
    for _ in 0..seconds * 100 {
        for _ in 0..100 {
            let Take::Ids { remind, .. } = world.range.cursor.take(1) else {
                panic!("there are enough");
            };
            if remind {
                reminders += 1;
                world.buffer.remind(&world.range, world.now);
            }
        }
        world.now += Duration::from_millis(10);
    }
    assert!(
        (seconds / 3..seconds * 2).contains(&reminders),
        "{reminders}"
    );
    let rate = world.buffer.rate(world.now);
    assert!((8_000.0..12_000.0).contains(&rate), "{rate}");
}

#[test]
fn a_row_that_cannot_be_claimed_from_is_not_asked_for_at_every_request() {
    let mut world = World::new(1, 1000);
    world.apply(some(1));
    world.apply(Event::Arrives);
    world.apply(some(900));
    world.apply(Event::Fails);
    let mut reminders = 0;
    for _ in 0..50 {
        let taken = world.range.cursor.take(1);
        reminders += usize::from(matches!(taken, Take::Ids { remind: true, .. }));
        if reminders == 1 {
            world.buffer.remind(&world.range, world.now);
        }
    }
    assert!(reminders < 8, "{reminders}");
}
