//! Property tests: the promises of [`DoubleBuffer`] over arbitrary histories.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Event {
    Allocate { count: u32, callers: usize },
    Arrives,
    ArrivesStale,
    ArrivesLower,
    Fails,
    Restart,
    Evict,
    ChangeStep(i64),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0_u32..40, 1_usize..5).prop_map(|(count, callers)| Event::Allocate { count, callers }),
        5 => Just(Event::Arrives),
        1 => Just(Event::ArrivesStale),
        1 => Just(Event::ArrivesLower),
        1 => Just(Event::Fails),
        1 => Just(Event::Restart),
        1 => Just(Event::Evict),
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

/// A world with one buffer, its row in the "database" and the claims under way.
struct World {
    now: Instant,
    buffer: DoubleBuffer<usize>,
    /// `max_id` of the row.
    max_id: i64,
    step: i64,
    /// The load under way, as its owner would see it.
    load: Option<LoadRequest>,
    /// Committed claims whose answer has not arrived, with their sequence number.
    late: Vec<(u64, IdRange)>,
    /// Batches without an answer: count and deadlines by reply handle.
    batches: Vec<Option<(u32, Vec<Instant>)>>,
    seen: BTreeSet<i64>,
}

impl World {
    fn new(start: i64, step: i64) -> Self {
        Self {
            now: Instant::now(),
            buffer: DoubleBuffer::new(settings(), 0),
            max_id: start,
            step,
            load: None,
            late: Vec::new(),
            batches: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn claim(&mut self, load: &LoadRequest) -> IdRange {
        let size = load.want.max(self.step);
        self.max_id += size;
        IdRange::claimed(self.max_id, size).unwrap()
    }

    fn deliver(&mut self, reply: usize, grant: &Grant) {
        let (count, deadlines) = self.batches[reply].take().expect("answered once");
        assert!(grant.settled > 0, "an answer settles someone");
        let served = deadlines[..grant.settled]
            .iter()
            .filter(|d| **d > grant.at)
            .count() as u64;
        let ids: Vec<i64> = grant.ids.iter().flat_map(IdRange::iter).collect();
        assert_eq!(ids.len() as u64, served * u64::from(count), "whole demands");
        for id in ids {
            assert!(id > 0, "id 0 is skipped");
            assert!(
                self.seen.last().is_none_or(|last| *last < id),
                "{id} after {:?}",
                self.seen.last()
            );
            self.seen.insert(id);
        }
        let rest = deadlines[grant.settled..].to_vec();
        if !rest.is_empty() {
            self.ask(count, rest);
        }
    }

    fn ask(&mut self, count: u32, deadlines: Vec<Instant>) {
        let reply = self.batches.len();
        self.batches.push(Some((count, deadlines.clone())));
        let batch = Batch {
            count,
            deadlines,
            reply,
        };
        if let Some((reply, grant)) = self.buffer.allocate(self.now, batch) {
            self.deliver(reply, &grant);
        }
    }

    fn arrive(&mut self, seq: u64, range: IdRange, expect: Offer) {
        let (offer, replies) = self.buffer.offer(self.now, seq, range, self.step);
        assert_eq!(offer, expect);
        for (reply, grant) in replies {
            self.deliver(reply, &grant);
        }
    }

    fn poll_load(&mut self) {
        if !self.buffer.is_loading() {
            for (reply, grant) in self.buffer.settle_parked(self.now) {
                self.deliver(reply, &grant);
            }
        }
        if let Some(load) = self.buffer.next_load(self.now) {
            assert!(self.load.is_none(), "one load at a time");
            self.load = Some(load);
        }
    }

    fn check(&self) {
        let stuck = self.buffer.has_parked() && !self.buffer.is_loading();
        assert!(!stuck, "a batch is parked and nothing will ever answer it");
        let left = self.buffer.left();
        for (count, deadlines) in self.batches.iter().flatten() {
            let fits = deadlines[0] > self.now && left >= u64::from((*count).max(1));
            assert!(!fits, "{count} ids are parked while {left} are left");
            let waits = deadlines.iter().any(|d| *d > self.now);
            assert!(
                !waits || self.buffer.is_loading(),
                "somebody waits, nothing loads"
            );
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Allocate { count, callers } => {
                let deadlines = (0..callers)
                    .map(|i| self.now + Duration::from_millis(500 * (i as u64 + 1)))
                    .collect();
                self.ask(count, deadlines);
            }
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
            Event::Restart => {
                if let Some(load) = self.load.take() {
                    let range = self.claim(&load);
                    self.late.push((load.seq, range));
                }
                self.buffer.abandon_load();
            }
            Event::Evict => {
                self.load = None;
                self.late.clear();
                for reply in self.buffer.take_parked(0) {
                    self.batches[reply] = None;
                }
                self.buffer = DoubleBuffer::new(settings(), self.max_id);
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
        // A healthy database settles everyone who is still there, however much they ask for.
        for _ in 0..world.batches.len() + 8 {
            world.apply(Event::Arrives);
        }
        let waiting = world
            .batches
            .iter()
            .flatten()
            .any(|(_, deadlines)| deadlines.iter().all(|d| *d > world.now));
        prop_assert!(!waiting, "a demand was never served");
    }
}

#[test]
fn step_one_at_start_zero_works_though_its_first_claim_holds_only_id_zero() {
    let mut world = World::new(0, 1);
    world.apply(Event::Allocate {
        count: 1,
        callers: 1,
    });
    world.apply(Event::Arrives);
    world.apply(Event::Arrives);
    assert!(world.seen.contains(&1));
}

#[test]
fn a_demand_larger_than_two_segments_is_claimed_whole() {
    let mut world = World::new(0, 10);
    world.apply(Event::Allocate {
        count: 1,
        callers: 1,
    });
    world.apply(Event::Arrives);
    world.apply(Event::Arrives);
    world.apply(Event::Allocate {
        count: 5000,
        callers: 2,
    });
    assert!(world.load.as_ref().unwrap().want >= 10_000);
    world.apply(Event::Arrives);
    assert_eq!(world.seen.len(), 10_001);
}

#[test]
fn small_requests_are_served_while_a_large_one_waits() {
    let mut world = World::new(0, 10);
    world.apply(Event::Allocate {
        count: 1,
        callers: 1,
    });
    world.apply(Event::Arrives);
    world.apply(Event::Allocate {
        count: 5000,
        callers: 1,
    });
    world.apply(Event::Allocate {
        count: 1,
        callers: 1,
    });
    assert_eq!(world.seen.len(), 2);
}

#[test]
fn a_caller_past_its_deadline_is_dropped_before_the_allotment() {
    let mut world = World::new(0, 10);
    world.apply(Event::Allocate {
        count: 3,
        callers: 2,
    });
    world.apply(Event::Pass(600));
    world.apply(Event::Arrives);
    assert_eq!(world.seen.len(), 3, "the first of the two was late");
}

#[test]
fn the_next_segment_is_asked_for_when_a_tenth_is_used() {
    let mut world = World::new(1, 30);
    world.apply(Event::Allocate {
        count: 1,
        callers: 1,
    });
    world.apply(Event::Arrives);
    assert!(world.load.is_none());
    world.apply(Event::Allocate {
        count: 1,
        callers: 1,
    });
    assert!(world.load.is_none());
    world.apply(Event::Allocate {
        count: 1,
        callers: 1,
    });
    assert!(world.load.is_some());
}
