//! The guard: rows that went backwards, and rows of another primary.

use crate::helpers::{Take as _, ask, everywhere, new, on_servers, open, tag};
use id_alloc::config::Database;
use id_alloc::domain::ClaimRequest;
use id_alloc::storage::{Repairs, SegmentStore as _, TagAdministration as _};

#[tokio::test]
async fn a_lowered_max_id_is_raised_past_every_claim() {
    everywhere(async |db| {
        let store = db.ready().await;
        let claim = store
            .take(&ClaimRequest {
                want: 1000,
                ..ask("test")
            })
            .await
            .unwrap();
        assert_eq!(claim.max_id, 1000);
        db.sql("UPDATE segments SET max_id = 50").await;
        // A server started anew knows no mark: the row itself tells.
        let (claim, raised, moved) = db.store().repair(&ask("test")).await;
        assert_eq!((raised, moved), (1, 0));
        // Nobody knows how long ago that was: half a minute of what the allowance permits.
        assert_eq!(claim.range.first(), 1000 + 8 * 100_000_000 + 1);
        // A restore of the whole row: only the mark tells.
        db.sql("UPDATE segments SET max_id = 10, claimed_to = 10, claimed_size = 10")
            .await;
        let request = ClaimRequest {
            mark: claim.max_id,
            ..ask("test")
        };
        let (again, raised, _) = store.repair(&request).await;
        assert_eq!(raised, 1);
        assert_eq!(again.range.first(), claim.max_id + 8 * 100_000_000 + 1);
    })
    .await;
}

/// A failover, as far as a row and the heartbeat show it: both name another primary, and the heartbeat is old.
const FAILED_OVER: [&str; 2] = [
    "UPDATE segments SET claimed_on = 'the old primary'",
    "UPDATE segments_heartbeat SET identity = 'the old primary', beat = beat - 5000000",
];

#[tokio::test]
async fn a_row_of_another_primary_is_moved_past_what_the_allowance_permits_however_often() {
    everywhere(async |db| {
        let store = db.ready().await;
        let mut end = store.take(&ask("test")).await.unwrap().max_id;
        let allowance = 100_000_000;
        // Planned moves there and back lose nothing, and stop nothing.
        for turn in 1..=5 {
            for sql in FAILED_OVER {
                db.sql(sql).await;
            }
            let (claim, raised, moved) = db.store().repair(&ask("test")).await;
            assert_eq!((raised, moved), (0, 1));
            let skipped = claim.range.first() - end;
            assert!(skipped >= 3 * allowance, "{skipped}");
            // A busy machine makes the heartbeat some seconds older still.
            assert!(skipped < 20 * allowance, "{skipped}");
            end = claim.max_id;
            let guard = store.show(&tag("test")).await.unwrap().guard.unwrap();
            assert_eq!((guard.moves, guard.claimed_to), (turn, claim.max_id));
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_tag_whose_first_claims_were_lost_in_a_failover_is_moved_too() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.create(&new("fresh", 0, 100)).await.unwrap();
        let lost = store.take(&ask("fresh")).await.unwrap();
        // The replica got the new row and nothing that came after it.
        db.sql("UPDATE segments SET max_id = 0, claimed_to = 0, claimed_size = 0")
            .await;
        let promoted = open(Database {
            server_identity: Some("the promoted replica".into()),
            ..db.settings()
        });
        let (claim, _, moved) = promoted.repair(&ask("fresh")).await;
        assert_eq!(moved, 1);
        assert!(claim.range.first() >= lost.max_id, "{claim:?} {lost:?}");
    })
    .await;
}

#[tokio::test]
async fn what_a_claim_expects_is_kept_in_the_row_and_sizes_the_skip() {
    everywhere(async |db| {
        let store = db.ready().await;
        let rising = ClaimRequest {
            expect: 90_000,
            ..ask("test")
        };
        let first = store.take(&rising).await.unwrap();
        assert_eq!(first.range.len(), 99);
        // Another server, or a quiet hour, does not make the row forget at once.
        store.take(&ask("test")).await.unwrap();
        let kept = "SELECT claimed_size FROM segments";
        assert_eq!(db.number(kept).await, 45_000);
        // Servers of an earlier version are not counted, but they said how large their claims become.
        db.sql("UPDATE segments SET claimed_on = 'the old primary', allowance = 1000")
            .await;
        let (claim, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert_eq!(claim.range.first(), 200 + 8 * 45_000);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_move_is_told_of_though_the_claim_after_it_fails() {
    on_servers(async |db| {
        let store = db.ready().await;
        store.take(&ask("test")).await.unwrap();
        db.sql("UPDATE segments SET claimed_on = 'the old primary'")
            .await;
        db.sql(
            "CREATE TRIGGER broken BEFORE UPDATE ON segments FOR EACH ROW \
             IF NEW.claimed_to <> OLD.claimed_to THEN SIGNAL SQLSTATE '45000'; END IF",
        )
        .await;
        let repairs = Repairs::default();
        let failed = store.claim(&ask("test"), &repairs).await;
        assert!(failed.is_err(), "{failed:?}");
        assert_eq!(repairs.raised.into_inner(), 0);
        assert_eq!(repairs.moved.into_inner(), 1);
    })
    .await;
}
