//! Callers who wait: until their deadline, no more than may, and not past the end.

use crate::world::{PATIENCE, World, eventually, transient, within};
use id_alloc::actors::AllocError;
use id_alloc::domain::BizTag;

#[actix_web::test]
async fn each_caller_has_an_answer_by_its_deadline() {
    let world = World::with(&[("a", 0, 10)], within(100));
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
    let rows = [("a", 0, 1_000_000), ("b", 0, 1_000_000), ("stuck", 0, 10)];
    let world = std::rc::Rc::new(World::with(&rows, within(100)));
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
async fn waiting_is_bounded_per_tag_and_in_all_and_the_rest_is_refused_at_once() {
    let mut settings = within(300);
    settings.limits.max_waiting_per_tag = 5;
    settings.limits.max_waiting = 8;
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
