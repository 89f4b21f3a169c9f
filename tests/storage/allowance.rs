//! The allowance in the row: how much may be claimed in a time, by all servers together, and an advance that is announced.

use crate::helpers::{Snapshot, Take as _, ask, change, everywhere, on_servers, tag};
use id_alloc::domain::ClaimRequest;
use id_alloc::storage::{AdvanceTo, Effect, StoreError, TagAdministration as _};

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

#[tokio::test]
#[ignore = "needs MariaDB"]
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
