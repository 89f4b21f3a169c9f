//! Tags as administrators see them: made, deleted, made again, listed, moved on, and changed by two at once.

use crate::helpers::{Take as _, ask, change, everywhere, new, tag};
use id_alloc::storage::{
    AdvanceTo, Change, Effect, Listing, Seen, SegmentStore as _, StoreError,
    TagAdministration as _, Unusable,
};

#[tokio::test]
async fn administration_keeps_its_rules() {
    everywhere(async |db| {
        let store = db.ready().await;
        for bad in [
            new("a", 0, 0),
            new("a", -1, 1),
            new("a", 0, 100_000_001),
            new("test", 0, 1),
        ] {
            let refused = store.create(&bad).await;
            assert!(
                matches!(
                    refused,
                    Err(StoreError::Rejected(_) | StoreError::Exists(_))
                ),
                "{bad:?}: {refused:?}"
            );
        }
        let long = store.create(&new(&"x".repeat(33), 0, 1)).await.unwrap_err();
        assert!(long.to_string().contains("32"), "{long}");
        store.create(&new("B", 5, 1)).await.unwrap();
        store.create(&new("漢", 5, 1)).await.unwrap();
        let names = |rows: Vec<id_alloc::storage::TagRow>| {
            rows.into_iter().map(|row| row.biz_tag).collect::<Vec<_>>()
        };
        assert_eq!(
            names(store.list(&Listing::page(None, 10)).await.unwrap()),
            ["B", "test", "漢"]
        );
        assert_eq!(
            names(store.list(&Listing::page(Some("B"), 1)).await.unwrap()),
            ["test"]
        );
        assert_eq!(store.recent(10).await.unwrap().len(), 3);
        let done = store
            .advance(&tag("test"), AdvanceTo::By(50), Effect::Now)
            .await
            .unwrap();
        assert_eq!((done.from, done.to), (0, 50));
        store
            .advance(&tag("test"), AdvanceTo::To(80), Effect::Now)
            .await
            .unwrap();
        for bad in [AdvanceTo::To(79), AdvanceTo::By(0), AdvanceTo::By(i64::MAX)] {
            assert!(matches!(
                store.advance(&tag("test"), bad, Effect::Now).await,
                Err(StoreError::Rejected(_))
            ));
        }
        assert_eq!(store.show(&tag("test")).await.unwrap().max_id, 80);
        assert_eq!(
            store.set(&tag("no"), &change(Some(1), None)).await,
            Err(StoreError::UnknownTag)
        );
        store.close().await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_tag_is_claimed_by_nobody_and_deleted_once() {
    everywhere(async |db| {
        let store = db.ready().await;
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
        let row = store.retire(&tag("test"), None).await.unwrap();
        assert_eq!((row.retired, row.step, row.max_id), (true, 0, 100));
        // go-id-alloc knows no `retired_at` and refuses a step of 0.
        let kept = "SELECT COUNT(*) FROM segments WHERE step = 0 AND retired_at IS NOT NULL";
        assert_eq!(db.number(kept).await, 1);
        assert_eq!(store.take(&ask("test")).await, Err(StoreError::UnknownTag));
        assert_eq!(
            store.retire(&tag("test"), None).await,
            Err(StoreError::UnknownTag)
        );
        let again = change(Some(5), None);
        assert_eq!(
            store.set(&tag("test"), &again).await,
            Err(StoreError::UnknownTag)
        );
        let advance = store
            .advance(&tag("test"), AdvanceTo::By(5), Effect::Now)
            .await;
        assert_eq!(advance, Err(StoreError::UnknownTag));
        assert_eq!(
            store.retire(&tag("nobody"), None).await,
            Err(StoreError::UnknownTag)
        );
        let of = [tag("other"), tag("test")];
        assert_eq!(store.retired(&of).await.unwrap(), [tag("test")]);
        assert!(store.show(&tag("test")).await.unwrap().retired);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_name_is_made_again_only_above_its_old_end() {
    everywhere(async |db| {
        let store = db.ready().await;
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
        store.retire(&tag("test"), None).await.unwrap();
        for start in [0, 1, 99] {
            let refused = store.create(&new("test", start, 10)).await.unwrap_err();
            assert!(
                matches!(&refused, StoreError::Exists(why) if why.contains("start 100")),
                "{refused}"
            );
        }
        let refused = store.create(&new("test", 500, 0)).await;
        assert!(
            matches!(refused, Err(StoreError::Rejected(_))),
            "{refused:?}"
        );
        store.create(&new("test", 500, 10)).await.unwrap();
        let row = store.show(&tag("test")).await.unwrap();
        assert_eq!((row.retired, row.step, row.max_id), (false, 10, 500));
        let claim = store.take(&ask("test")).await.unwrap();
        assert_eq!((claim.range.first(), claim.range.end()), (500, 510));
        let twice = store.create(&new("test", 900, 10)).await;
        assert!(matches!(twice, Err(StoreError::Exists(_))), "{twice:?}");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_row_that_went_backwards_is_made_again_only_above_what_was_claimed() {
    everywhere(async |db| {
        let store = db.ready().await;
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
        store.retire(&tag("test"), None).await.unwrap();
        db.sql("UPDATE segments SET max_id = 7").await;
        let refused = store.create(&new("test", 50, 10)).await.unwrap_err();
        assert!(refused.to_string().contains("start 100"), "{refused}");
        store.create(&new("test", 100, 10)).await.unwrap();
        assert_eq!(store.take(&ask("test")).await.unwrap().range.first(), 100);
    })
    .await;
}

#[tokio::test]
async fn of_two_who_make_a_deleted_name_again_one_succeeds() {
    everywhere(async |db| {
        let store = db.ready().await;
        for round in 1..6 {
            store.retire(&tag("test"), None).await.unwrap();
            let (low, high) = (
                new("test", round * 1000, 1),
                new("test", round * 1000 + 500, 1),
            );
            let both = tokio::join!(store.create(&low), store.create(&high));
            let made = [both.0.is_ok(), both.1.is_ok()];
            assert_eq!(made.iter().filter(|made| **made).count(), 1, "{both:?}");
            let start = store.show(&tag("test")).await.unwrap().max_id;
            assert_eq!(start, if made[0] { low.start } else { high.start });
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_that_rests_on_what_is_no_longer_so_changes_nothing() {
    everywhere(async |db| {
        let store = db.ready().await;
        let seen = |step, description: &str| {
            Some(Seen {
                step,
                description: description.to_owned(),
                id_limit: None,
            })
        };
        let make = |step, seen| Change {
            step: Some(step),
            description: Some("new".into()),
            id_limit: None,
            seen,
        };
        for stale in [seen(99, ""), seen(100, "x"), seen(100, " ")] {
            let refused = store.set(&tag("test"), &make(7, stale.clone())).await;
            assert_eq!(refused, Err(StoreError::Changed), "{stale:?}");
            let refused = store.retire(&tag("test"), stale.as_ref()).await;
            assert_eq!(refused, Err(StoreError::Changed), "{stale:?}");
        }
        let (seven, eight) = (make(7, seen(100, "")), make(8, seen(100, "")));
        let name = tag("test");
        let both = tokio::join!(store.set(&name, &seven), store.set(&name, &eight));
        assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
        let row = store.show(&tag("test")).await.unwrap();
        assert_eq!(row.description, "new");
        store
            .retire(&tag("test"), seen(row.step, "new").as_ref())
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn tags_are_listed_by_prefix_in_either_order_page_by_page() {
    everywhere(async |db| {
        let store = db.ready().await;
        for name in ["a.1", "a.2", "a%", "A.1", "a_", "漢字", "漢"] {
            store.create(&new(name, 0, 1)).await.unwrap();
        }
        store.retire(&tag("a.2"), None).await.unwrap();
        let names = async |prefix: &str, after: Option<&str>, descending, limit| {
            let listing = Listing {
                prefix: Some(prefix.to_owned()),
                after: after.map(str::to_owned),
                descending,
                limit,
            };
            let rows = store.list(&listing).await.unwrap();
            rows.into_iter().map(|row| row.biz_tag).collect::<Vec<_>>()
        };
        assert_eq!(names("a", None, false, 9).await, ["a%", "a.1", "a.2", "a_"]);
        assert_eq!(names("a.", None, true, 9).await, ["a.2", "a.1"]);
        assert_eq!(names("a_", None, false, 9).await, ["a_"]);
        assert_eq!(names("漢", None, false, 9).await, ["漢", "漢字"]);
        assert_eq!(names("", Some("a_"), false, 2).await, ["test", "漢"]);
        assert_eq!(names("", Some("a."), true, 9).await, ["a%", "A.1"]);
    })
    .await;
}

#[tokio::test]
async fn a_table_without_the_guards_columns_deletes_nothing_and_says_what_to_run() {
    everywhere(async |db| {
        db.sql(
            "CREATE TABLE segments (biz_tag varchar(32) NOT NULL PRIMARY KEY, max_id bigint NOT NULL, \
             step bigint NOT NULL, description varchar(1024) DEFAULT '' NOT NULL, \
             update_time datetime DEFAULT CURRENT_TIMESTAMP)",
        )
        .await;
        let store = db.store();
        store.create(&new("test", 0, 100)).await.unwrap();
        match store.retire(&tag("test"), None).await {
            Err(StoreError::Unusable(Unusable::TableMisconfigured(why))) => {
                assert!(why.contains("migrate up"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
        assert_eq!(store.retired(&[tag("test")]).await.unwrap(), []);
    })
    .await;
}
