//! The promises of [`DoubleBuffer`] and its [`OpenRange`]: a property over arbitrary histories, and histories of note.

use super::*;
use proptest::prelude::*;
use world::{Event, World, settings, tag};

mod world;

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

fn some(count: u64) -> Event {
    Event::Ask(Demand {
        count,
        contiguous: false,
    })
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
