//! The actors on a store in memory that fails, hangs, loses answers and panics as scripted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod allowance;
mod bounds;
#[path = "../support/memory_store.rs"]
mod memory_store;
mod panics;
mod world;

use futures_util::FutureExt as _;
use id_alloc::{
    actors::{AllocError, Allocator},
    domain::BizTag,
    storage::Unusable,
};
use memory_store::Script;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use world::{PATIENCE, Takers, World, eventually, flat, settings, transient};

#[actix_web::test]
async fn ids_begin_at_one_and_follow_each_other() {
    let world = World::new(&[("a", 0, 1000)]);
    assert_eq!(world.take("a", 3).await.unwrap(), [1, 2, 3]);
    assert_eq!(world.one("a").await, 4);
}

#[actix_web::test]
async fn many_workers_callers_and_counts_get_each_id_once_from_a_step_of_one() {
    let world = World::new(&[("a", 0, 1)]);
    let workers: Vec<Allocator> = (0..4).map(|_| world.allocation.allocator()).collect();
    let tag = BizTag::parse("a").unwrap();
    let mut seen = BTreeSet::new();
    for round in 0..50 {
        let calls = workers.iter().flat_map(|worker| {
            let tag = &tag;
            (0..16_u32).map(move |i| worker.allocate(tag, 1 + (i * round) % 7))
        });
        for ids in futures_util::future::join_all(calls).await {
            for id in flat(&ids.unwrap()) {
                assert!(seen.insert(id), "{id} twice");
            }
        }
    }
}

#[actix_web::test]
async fn ids_in_memory_come_without_waiting_for_anyone_in_the_order_of_asking() {
    let world = World::new(&[("a", 0, 100_000)]);
    world.one("a").await;
    let tag = BizTag::parse("a").unwrap();
    for expected in 2..1000 {
        let answer = world.allocator.allocate(&tag, 1).now_or_never();
        let ids = answer.expect("no message, no await").unwrap();
        assert_eq!(flat(&ids), [expected]);
    }
}

#[actix_web::test]
async fn each_id_handed_out_is_counted_at_the_next_scrape() {
    let world = World::new(&[("a", 0, 1000)]);
    let counted = || world.metric("id_alloc_ids_allocated_total{biz_tag=\"a\"}");
    let mut taken = 0.0;
    for count in [1, 2, 500, 800, 3, 5000] {
        taken += f64::from(count);
        world.take("a", count).await.unwrap();
        assert_eq!(counted(), taken);
    }
    world.allocation.tag_deleted(&BizTag::parse("a").unwrap());
    eventually("it is gone", || {
        world.metric("id_alloc_tags_loaded ") == 0.0
    })
    .await;
    assert_eq!(counted(), taken, "of a tag that is gone, too");
}

#[actix_web::test]
async fn a_tag_deleted_under_load_gives_no_more_and_made_again_it_goes_on_above() {
    let world = World::new(&[("a", 0, 100_000)]);
    let first = world.one("a").await;
    let takers = Takers::start(&world, 4);
    world.store.remove("a");
    world.allocation.tag_deleted(&BizTag::parse("a").unwrap());
    let seen = takers.ended(Some(AllocError::UnknownTag)).await;
    assert!(!seen.contains(&first));
    assert_eq!(world.take("a", 1).await, Err(AllocError::UnknownTag));
    world.store.put("a", 100_000, 10);
    world.allocation.tag_created(&BizTag::parse("a").unwrap());
    assert!(world.one("a").await > seen.last().copied().unwrap_or(first));
}

#[actix_web::test]
async fn ids_in_memory_survive_a_dead_store_and_the_supervisor_restarts_the_actor() {
    let world = World::new(&[("a", 0, 100)]);
    assert_eq!(world.one("a").await, 1);
    world.store.outage(Some(transient()));
    let restarts = "id_alloc_actor_restarts_total{actor=\"tag\",reason=\"store_failure\"}";
    let (mut last, began) = (1, Instant::now());
    while world.metric(restarts) < 2.0 {
        // All but one, also of a second segment whose claim was under way.
        while world.health().unwrap() > 1 {
            last += 1;
            assert_eq!(world.one("a").await, last);
        }
        assert!(began.elapsed() < PATIENCE, "the actor is not restarted");
        tokio::task::yield_now().await;
    }
    world.store.outage(None);
    assert_eq!(
        world.one("a").await,
        last + 1,
        "the buffer and its order survived"
    );
}

#[actix_web::test]
async fn those_waiting_survive_restarts_and_are_served_when_the_store_is_back() {
    let world = World::new(&[("a", 0, 10)]);
    world.store.outage(Some(transient()));
    let tag = BizTag::parse("a").unwrap();
    let waiting = world.allocator.allocate(&tag, 5);
    let heal = async {
        let restarts = "id_alloc_actor_restarts_total{actor=\"tag\",reason=\"store_failure\"}";
        eventually("restarts", || world.metric(restarts) >= 2.0).await;
        world.store.outage(None);
    };
    let (ids, ()) = futures_util::future::join(waiting, heal).await;
    assert_eq!(flat(&ids.unwrap()), [1, 2, 3, 4, 5]);
}

#[actix_web::test]
async fn restarts_come_at_most_once_per_backoff() {
    let mut settings = settings();
    settings.database.backoff_max = Duration::from_secs(600);
    let world = World::with(&[("a", 0, 10)], settings);
    world.store.outage(Some(transient()));
    let tag = BizTag::parse("a").unwrap();
    let _ = actix_web::rt::time::timeout(
        Duration::from_millis(300),
        world.allocator.allocate(&tag, 1),
    )
    .await;
    // Pauses of 10, 20, (restart) 40, 80, … ms: a tight loop would claim thousands of times.
    assert!(world.store.claims() < 12, "{} claims", world.store.claims());
}

#[actix_web::test]
async fn a_claim_whose_answer_was_lost_is_a_gap_and_never_reused() {
    let world = World::new(&[("a", 0, 10)]);
    world.store.script([Script::CommitAndLose]);
    assert_eq!(world.one("a").await, 10, "0 to 9 are lost");
    assert_eq!(
        world.metric("id_alloc_segment_loads_total{outcome=\"unknown\"}"),
        1.0
    );
}

#[actix_web::test]
async fn a_hung_claim_is_given_up_and_made_again() {
    let world = World::new(&[("a", 0, 10)]);
    world.store.script([Script::Hang]);
    assert_eq!(world.one("a").await, 1);
}

#[actix_web::test]
async fn a_row_that_stays_locked_does_not_have_all_tags_looked_at_over_and_over() {
    let mut settings = settings();
    settings.limits.request_deadline = Duration::from_millis(100);
    let world = World::with(&[("good", 0, 10), ("locked", 0, 10)], settings);
    assert_eq!(world.one("good").await, 1);
    world.store.lock("locked", true);
    let began = Instant::now();
    while world.store.checks() < 3 {
        assert!(began.elapsed() < PATIENCE);
        let refused = world.take("locked", 1).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert!(world.store.looks_for_deleted() <= 1);
}

#[actix_web::test]
async fn an_unknown_tag_is_refused_remembered_and_seen_once_it_exists() {
    let world = World::new(&[]);
    assert_eq!(world.take("new", 1).await, Err(AllocError::UnknownTag));
    let asked = world.store.claims();
    for _ in 0..100 {
        assert_eq!(world.take("new", 1).await, Err(AllocError::UnknownTag));
    }
    assert!(
        world.store.claims() <= asked + 2,
        "the flood reached the store"
    );
    world.store.put("new", 0, 10);
    let began = Instant::now();
    while world.take("new", 1).await.is_err() {
        assert!(began.elapsed() < PATIENCE);
    }
    eventually("no rest of the unknown actor", || {
        world.metric("id_alloc_tags_loaded") == 1.0
    })
    .await;
}

#[actix_web::test]
async fn a_broken_row_is_refused_alone_and_works_once_mended() {
    let world = World::new(&[("bad", 0, 0), ("good", 0, 10)]);
    let refused = world.take("bad", 1).await;
    assert!(
        matches!(refused, Err(AllocError::TagMisconfigured(_))),
        "{refused:?}"
    );
    assert_eq!(world.one("good").await, 1);
    world.store.put("bad", 0, 10);
    let began = Instant::now();
    while world.take("bad", 1).await.is_err() {
        assert!(began.elapsed() < PATIENCE);
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn a_missing_table_is_said_and_ids_come_once_it_is_there() {
    let world = World::new(&[("a", 0, 10)]);
    let missing = Unusable::TableMissing("run `id-alloc migrate up`".to_owned());
    world.store.outage(Some(missing.into()));
    let refused = world.take("a", 1).await;
    assert!(
        matches!(refused, Err(AllocError::TableMissing(_))),
        "{refused:?}"
    );
    world.store.outage(None);
    let began = Instant::now();
    while world.take("a", 1).await.is_err() {
        assert!(began.elapsed() < PATIENCE);
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
}

#[actix_web::test]
async fn an_idle_tag_is_evicted_and_comes_back_above_its_mark() {
    let mut settings = settings();
    settings.allocation.idle_after = Duration::from_millis(400);
    let world = World::with(&[("a", 0, 100)], settings);
    assert_eq!(world.one("a").await, 1);
    eventually("evicted", || world.metric("id_alloc_tags_loaded") == 0.0).await;
    let unused = world.metric("id_alloc_ids_unused_total{reason=\"idle\"}");
    assert_eq!(unused, 98.0, "what was left is counted");
    world.store.put("a", 0, 100);
    assert!(world.one("a").await >= 100, "the mark outlives eviction");
}

/// Its actors end at once when nobody uses a tag.
fn restful() -> World {
    let mut settings = settings();
    settings.rest_after = Duration::from_millis(1);
    World::with(&[("a", 0, 100)], settings)
}

#[actix_web::test]
async fn a_tag_at_rest_serves_on_from_memory_and_its_next_actor_has_what_the_last_one_left() {
    let (world, tag) = (restful(), BizTag::parse("a").unwrap());
    assert_eq!(world.one("a").await, 1);
    eventually("it rests", || world.allocation.is_at_rest(&tag)).await;
    let health = world.health().unwrap();
    assert_eq!(health, 98);
    assert_eq!(world.state(&tag).await.left, 98);
    for expected in 2..100 {
        assert_eq!(world.one("a").await, expected);
        if expected % 10 == 0 {
            eventually("it rests again", || world.allocation.is_at_rest(&tag)).await;
        }
    }
    assert_eq!(world.one("a").await, 100, "the next segment was claimed");
    assert_eq!(world.metric("id_alloc_tags_loaded "), 1.0);
}

#[actix_web::test]
async fn a_tag_deleted_while_it_rests_gives_no_more() {
    let (world, tag) = (restful(), BizTag::parse("a").unwrap());
    assert_eq!(world.one("a").await, 1);
    eventually("it rests", || world.allocation.is_at_rest(&tag)).await;
    world.store.remove("a");
    world.allocation.tag_deleted(&tag);
    eventually("it is gone", || {
        world.metric("id_alloc_tags_loaded ") == 0.0
    })
    .await;
    assert_eq!(world.take("a", 1).await, Err(AllocError::UnknownTag));
}

#[actix_web::test]
async fn many_who_come_at_once_to_a_tag_at_rest_are_all_served_in_order() {
    let (world, tag) = (restful(), BizTag::parse("a").unwrap());
    let mut last = world.one("a").await;
    for _ in 0..20 {
        eventually("it rests", || world.allocation.is_at_rest(&tag)).await;
        // More in all than is open: the first come from memory, for the rest an actor is needed.
        let calls = (0..16).map(|_| world.take("a", 60));
        let mut ids = BTreeSet::new();
        for taken in futures_util::future::join_all(calls).await {
            ids.extend(taken.unwrap());
        }
        assert_eq!(ids.len(), 16 * 60, "each once");
        assert!(ids.first().is_some_and(|first| *first > last));
        last = ids.last().copied().unwrap();
    }
}

#[actix_web::test]
async fn health_loads_a_tag_without_taking_an_id() {
    let world = World::new(&[("a", 0, 100)]);
    let tag = BizTag::parse("a").unwrap();
    assert_eq!(world.allocator.left(&tag).await.unwrap(), 99);
    assert_eq!(world.one("a").await, 1);
    let unknown = BizTag::parse("b").unwrap();
    assert_eq!(
        world.allocator.left(&unknown).await,
        Err(AllocError::UnknownTag)
    );
}

#[actix_web::test]
async fn health_is_red_exactly_while_nothing_can_be_served() {
    let world = World::new(&[("a", 0, 100)]);
    eventually("the store is seen", || world.health().is_ok()).await;
    assert_eq!(world.one("a").await, 1);
    world.store.outage(Some(transient()));
    for _ in 0..50 {
        world.one("a").await;
    }
    eventually("the outage is seen", || world.allocator.store().is_err()).await;
    assert!(world.health().is_ok(), "ids are left");
    let left = world.health().unwrap();
    world.take("a", u32::try_from(left).unwrap()).await.unwrap();
    assert!(world.health().is_err(), "nothing is left");
    world.store.outage(None);
    eventually("it is back", || world.health().is_ok()).await;
}

#[actix_web::test]
async fn each_caller_has_an_answer_by_its_deadline() {
    let mut settings = settings();
    settings.limits.request_deadline = Duration::from_millis(100);
    let world = World::with(&[("a", 0, 10)], settings);
    world.store.outage(Some(transient()));
    let tag = BizTag::parse("a").unwrap();
    let calls = (0..20).map(|_| world.allocator.allocate(&tag, 1));
    for answer in futures_util::future::join_all(calls).await {
        assert!(
            matches!(answer, Err(AllocError::NoAvailableId(_))),
            "{answer:?}"
        );
    }
}

#[actix_web::test]
async fn who_waits_for_a_stuck_tag_has_an_answer_by_its_deadline_beside_two_hot_ones() {
    let mut settings = settings();
    settings.limits.request_deadline = Duration::from_millis(100);
    let rows = [("a", 0, 1_000_000), ("b", 0, 1_000_000), ("stuck", 0, 10)];
    let world = std::rc::Rc::new(World::with(&rows, settings));
    assert_eq!((world.one("a").await, world.one("b").await), (1, 1));
    world.store.outage(Some(transient()));
    // They never wait for anyone.
    let hot = (0..32).map(|number| {
        let world = world.clone();
        actix_web::rt::spawn(async move {
            loop {
                world.one(["a", "b"][number % 2]).await;
                tokio::task::yield_now().await;
            }
        })
    });
    let hot: Vec<_> = hot.collect();
    let answer = actix_web::rt::time::timeout(PATIENCE, world.take("stuck", 1)).await;
    hot.iter().for_each(actix_web::rt::task::JoinHandle::abort);
    assert!(
        matches!(answer, Ok(Err(AllocError::NoAvailableId(_)))),
        "{answer:?}"
    );
}

#[actix_web::test]
async fn a_demand_that_outlived_an_outage_in_the_queue_is_served_afterwards() {
    let mut settings = settings();
    settings.limits.request_deadline = Duration::from_millis(300);
    let world = World::with(&[("a", 0, 1000)], settings);
    assert_eq!(world.take("a", 5).await.unwrap().len(), 5);
    world.store.outage(Some(transient()));
    let late = world.take("a", 5000).await;
    assert!(
        matches!(late, Err(AllocError::NoAvailableId(_))),
        "{late:?}"
    );
    // The claim made on its behalf is given up while nobody in time waits.
    let (tag, began) = (BizTag::parse("a").unwrap(), Instant::now());
    while world.state(&tag).await.loading {
        assert!(began.elapsed() < PATIENCE, "it claims on for nobody");
        actix_web::rt::time::sleep(Duration::from_millis(2)).await;
    }
    world.store.outage(None);
    assert_eq!(world.take("a", 5000).await.unwrap().len(), 5000);
}

#[actix_web::test]
async fn names_asked_for_in_an_outage_do_not_stay_in_memory() {
    let mut settings = settings();
    settings.limits.request_deadline = Duration::from_millis(50);
    let world = World::with(&[], settings);
    world.store.outage(Some(transient()));
    for name in ["x", "y", "z"] {
        assert!(world.take(name, 1).await.is_err());
    }
    eventually("forgotten", || world.metric("id_alloc_tags_loaded") == 0.0).await;
}

#[actix_web::test]
async fn waiting_is_bounded_per_tag_and_in_all_and_the_rest_is_refused_at_once() {
    let mut settings = settings();
    settings.limits.max_waiting_per_tag = 5;
    settings.limits.max_waiting = 8;
    settings.limits.request_deadline = Duration::from_millis(300);
    let world = World::with(&[("a", 0, 10), ("b", 0, 10)], settings);
    world.store.outage(Some(transient()));
    let (a, b) = (BizTag::parse("a").unwrap(), BizTag::parse("b").unwrap());
    let calls = (0..10)
        .flat_map(|_| [&a, &b])
        .map(|tag| world.allocator.allocate(tag, 1));
    let answers = futures_util::future::join_all(calls).await;
    let overloaded = answers
        .iter()
        .filter(|answer| matches!(answer, Err(AllocError::Overloaded(_))))
        .count();
    assert_eq!(overloaded, 12, "8 of 20 may wait");
    assert_eq!(world.allocator.waiting(), 0);
}

#[actix_web::test]
async fn a_caller_who_left_gets_nothing_and_nobody_gets_its_ids() {
    let world = World::new(&[("a", 0, 10)]);
    world.store.lock("a", true);
    let tag = BizTag::parse("a").unwrap();
    tokio::select! {
        answer = world.allocator.allocate(&tag, 3) => panic!("served by a locked row: {answer:?}"),
        () = eventually("it waits for a claim", || world.store.claims() == 1) => {}
    }
    world.store.lock("a", false);
    eventually("the claim is in", || world.health().unwrap_or(0) > 0).await;
    assert_eq!(world.one("a").await, 4, "1 to 3 were thrown away");
}

#[actix_web::test]
async fn who_still_waits_at_the_end_is_told() {
    let world = World::new(&[("a", 0, 10)]);
    world.store.outage(Some(transient()));
    let tag = BizTag::parse("a").unwrap();
    let close = async {
        eventually("it waits", || world.allocator.waiting() == 1).await;
        world.allocation.close();
    };
    let (answer, ()) = futures_util::future::join(world.allocator.allocate(&tag, 1), close).await;
    assert_eq!(answer, Err(AllocError::ShuttingDown));
}

#[actix_web::test]
async fn an_actor_tells_its_state() {
    let world = World::new(&[("a", 0, 100)]);
    world.one("a").await;
    let state = world.state(&BizTag::parse("a").unwrap()).await;
    assert_eq!(state.segments, [(2, 100, 99)]);
    assert_eq!((state.left, state.step, state.restarts), (98, 100, 0));
}
