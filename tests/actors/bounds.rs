//! Bounds that cannot be seen from outside: claims under way, tags in memory, names remembered.

use crate::world::{World, eventually, settings};
use futures_util::future::join_all;
use id_alloc::{
    actors::{AllocError, Settings},
    storage::Script,
};
use std::rc::Rc;
use std::{collections::BTreeSet, time::Duration};

/// Claims that hang are waited for.
fn patient() -> Settings {
    let mut settings = settings();
    settings.database.statement_timeout = Duration::from_secs(15);
    settings.limits.request_deadline = Duration::from_secs(60);
    settings
}

type Asked = actix_web::rt::task::JoinHandle<Result<Vec<i64>, AllocError>>;

/// Asks on a task of its own.
fn ask(world: &Rc<World>, tag: String, count: u32) -> Asked {
    let world = world.clone();
    actix_web::rt::spawn(async move { world.take(&tag, count).await })
}

#[actix_web::test]
async fn newcomers_whose_claims_hang_take_half_of_them_and_tags_in_use_go_on() {
    let world = Rc::new(World::with(&[("used", 0, 10)], patient()));
    let ok = || world.metric("id_alloc_segment_loads_total{outcome=\"ok\"}") as u64;
    let mut ids = world.take("used", 5).await.unwrap();
    // It has asked for its next segment by then, so that the faults meet the newcomers alone.
    eventually("a second claim", || {
        ok() >= 2 && world.store.claims() == ok()
    })
    .await;
    world.store.script([Script::Hang, Script::Hang]);
    let newcomers: Vec<_> = (0..50)
        .map(|number| ask(&world, format!("new{number}"), 1))
        .collect();
    eventually("two hang", || world.store.claims() == ok() + 2).await;
    for _ in 0..50 {
        ids.extend(world.take("used", 20).await.unwrap());
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    // Two of four: half is for those never served.
    eventually("those in use are done", || world.store.claims() == ok() + 2).await;
    assert!(newcomers.iter().all(|newcomer| !newcomer.is_finished()));
    newcomers.iter().for_each(Asked::abort);
}

#[actix_web::test]
async fn a_burst_of_different_counts_on_a_cold_tag_is_served_whole() {
    let rows: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
    let rows: Vec<_> = rows.iter().map(|tag| (&**tag, 0, 10)).collect();
    let world = Rc::new(World::with(&rows, patient()));
    for (tag, ..) in rows {
        // More than actix lets wait for an actor that has not started yet.
        let asked = (1..=100).map(|count| ask(&world, tag.to_owned(), count));
        let mut ids = BTreeSet::new();
        for answer in join_all(asked).await {
            ids.extend(answer.unwrap().unwrap());
        }
        assert_eq!(ids.len(), 100 * 101 / 2, "{tag}");
    }
}

#[actix_web::test]
async fn tags_past_max_loaded_tags_are_refused_and_those_loaded_go_on() {
    let mut limited = settings();
    limited.limits.max_loaded_tags = 2;
    let world = World::with(&[("a", 0, 10), ("b", 0, 10), ("c", 0, 10)], limited);
    assert_eq!((world.one("a").await, world.one("b").await), (1, 1));
    let refused = world.take("c", 1).await;
    assert!(
        matches!(refused, Err(AllocError::Overloaded(_))),
        "{refused:?}"
    );
    assert_eq!((world.one("a").await, world.one("b").await), (2, 2));
}

#[actix_web::test]
async fn unknown_names_past_the_limit_push_out_the_oldest() {
    let mut limited = settings();
    limited.limits.unknown_tags = 3;
    limited.limits.unknown_tag_ttl = Duration::from_secs(3600);
    let world = World::with(&[], limited);
    let ask = async |name: &str| {
        let before = world.store.claims();
        assert_eq!(world.take(name, 1).await, Err(AllocError::UnknownTag));
        let loaded = || world.metric("id_alloc_tags_loaded ");
        eventually("its actor is gone", || loaded() == 0.0).await;
        world.store.claims() - before
    };
    for name in ["a", "b", "c"] {
        assert_eq!(ask(name).await, 1, "{name} is looked for");
    }
    for name in ["a", "b", "c"] {
        assert_eq!(ask(name).await, 0, "{name} is remembered");
    }
    assert_eq!(ask("d").await, 1);
    assert_eq!(ask("a").await, 1, "the oldest is forgotten");
    assert_eq!(ask("d").await, 0);
}
