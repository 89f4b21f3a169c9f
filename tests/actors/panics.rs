//! Panics in the actors and in the store: the service goes on.

use crate::memory_store::Script;
use crate::world::{Takers, World, eventually, settings};
use futures_util::future::join;
use id_alloc::{actors::Crash, domain::BizTag};
use std::time::{Duration, Instant};

#[actix_web::test]
async fn a_panic_in_the_store_costs_a_retry_only() {
    let world = World::new(&[("a", 0, 10)]);
    world.store.script([Script::Panic]);
    assert_eq!(world.one("a").await, 1);
}

#[actix_web::test]
async fn a_panicked_tag_actor_is_made_anew_above_its_mark() {
    let world = World::new(&[("a", 0, 100)]);
    assert_eq!(world.one("a").await, 1);
    // An operator lowers the row as well: the mark outlives the actor.
    let tag = BizTag::parse("a").unwrap();
    world.store.put("a", 0, 100);
    world.allocation.crash(Crash::Tag(&tag));
    let restarts = "id_alloc_actor_restarts_total{actor=\"tag\",reason=\"panic\"}";
    while world.metric(restarts) < 1.0 {
        world.one("a").await;
    }
    let id = world.one("a").await;
    assert!(id >= 100, "{id} was claimed before the panic");
    assert_eq!(
        world.metric("id_alloc_actor_restarts_total{actor=\"tag\",reason=\"panic\"}"),
        1.0
    );
}

#[actix_web::test]
async fn panics_under_load_cost_nobody_an_answer_and_no_id_comes_twice() {
    let world = World::new(&[("a", 0, 1000)]);
    let tag = BizTag::parse("a").unwrap();
    world.one("a").await;
    let takers = Takers::start(&world, 4);
    let restarts = "id_alloc_actor_restarts_total{actor=\"tag\",reason=\"panic\"}";
    for round in 1..=5 {
        world.allocation.crash(Crash::Tag(&tag));
        eventually("a successor", || world.metric(restarts) >= f64::from(round)).await;
    }
    takers.stop();
    takers.ended(None).await;
}

#[actix_web::test]
async fn who_waits_for_an_actor_that_panics_is_served_by_its_successor() {
    let world = World::new(&[("a", 0, 10)]);
    world.store.script([Script::Hang]);
    let tag = BizTag::parse("a").unwrap();
    let crash = async {
        eventually("it waits", || world.store.claims() == 1).await;
        world.allocation.crash(Crash::Tag(&tag));
    };
    let (ids, ()) = join(world.take("a", 3), crash).await;
    assert_eq!(ids.unwrap().len(), 3);
}

#[actix_web::test]
async fn a_panicked_loader_and_registry_are_made_anew() {
    let world = World::new(&[("a", 0, 10), ("b", 0, 10), ("c", 0, 10)]);
    assert_eq!(world.one("a").await, 1);
    for (crash, tag, label) in [
        (Crash::Loader, "b", "loader"),
        (Crash::Registry, "c", "registry"),
    ] {
        world.allocation.crash(crash);
        // A claim that was under way when its loader was made anew is abandoned: its ten ids are a gap.
        let id = world.one(tag).await;
        assert!(id == 1 || id % 10 == 0, "{tag}: {id}");
        let metric = format!("id_alloc_actor_restarts_total{{actor=\"{label}\",reason=\"panic\"}}");
        eventually(label, || world.metric(&metric) == 1.0).await;
    }
    let mut last = 1;
    for _ in 2..50 {
        let id = world.one("a").await;
        assert!(id > last, "{id} after {last}");
        last = id;
    }
}

#[actix_web::test]
async fn an_actor_that_panics_over_and_over_is_made_anew_once_per_backoff() {
    let backoff_max = Duration::from_millis(100);
    let mut settings = settings();
    settings.database.backoff_max = backoff_max;
    let world = World::with(&[("bad", 0, 100), ("good", 0, 100)], settings);
    let tag = BizTag::parse("bad").unwrap();
    let began = Instant::now();
    world.one("bad").await;
    for round in 1..=8 {
        world.allocation.crash(Crash::Tag(&tag));
        let restarts = "id_alloc_actor_restarts_total{actor=\"tag\",reason=\"panic\"}";
        while world.metric(restarts) < f64::from(round) {
            // Waits for the new actor; who was in the mailbox of the old one is told to try again.
            let _ = world.take("bad", 1).await;
            world.one("good").await;
        }
        assert!(began.elapsed() >= backoff_max * round, "made anew at once");
    }
}
