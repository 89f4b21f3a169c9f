//! A claim that the tag's allowance does not permit yet: who can wait for it does, who cannot is told how long it
//! takes, and who wants less is served.

use crate::memory_store::Script;
use crate::world::{World, eventually, within};
use id_alloc::{actors::AllocError, domain::BizTag, storage::StoreError};
use std::time::{Duration, Instant};

fn used_up(wait: Duration) -> Script {
    let text = "1000 ids are more than may be claimed".to_owned();
    Script::Fail(StoreError::AllowanceUsedUp { wait, text })
}

#[actix_web::test]
async fn who_has_time_waits_until_more_may_be_claimed() {
    let world = World::new(&[("a", 0, 10)]);
    let wait = Duration::from_millis(100);
    world.store.script([used_up(wait), used_up(wait)]);
    let asked = Instant::now();
    assert_eq!(world.one("a").await, 1);
    assert!(asked.elapsed() >= 2 * wait);
    // No failure of the database: nothing was restarted.
    let tag = BizTag::parse("a").unwrap();
    assert_eq!(world.state(&tag).await.restarts, 0);
}

#[actix_web::test]
async fn who_has_not_is_told_at_once_how_long_it_takes() {
    let world = World::with(&[("a", 0, 10)], within(2000));
    world.one("a").await;
    eventually("a second segment", || world.store.claims() == 2).await;
    world.store.script([used_up(Duration::from_secs(60))]);
    // The second is told without another claim for it.
    for _ in 0..2 {
        let Err(error @ AllocError::AllowanceUsedUp { .. }) = world.take("a", 1000).await else {
            panic!("it was not refused")
        };
        let wait = error.wait().unwrap().as_secs_f64();
        assert!((50.0..=60.0).contains(&wait), "{wait}");
        let text = error.to_string();
        assert!(text.starts_with("1000 ids are more than"), "{text}");
        assert!(text.contains("; try again in "), "{text}");
    }
    for id in 2..50 {
        assert_eq!(world.one("a").await, id, "who wants less is served");
    }
}

#[actix_web::test]
async fn what_is_wanted_in_advance_is_asked_for_again_when_it_may_be_claimed() {
    let world = World::new(&[("a", 0, 10)]);
    world.one("a").await;
    eventually("a second segment", || world.store.claims() == 2).await;
    world.store.script([used_up(Duration::from_millis(50))]);
    world.take("a", 18).await.unwrap();
    eventually("it asks again by itself", || world.store.claims() >= 4).await;
}
