//! The heartbeat beside the table, and the lineage it says: data that went back, a primary that another server has seen.

use crate::helpers::{Db, Snapshot, Take as _, ask, everywhere, on_servers, open};
use crate::support::{PATIENCE, eventually};
use id_alloc::config::Database;
use id_alloc::domain::allowance::{MARGIN, SECOND};
use id_alloc::storage::sql::SqlStore;
use id_alloc::storage::{Claim, SegmentStore as _, StoreError};

/// The heartbeat is older than it was: after two seconds the next look renews it, after a minute it is silent.
async fn age_heartbeat(db: &Db, seconds: i64) {
    let micros = seconds * SECOND;
    db.sql(&format!(
        "UPDATE segments_heartbeat SET beat = beat - {micros}"
    ))
    .await;
}

async fn beat(db: &Db) -> i64 {
    db.number("SELECT beat FROM segments_heartbeat").await
}

async fn lineage(db: &Db) -> i64 {
    db.number("SELECT lineage FROM segments_heartbeat").await
}

/// The next claim of this server moves the row past what was claimed and lost.
async fn moves_past(store: &SqlStore, lost: &Claim) {
    let (claim, _, moved) = store.repair(&ask("test")).await;
    assert_eq!(moved, 1);
    assert!(claim.range.first() >= lost.max_id, "{claim:?} {lost:?}");
}

#[tokio::test]
async fn data_that_went_back_under_the_same_identity_are_told_by_a_server_that_has_seen_more() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.beat().await.unwrap();
        let before = Snapshot::take(db).await;
        // Claimed by a server that is gone, so no mark tells.
        let lost = db.store().take(&ask("test")).await.unwrap();
        age_heartbeat(db, 2).await;
        let witness = db.store();
        witness.beat().await.unwrap();
        before.restore(db).await;
        witness.beat().await.unwrap();
        assert!(lineage(db).await >= MARGIN);
        // Whoever claims moves the row, once.
        moves_past(&db.store(), &lost).await;
        let (_, raised, moved) = db.store().repair(&ask("test")).await;
        assert_eq!((raised, moved), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_was_just_started_leaves_a_silent_heartbeat_to_those_who_know_more() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.beat().await.unwrap();
        let witness = db.store();
        witness.beat().await.unwrap();
        let lost = db.store().take(&ask("test")).await.unwrap();
        // A snapshot of the machine, a clone of the data directory: the same identity, as it was a minute ago.
        db.sql("UPDATE segments SET max_id = 0, claimed_to = 0, paid_until = 0")
            .await;
        age_heartbeat(db, 60).await;
        let before = beat(db).await;
        // It cannot tell that from a fleet that was stopped for a minute.
        let fresh = db.store();
        fresh.beat().await.unwrap();
        db.store().check().await.unwrap();
        assert_eq!(beat(db).await, before);
        witness.beat().await.unwrap();
        assert!(lineage(db).await >= MARGIN);
        assert!(beat(db).await > before);
        fresh.beat().await.unwrap();
        moves_past(&fresh, &lost).await;
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_that_stays_silent_is_renewed_after_a_while() {
    everywhere(async |db| {
        db.ready().await.beat().await.unwrap();
        age_heartbeat(db, 60).await;
        let before = beat(db).await;
        let fresh = db.store();
        // Claims go on meanwhile.
        fresh.take(&ask("test")).await.unwrap();
        eventually("it is renewed", PATIENCE, async || {
            fresh.beat().await.unwrap();
            (beat(db).await > before).then_some(())
        })
        .await;
        assert_eq!(lineage(db).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_primary_that_never_heard_of_the_one_before_it_is_moved_past_what_that_one_did() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.beat().await.unwrap();
        let before = Snapshot::take(db).await;
        let witness = db.store();
        witness.beat().await.unwrap();
        // One replica takes over; what it moves and claims, the next never hears of.
        let promoted = "UPDATE segments_heartbeat SET identity = 'the old primary'";
        db.sql("UPDATE segments SET claimed_on = 'the old primary'")
            .await;
        db.sql(promoted).await;
        let (lost, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        witness.beat().await.unwrap();
        let between = lineage(db).await;
        before.restore(db).await;
        db.sql("UPDATE segments SET claimed_on = 'the old primary'")
            .await;
        db.sql(promoted).await;
        witness.beat().await.unwrap();
        assert!(lineage(db).await >= between + MARGIN);
        let (claim, _, _) = db.store().repair(&ask("test")).await;
        assert!(claim.range.first() >= lost.max_id, "{claim:?} {lost:?}");
    })
    .await;
}

#[tokio::test]
async fn a_table_put_back_as_it_was_made_is_told_by_a_server_that_has_seen_more() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.beat().await.unwrap();
        let lost = db.store().take(&ask("test")).await.unwrap();
        // A dump from before the first server ran, which named the tags already.
        db.sql("UPDATE segments SET max_id = 0, claimed_to = 0, paid_until = 0")
            .await;
        db.sql("UPDATE segments_heartbeat SET beat = 0, identity = '', lineage = 0")
            .await;
        store.beat().await.unwrap();
        assert!(lineage(db).await >= MARGIN);
        moves_past(&db.store(), &lost).await;
    })
    .await;
}

#[tokio::test]
async fn data_that_go_back_again_and_again_stop_claims_with_a_reason() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.beat().await.unwrap();
        for turn in 0..4 {
            age_heartbeat(db, 60).await;
            let beat = store.beat().await;
            if turn < 3 {
                beat.unwrap();
                assert!(store.take(&ask("test")).await.is_ok());
            } else {
                assert!(
                    matches!(beat, Err(StoreError::FailoverFlapping(_))),
                    "{beat:?}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_first_renews_and_the_others_leave_it_alone() {
    everywhere(async |db| {
        let (one, other) = (db.ready().await, db.store());
        one.beat().await.unwrap();
        let first = beat(db).await;
        other.beat().await.unwrap();
        assert_eq!(beat(db).await, first);
        age_heartbeat(db, 2).await;
        // Who has seen the newer one would take it for data that went back.
        db.store().beat().await.unwrap();
        assert!(beat(db).await > first - 2 * SECOND);
        assert_eq!(lineage(db).await, 0);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_configured_identity_does_not_hide_a_failover() {
    on_servers(async |db| {
        let ready = db.ready().await;
        let configured = || {
            open(Database {
                server_identity: Some("prod".into()),
                ..db.settings()
            })
        };
        db.sql("UPDATE segments SET claimed_on = 'prod'").await;
        let lost = configured().take(&ask("test")).await.unwrap();
        // The replica that takes over has the same name, and not that claim.
        db.sql("UPDATE segments SET max_id = 0, claimed_to = 0")
            .await;
        db.sql("UPDATE segments_heartbeat SET identity = 'uuid of the old primary'")
            .await;
        moves_past(&configured(), &lost).await;
        ready.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_that_was_deleted_is_made_anew_beyond_every_row() {
    everywhere(async |db| {
        db.ready().await.take(&ask("test")).await.unwrap();
        db.sql("UPDATE segments SET lineage = 50").await;
        db.sql("DELETE FROM segments_heartbeat").await;
        let (_, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert!(lineage(db).await > 50 + MARGIN);
    })
    .await;
}

#[tokio::test]
async fn a_row_of_a_later_lineage_than_the_heartbeat_is_moved_beyond_it() {
    everywhere(async |db| {
        db.ready().await.take(&ask("test")).await.unwrap();
        db.sql("UPDATE segments SET lineage = 1000").await;
        let (_, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert!(lineage(db).await > 1000);
    })
    .await;
}
