//! Ids from memory: each once, in order, without waiting for anyone, and counted.

use crate::world::{Takers, World, eventually, flat};
use futures_util::FutureExt as _;
use id_alloc::actors::{AllocError, Allocator};
use id_alloc::domain::BizTag;
use std::collections::BTreeSet;

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
    let tag = BizTag::parse("a").unwrap();
    assert!(world.allocation.tag_deleted(&tag).await);
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
    let tag = BizTag::parse("a").unwrap();
    assert!(world.allocation.tag_deleted(&tag).await);
    let refused = Err(AllocError::UnknownTag);
    assert_eq!(world.take("a", 1).await, refused, "from now on");
    let seen = takers.ended(Some(AllocError::UnknownTag)).await;
    assert!(!seen.contains(&first));
    assert_eq!(world.take("a", 1).await, refused);
    world.store.put("a", 100_000, 10);
    world.allocation.tag_created(&tag);
    assert!(world.one("a").await > seen.last().copied().unwrap_or(first));
}

#[actix_web::test]
async fn an_actor_tells_its_state() {
    let world = World::new(&[("a", 0, 100)]);
    world.one("a").await;
    let state = world.state(&BizTag::parse("a").unwrap()).await;
    assert_eq!(state.segments, [(2, 100, 99)]);
    assert_eq!((state.left, state.step, state.restarts), (98, 100, 0));
}
