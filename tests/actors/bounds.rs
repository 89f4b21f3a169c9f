//! Bounds that cannot be seen from outside: claims under way, tags in memory, names remembered.

use crate::memory_store::Script;
use crate::world::{PATIENCE, World, eventually, settings, transient};
use futures_util::future::join_all;
use id_alloc::{
    actors::{AllocError, Settings},
    domain::BizTag,
    storage::StoreError,
};
use std::rc::Rc;
use std::{collections::BTreeSet, time::Duration};

/// Claims that hang are waited for.
fn patient() -> Settings {
    let mut settings = settings();
    settings.database.statement_timeout = Duration::from_secs(600);
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
    let new: Vec<String> = (0..50).map(|number| format!("new{number}")).collect();
    let mut rows: Vec<_> = new.iter().map(|tag| (&**tag, 0, 10)).collect();
    rows.push(("used", 0, 10));
    let world = Rc::new(World::with(&rows, patient()));
    let ok = || world.metric("id_alloc_segment_loads_total{outcome=\"ok\"}") as u64;
    let mut ids = world.take("used", 5).await.unwrap();
    // It has asked for its next segment by then, so that the faults meet the newcomers alone.
    eventually("a second claim", || {
        ok() >= 2 && world.store.claims() == ok()
    })
    .await;
    world.store.script([Script::Hang, Script::Hang]);
    let newcomers: Vec<_> = new.iter().map(|tag| ask(&world, tag.clone(), 1)).collect();
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
    let asked = || world.store.claims() + world.store.lookups();
    let ask = async |name: &str| {
        let before = asked();
        assert_eq!(world.take(name, 1).await, Err(AllocError::UnknownTag));
        let loaded = || world.metric("id_alloc_tags_loaded ");
        eventually("its actor is gone", || loaded() == 0.0).await;
        asked() - before
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

#[actix_web::test]
async fn rows_that_are_locked_hold_no_permit_that_others_need() {
    let mut impatient = settings();
    impatient.database.statement_timeout = Duration::from_millis(800);
    impatient.limits.request_deadline = PATIENCE;
    let locked: Vec<String> = (0..40).map(|number| format!("locked{number}")).collect();
    let rows: Vec<_> = locked.iter().map(|tag| (&**tag, 0, 10)).collect();
    let world = Rc::new(World::with(&rows, impatient));
    for tag in &locked {
        world.store.lock(tag, true);
    }
    let held: Vec<_> = locked
        .iter()
        .map(|tag| ask(&world, tag.clone(), 1))
        .collect();
    eventually("some are stuck", || world.store.claims() > 1).await;
    for number in 0..50 {
        let free = format!("free{number}");
        world.store.put(&free, 0, 10);
        assert_eq!(world.one(&free).await, 1);
    }
    assert!(held.iter().all(|held| !held.is_finished()));
    for tag in &locked {
        world.store.lock(tag, false);
    }
    for held in held {
        assert_eq!(held.await.unwrap().unwrap(), [1]);
    }
}

#[actix_web::test]
async fn of_many_new_names_at_once_only_those_with_a_row_get_an_actor_and_are_claimed() {
    let world = Rc::new(World::with(&[("real", 0, 10)], patient()));
    // Nobody gets a permit, so that everything which comes waits.
    for number in 0..2 {
        let stuck = format!("stuck{number}");
        world.store.lock(&stuck, true);
        drop(ask(&world, stuck, 1));
    }
    eventually("two are stuck", || world.store.claims() == 2).await;
    let asked = (0..1000).map(|number| ask(&world, format!("random{number}"), 1));
    for answer in join_all(asked).await {
        assert_eq!(answer.unwrap(), Err(AllocError::UnknownTag));
    }
    assert_eq!(world.store.claims(), 2, "none was claimed for");
    assert!((1..1000).contains(&world.store.lookups()), "in batches");
    assert!(world.metric("id_alloc_tags_loaded ") <= 2.0);
}

#[actix_web::test]
async fn after_a_name_without_a_row_others_are_looked_up_before_anything_is_made_for_them() {
    let world = World::with(&[("real", 0, 10)], patient());
    // An actor and a claim found out; from then on a statement for all who ask does. On a machine that stands still
    // for a second the next one is claimed for again.
    let mut claims = 0;
    for number in 0..20 {
        let name = format!("random{number}");
        assert_eq!(world.take(&name, 1).await, Err(AllocError::UnknownTag));
        claims = world.store.claims();
    }
    assert!((1..20).contains(&claims), "{claims} claims");
    assert!(world.store.lookups() > 0);
    assert_eq!(world.one("real").await, 1);
}

#[actix_web::test]
async fn tags_that_were_deleted_and_are_asked_for_as_before_are_looked_up_together() {
    let tags: Vec<String> = (0..300).map(|number| format!("old{number}")).collect();
    let rows: Vec<_> = tags.iter().map(|tag| (&**tag, 0, 10)).collect();
    let mut settings = patient();
    settings.limits.unknown_tag_ttl = Duration::ZERO;
    let world = Rc::new(World::with(&rows, settings));
    for tag in &tags {
        world.one(tag).await;
        world.store.remove(tag);
        let deleted = BizTag::parse(tag).unwrap();
        assert!(world.allocation.tag_deleted(&deleted).await);
    }
    let claims = world.store.claims();
    // On a machine that stands still for a second the next one is claimed for again.
    let asked = tags.iter().map(|tag| ask(&world, tag.clone(), 1));
    for answer in join_all(asked).await {
        assert_eq!(answer.unwrap(), Err(AllocError::UnknownTag));
    }
    let claims = world.store.claims() - claims;
    assert!(claims < 100, "{claims} claims");
    assert!(world.store.lookups() > 0);
}

#[actix_web::test]
async fn a_name_that_nobody_waits_for_any_more_is_not_looked_for() {
    let world = Rc::new(World::with(&[], patient()));
    let callers: Vec<_> = ["stuck0", "stuck1"]
        .map(|stuck| {
            world.store.lock(stuck, true);
            ask(&world, stuck.to_owned(), 1)
        })
        .into();
    eventually("two are stuck", || world.store.claims() == 2).await;
    world.store.outage(Some(transient()));
    let names = (0..300).map(|number| ask(&world, format!("gone{number}"), 1));
    let names: Vec<_> = names.collect();
    eventually("they are looked up", || world.store.lookups() > 1).await;
    names.iter().for_each(Asked::abort);
    join_all(names).await;
    world.store.outage(None);
    for (number, caller) in callers.into_iter().enumerate() {
        world.store.lock(&format!("stuck{number}"), false);
        assert_eq!(caller.await.unwrap(), Err(AllocError::UnknownTag));
    }
    let lookups = world.store.lookups();
    world.store.put("real", 0, 10);
    assert_eq!(world.one("real").await, 1);
    assert!(world.store.lookups() <= lookups + 2);
}

#[actix_web::test]
async fn a_store_that_has_no_connection_left_is_waited_for_and_not_called_lost() {
    let world = Rc::new(World::new(&[("a", 0, 10), ("b", 0, 10)]));
    world.one("a").await;
    let full = StoreError::NoConnection("too many connections".to_owned());
    world.store.outage(Some(full));
    let unanswered = "id_alloc_segment_loads_total{outcome=\"transient\"}";
    let waiting = ask(&world, "b".to_owned(), 1);
    eventually("claims fail", || world.metric(unanswered) >= 3.0).await;
    assert_eq!(world.metric("id_alloc_store_up "), 1.0);
    assert!(world.allocator.store().is_ok());
    world.store.outage(None);
    assert_eq!(waiting.await.unwrap().unwrap(), [1]);
}

#[actix_web::test]
async fn claims_that_nobody_waits_for_leave_permits_to_those_that_somebody_waits_for() {
    let tags: Vec<String> = (0..6).map(|number| format!("t{number}")).collect();
    let mut rows: Vec<_> = tags.iter().map(|tag| (&**tag, 0, 1000)).collect();
    rows.push(("new", 0, 10));
    let world = Rc::new(World::with(&rows, patient()));
    for tag in &tags {
        world.one(tag).await;
    }
    let ok = || world.metric("id_alloc_segment_loads_total{outcome=\"ok\"}") as u64;
    eventually("none is under way", || world.store.claims() == ok()).await;
    // Of these the next segment is claimed ahead, and does not come.
    for tag in &tags[..5] {
        world.store.lock(tag, true);
        world.take(tag, 500).await.unwrap();
    }
    eventually("half of four are under way", || {
        world.store.claims() == ok() + 2
    })
    .await;
    world.take(&tags[5], 500).await.unwrap();
    assert_eq!(world.one("new").await, 1);
    // What is queued ahead of demand comes at once where there is demand.
    assert_eq!(world.take(&tags[5], 3000).await.unwrap().len(), 3000);
}
