//! A store that fails, hangs or loses an answer: ids in memory go on, actors are restarted, claims are made again.

use crate::memory_store::Script;
use crate::world::{PATIENCE, World, eventually, flat, settings, transient, within};
use id_alloc::actors::AllocError;
use id_alloc::domain::BizTag;
use std::time::{Duration, Instant};

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
    let world = World::with(&[("good", 0, 10), ("locked", 0, 10)], within(100));
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
async fn a_demand_that_outlived_an_outage_in_the_queue_is_served_afterwards() {
    let world = World::with(&[("a", 0, 1000)], within(300));
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
    let world = World::with(&[], within(50));
    world.store.outage(Some(transient()));
    for name in ["x", "y", "z"] {
        assert!(world.take(name, 1).await.is_err());
    }
    eventually("forgotten", || world.metric("id_alloc_tags_loaded") == 0.0).await;
}
