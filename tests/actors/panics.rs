//! Panics in the actors and in the store: the service goes on.

use crate::world::{World, eventually, settings};
use futures_util::future::join;
use id_alloc::{
    actors::{AllocError, Crash, Settings},
    domain::BizTag,
    storage::Script,
};
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
    let id = loop {
        match world.take("a", 1).await {
            Ok(ids) => break ids[0],
            Err(AllocError::NoAvailableId(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(id >= 100, "{id} was claimed before the panic");
    assert_eq!(
        world.metric("id_alloc_actor_restarts_total{actor=\"tag\",reason=\"panic\"}"),
        1.0
    );
}

#[actix_web::test]
async fn a_panicked_courier_lets_its_callers_go_and_the_next_one_gets_another() {
    let world = World::new(&[("a", 0, 10), ("b", 0, 10)]);
    assert_eq!(world.one("a").await, 1);
    // It has asked for its next segment by then, so that the fault meets the other alone.
    eventually("a second claim", || world.store.claims() == 2).await;
    world.store.script([Script::Hang]);
    let crash = async {
        eventually("a claim for the one who waits", || {
            world.store.claims() == 3
        })
        .await;
        world.allocator.crash();
    };
    let (let_go, ()) = join(world.take("b", 1), crash).await;
    assert!(
        matches!(let_go, Err(AllocError::NoAvailableId(_))),
        "{let_go:?}"
    );
    assert_eq!(world.allocator.waiting(), 0);
    assert_eq!(world.one("a").await, 2);
    let id = world.one("b").await;
    assert!(id >= 2, "{id} was allotted to the one who was let go");
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
    let world = World::with(
        &[("bad", 0, 100), ("good", 0, 100)],
        Settings {
            backoff_max,
            ..settings()
        },
    );
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
