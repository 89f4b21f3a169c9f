//! The heartbeat beside the table, the lineage it says, and the allowance in the row.

use crate::helpers::{Db, Take as _, ask, change, everywhere, on_servers, open, tag};
use crate::support::{PATIENCE, eventually};
use id_alloc::config::Database;
use id_alloc::domain::ClaimRequest;
use id_alloc::domain::allowance::{MARGIN, SECOND};
use id_alloc::storage::{AdvanceTo, Effect, SegmentStore as _, StoreError, TagAdministration as _};

/// What the whole table and its heartbeat say, to go back to.
struct Snapshot {
    row: [i64; 5],
    heartbeat: [i64; 2],
}

impl Snapshot {
    async fn take(db: &Db) -> Self {
        let row = [
            "max_id",
            "claimed_to",
            "paid_until",
            "allowance_at",
            "lineage",
        ];
        let mut said = [0; 5];
        for (value, column) in said.iter_mut().zip(row) {
            *value = db.number(&format!("SELECT {column} FROM segments")).await;
        }
        Self {
            row: said,
            heartbeat: [
                db.number("SELECT beat FROM segments_heartbeat").await,
                db.number("SELECT lineage FROM segments_heartbeat").await,
            ],
        }
    }

    async fn restore(&self, db: &Db) {
        let [max_id, claimed_to, paid_until, allowance_at, lineage] = self.row;
        db.sql(&format!(
            "UPDATE segments SET max_id = {max_id}, claimed_to = {claimed_to}, \
             paid_until = {paid_until}, allowance_at = {allowance_at}, lineage = {lineage}"
        ))
        .await;
        let [beat, lineage] = self.heartbeat;
        db.sql(&format!(
            "UPDATE segments_heartbeat SET beat = {beat}, lineage = {lineage}"
        ))
        .await;
    }
}

/// Has the heartbeat be older than it is, so that the next look renews it.
async fn age_heartbeat(db: &Db) {
    db.sql("UPDATE segments_heartbeat SET beat = beat - 2000000")
        .await;
}

async fn lineage(db: &Db) -> i64 {
    db.number("SELECT lineage FROM segments_heartbeat").await
}

#[tokio::test]
async fn data_that_went_back_under_the_same_identity_are_told_by_a_server_that_has_seen_more() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.beat().await.unwrap();
        let before = Snapshot::take(db).await;
        // Claimed by a server that is gone, so no mark tells.
        let lost = db.store().take(&ask("test")).await.unwrap();
        age_heartbeat(db).await;
        let witness = db.store();
        witness.beat().await.unwrap();
        before.restore(db).await;
        witness.beat().await.unwrap();
        assert!(lineage(db).await >= MARGIN);
        // Whoever claims moves the row, once.
        let (claim, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert!(claim.range.first() >= lost.max_id, "{claim:?} {lost:?}");
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
        db.sql("UPDATE segments_heartbeat SET beat = beat - 60000000")
            .await;
        let silent = "SELECT beat FROM segments_heartbeat";
        let before = db.number(silent).await;
        // It cannot tell that from a fleet that was stopped for a minute.
        let fresh = db.store();
        fresh.beat().await.unwrap();
        db.store().check().await.unwrap();
        assert_eq!(db.number(silent).await, before);
        witness.beat().await.unwrap();
        assert!(lineage(db).await >= MARGIN);
        assert!(db.number(silent).await > before);
        fresh.beat().await.unwrap();
        let (claim, _, moved) = fresh.repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert!(claim.range.first() >= lost.max_id, "{claim:?} {lost:?}");
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_that_stays_silent_is_renewed_after_a_while() {
    everywhere(async |db| {
        db.ready().await.beat().await.unwrap();
        db.sql("UPDATE segments_heartbeat SET beat = beat - 60000000")
            .await;
        let silent = "SELECT beat FROM segments_heartbeat";
        let before = db.number(silent).await;
        let fresh = db.store();
        // Claims go on meanwhile.
        fresh.take(&ask("test")).await.unwrap();
        eventually("it is renewed", PATIENCE, async || {
            fresh.beat().await.unwrap();
            (db.number(silent).await > before).then_some(())
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
        let (claim, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert!(claim.range.first() >= lost.max_id, "{claim:?} {lost:?}");
    })
    .await;
}

#[tokio::test]
async fn data_that_go_back_again_and_again_stop_claims_with_a_reason() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.beat().await.unwrap();
        for turn in 0..4 {
            db.sql("UPDATE segments_heartbeat SET beat = beat - 60000000")
                .await;
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
        let beat = "SELECT beat FROM segments_heartbeat";
        let first = db.number(beat).await;
        other.beat().await.unwrap();
        assert_eq!(db.number(beat).await, first);
        age_heartbeat(db).await;
        // Who has seen the newer one would take it for data that went back.
        db.store().beat().await.unwrap();
        assert!(db.number(beat).await > first - 2 * SECOND);
        assert_eq!(lineage(db).await, 0);
    })
    .await;
}

#[tokio::test]
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
        let (claim, _, moved) = configured().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert!(claim.range.first() >= lost.max_id, "{claim:?} {lost:?}");
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

#[tokio::test]
async fn claims_beyond_the_allowance_are_cut_and_what_is_then_left_is_refused_with_a_time() {
    everywhere(async |db| {
        let store = db.ready().await;
        let many = ClaimRequest {
            want: 500_000_000,
            ..ask("test")
        };
        // Half of a hundred million at once, and the allowance is raised: it counts in 20 seconds.
        let claim = store.take(&many).await.unwrap();
        assert!(
            (49_999_999..100_000_000).contains(&claim.range.len()),
            "{claim:?}"
        );
        assert_eq!(
            db.number("SELECT allowance FROM segments").await,
            200_000_000
        );
        let whole = ClaimRequest {
            at_least: 500_000_000,
            ..many.clone()
        };
        let refused = store.take(&whole).await;
        let Err(StoreError::AllowanceUsedUp { wait, text }) = refused else {
            panic!("{refused:?}")
        };
        // Four doublings from then on, without anyone asking for each.
        assert!(wait.as_secs() <= 80, "{wait:?}");
        assert!(text.contains("--step 50000001"), "{text}");
        db.sql("UPDATE segments SET paid_until = 0, allowance_at = allowance_at - 60000000")
            .await;
        let refused = store.take(&whole).await;
        let Err(StoreError::AllowanceUsedUp { wait, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert!(wait.as_secs() <= 20, "{wait:?}");
        // As time goes by (here: as the row says it did) it may be claimed.
        db.sql("UPDATE segments SET allowance_at = allowance_at - 20000000")
            .await;
        let claim = store.take(&whole).await.unwrap();
        assert_eq!(claim.range.len(), 500_000_000);
    })
    .await;
}

#[tokio::test]
async fn claims_of_all_servers_are_counted_in_the_row() {
    everywhere(async |db| {
        db.ready().await;
        db.sql("UPDATE segments SET allowance = 10000, allowance_before = 10000, step = 10")
            .await;
        let mut left = 5000;
        let want = ClaimRequest {
            want: 1000,
            at_least: 1000,
            ..ask("test")
        };
        for _ in 0..5 {
            db.store().take(&want).await.unwrap();
            left -= 1000;
        }
        assert_eq!(left, 0);
        // What leaked meanwhile is far from a thousand ids, which would be a second.
        db.sql("UPDATE segments SET paid_until = paid_until + 5000000")
            .await;
        let refused = db.store().take(&want).await;
        assert!(
            matches!(refused, Err(StoreError::AllowanceUsedUp { .. })),
            "{refused:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_announced_advance_is_heeded_when_it_is_old_enough_and_survives_a_failover_before() {
    on_servers(async |db| {
        let store = db.ready().await;
        let end = store.take(&ask("test")).await.unwrap().max_id;
        let by = AdvanceTo::By(5_000_000);
        let done = store.advance(&tag("test"), by, Effect::Announced).await;
        let done = done.unwrap();
        assert_eq!((done.from, done.to), (end, end + 5_000_000));
        assert_eq!(done.after.as_secs(), 20);
        let lower = AdvanceTo::To(end + 1);
        let refused = store.advance(&tag("test"), lower, Effect::Announced).await;
        assert!(
            matches!(refused, Err(StoreError::Rejected(_))),
            "{refused:?}"
        );
        // A failover meanwhile: the skip counts from where the advance leads.
        let snapshot = Snapshot::take(db).await;
        assert_eq!(store.take(&ask("test")).await.unwrap().range.first(), end);
        db.sql("UPDATE segments SET advance_at = advance_at - 20000000")
            .await;
        let claim = store.take(&ask("test")).await.unwrap();
        assert_eq!(claim.range.first(), done.to);
        snapshot.restore(db).await;
        db.sql("UPDATE segments SET claimed_on = 'the old primary'")
            .await;
        let (claim, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
        assert!(claim.range.first() > done.to + 2_000_000, "{claim:?}");
    })
    .await;
}

#[tokio::test]
async fn a_table_of_the_last_version_is_claimed_under_its_guard_until_it_is_migrated() {
    everywhere(async |db| {
        db.ready().await.take(&ask("test")).await.unwrap();
        db.sql("ALTER TABLE segments DROP COLUMN advance_at").await;
        let report = db.store().check().await.unwrap();
        assert!(report.guard_active);
        assert!(
            report
                .warnings
                .iter()
                .any(|text| text.contains("migrate up")),
            "{report:?}"
        );
        let claim = db.store().take(&ask("test")).await.unwrap();
        assert_eq!(claim.max_id, 200);
        db.sql("UPDATE segments SET claimed_on = 'the old primary'")
            .await;
        let (claim, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!((claim.range.first(), moved), (200 + 8 * 100, 1));
    })
    .await;
}

#[tokio::test]
async fn a_server_of_the_last_version_goes_on_beside_this_one() {
    on_servers(async |db| {
        let store = db.ready().await;
        let mine = store.take(&ask("test")).await.unwrap();
        // What its claim does.
        db.sql(
            "UPDATE segments SET claimed_to = max_id + 100, claimed_size = 100, \
             max_id = LAST_INSERT_ID(max_id + 100) WHERE step = 100",
        )
        .await;
        let (claim, raised, moved) = store.repair(&ask("test")).await;
        assert_eq!(
            (claim.range.first(), raised, moved),
            (mine.max_id + 100, 0, 0)
        );
        // It moves a row after a failover without knowing of lineages: this one moves it once more.
        db.sql("UPDATE segments_heartbeat SET identity = 'the old primary'")
            .await;
        db.sql("UPDATE segments SET max_id = max_id + 800, moves = moves + 1")
            .await;
        let (_, _, moved) = db.store().repair(&ask("test")).await;
        assert_eq!(moved, 1);
    })
    .await;
}

#[tokio::test]
async fn a_raised_step_takes_effect_within_the_allowance() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.take(&ask("test")).await.unwrap();
        store
            .set(&tag("test"), &change(Some(100_000_000), None))
            .await
            .unwrap();
        let claim = store.take(&ask("test")).await.unwrap();
        assert!(claim.range.len() < 100_000_000, "{claim:?}");
        assert_eq!(claim.step, 100_000_000);
    })
    .await;
}
