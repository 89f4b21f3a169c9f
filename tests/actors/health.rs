//! What `/health` asks of the actors.

use crate::world::{World, eventually, transient};
use id_alloc::actors::AllocError;
use id_alloc::domain::BizTag;

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
