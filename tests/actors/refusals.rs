//! A tag that is unknown, a row that is broken, a table that is missing: refused, and served once that is put right.

use crate::world::{World, eventually};
use id_alloc::actors::AllocError;
use id_alloc::storage::Unusable;

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
    world.until_served("new").await;
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
    world.until_served("bad").await;
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
    world.until_served("a").await;
}
