//! Tags that nobody uses: their actors rest, and in the end the tag leaves memory.

use crate::world::{World, eventually, settings};
use id_alloc::actors::AllocError;
use id_alloc::domain::BizTag;
use std::collections::BTreeSet;
use std::time::Duration;

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
    assert!(world.allocation.tag_deleted(&tag).await);
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
