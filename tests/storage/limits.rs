//! A tag's own end of its ids.

use super::helpers::{Db, Take as _, ask, change, everywhere, new, tag};
use id_alloc::domain::ClaimRequest;
use id_alloc::storage::{
    AdvanceTo, Change, Effect, Limited, NewTag, SegmentStore as _, StoreError,
    TagAdministration as _,
};

/// A tag that ends at `limit`.
fn limited(name: &str, start: i64, step: i64, limit: i64) -> NewTag {
    NewTag {
        id_limit: Some(limit),
        ..new(name, start, step)
    }
}

fn to(limit: i64) -> Change {
    Change {
        id_limit: Some(limit),
        ..change(None, None)
    }
}

#[tokio::test]
async fn a_tag_ends_at_its_own_limit_and_others_do_not() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.create(&limited("small", 0, 100, 250)).await.unwrap();
        let mut ends = Vec::new();
        for _ in 0..3 {
            ends.push(store.take(&ask("small")).await.unwrap().range.end());
        }
        assert_eq!(ends, [100, 200, 250]);
        let Err(StoreError::TagExhausted(text)) = store.take(&ask("small")).await else {
            panic!("it went on");
        };
        for part in ["0 ids are left below 250", "id-alloc tag set small --limit"] {
            assert!(text.contains(part), "{text}");
        }
        store.take(&ask("test")).await.unwrap();
        // It goes on at once where its limit is raised, and everywhere where it is taken away.
        let row = store.set(&tag("small"), &to(300)).await.unwrap();
        assert_eq!(row.id_limit, Some(300));
        assert_eq!(store.take(&ask("small")).await.unwrap().range.end(), 300);
        assert_eq!(
            store.set(&tag("small"), &to(0)).await.unwrap().id_limit,
            None
        );
        assert_eq!(store.take(&ask("small")).await.unwrap().range.end(), 400);
    })
    .await;
}

#[tokio::test]
async fn a_limit_below_what_was_claimed_or_announced_is_refused() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.take(&ask("test")).await.unwrap();
        for (limit, part) in [
            (99, "ids below 100 were claimed already"),
            (-1, "from 1 to"),
        ] {
            let refused = store.set(&tag("test"), &to(limit)).await.unwrap_err();
            assert!(refused.to_string().contains(part), "{limit}: {refused}");
        }
        store.set(&tag("test"), &to(1000)).await.unwrap();
        let beyond = store
            .advance(&tag("test"), AdvanceTo::To(1001), Effect::Now)
            .await;
        let refused = beyond.unwrap_err().to_string();
        assert!(refused.contains("would pass the limit 1000"), "{refused}");
        store
            .advance(&tag("test"), AdvanceTo::To(700), Effect::Announced)
            .await
            .unwrap();
        let refused = store.set(&tag("test"), &to(600)).await.unwrap_err();
        assert!(refused.to_string().contains("below 700"), "{refused}");
        for new in [
            limited("a", 10, 1, 10),
            limited("b", 0, 1, 1),
            limited("c", 0, 1, 0),
        ] {
            let refused = store.create(&new).await;
            assert!(matches!(refused, Err(StoreError::Rejected(_))), "{new:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn tags_with_a_limit_are_found_the_fullest_first() {
    everywhere(async |db| {
        let store = db.ready().await;
        assert_eq!(store.limited(10).await.unwrap(), []);
        for (name, start, limit) in [("a", 10, 100), ("b", 900, 1000), ("gone", 5, 6)] {
            store.create(&limited(name, start, 1, limit)).await.unwrap();
        }
        store.retire(&tag("gone"), None).await.unwrap();
        let of = |name: &str, max_id, id_limit| Limited {
            tag: tag(name),
            max_id,
            id_limit,
        };
        let (a, b) = (of("a", 10, 100), of("b", 900, 1000));
        assert_eq!(store.limited(10).await.unwrap(), [b.clone(), a]);
        assert_eq!(store.limited(1).await.unwrap(), [b]);
        // Made again, it has the limit that is asked for now.
        store.create(&new("gone", 5, 1)).await.unwrap();
        assert_eq!(store.show(&tag("gone")).await.unwrap().id_limit, None);
    })
    .await;
}

/// What an earlier version's server does to the row, with the guard as it was then.
async fn claimed_by_an_earlier_version(db: &Db, ids: i64) {
    db.sql(&format!(
        "UPDATE segments SET claimed_to = max_id + {ids}, max_id = max_id + {ids} WHERE biz_tag = 'small'"
    ))
    .await;
}

#[tokio::test]
async fn beside_a_server_that_knows_no_limits_nothing_comes_twice_and_the_end_is_kept() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.create(&limited("small", 0, 100, 1000)).await.unwrap();
        let claim = store.take(&ask("small")).await.unwrap();
        claimed_by_an_earlier_version(db, 950).await;
        let late = ClaimRequest {
            mark: claim.max_id,
            ..ask("small")
        };
        let refused = store.take(&late).await;
        assert!(
            matches!(refused, Err(StoreError::TagExhausted(_))),
            "{refused:?}"
        );
        store.set(&tag("small"), &to(2000)).await.unwrap();
        assert_eq!(store.take(&late).await.unwrap().range.first(), 1050);
    })
    .await;
}

#[tokio::test]
async fn a_table_without_the_column_serves_and_refuses_limits_alone() {
    everywhere(async |db| {
        let store = db.ready().await;
        match db.mysql {
            true => db.sql("DROP INDEX segments_id_limit ON segments").await,
            false => db.sql("DROP INDEX segments_id_limit").await,
        }
        db.sql("ALTER TABLE segments DROP COLUMN id_limit").await;
        let store_again = db.store();
        assert_eq!(store_again.take(&ask("test")).await.unwrap().max_id, 100);
        assert_eq!(store_again.limited(10).await.unwrap(), []);
        assert_eq!(store_again.list(&Default::default()).await.unwrap(), []);
        for refused in [
            store_again.set(&tag("test"), &to(900)).await.map(drop),
            store_again.create(&limited("x", 0, 1, 9)).await,
        ] {
            let text = refused.unwrap_err().to_string();
            assert!(text.contains("run `id-alloc migrate up`"), "{text}");
        }
        // A server that saw the column before it went away looks again.
        let _ = store.take(&ask("test")).await;
        assert_eq!(store.take(&ask("test")).await.unwrap().step, 100);
    })
    .await;
}
