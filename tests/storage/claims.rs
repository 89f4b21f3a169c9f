//! Claims: a step that was changed, names that are spelt otherwise, the last ids there are, rows that cannot be used.

use crate::helpers::{Take as _, ask, ask_again, change, everywhere, new, on_servers, tag};
use id_alloc::domain::ClaimRequest;
use id_alloc::storage::{StoreError, TagAdministration as _};
use std::collections::HashSet;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_claims_at_once_are_distinct() {
    everywhere(async |db| {
        let stores = [Arc::new(db.ready().await), Arc::new(db.store())];
        let claims = (0..200).map(|turn| {
            let store = stores[turn % 2].clone();
            tokio::spawn(async move {
                loop {
                    match store.take(&ask("test")).await {
                        Ok(claim) => return claim.range,
                        Err(StoreError::Transient(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        });
        let mut ends = HashSet::new();
        for claim in claims.collect::<Vec<_>>() {
            let range = claim.await.unwrap();
            assert_eq!(range.first().max(1), (range.end() - 100).max(1));
            assert!(ends.insert(range.end()), "{range:?} twice");
        }
        assert_eq!(db.number("SELECT max_id FROM segments").await, 20_000);
    })
    .await;
}

#[tokio::test]
async fn a_changed_step_is_taken_up() {
    everywhere(async |db| {
        let store = db.ready().await;
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
        store
            .set(&tag("test"), &change(Some(7), Some("x")))
            .await
            .unwrap();
        let request = ask_again("test");
        let claim = store.take(&request).await.unwrap();
        assert_eq!((claim.max_id, claim.step), (107, 7));
    })
    .await;
}

#[tokio::test]
async fn a_step_of_one_at_zero_does_not_claim_nothing() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.create(&new("one", 0, 1)).await.unwrap();
        assert_eq!(store.take(&ask("one")).await.unwrap().range.first(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_last_ids_below_the_limit_are_used() {
    everywhere(async |db| {
        let store = db.ready().await;
        store
            .create(&new("end", i64::MAX - 130, 100))
            .await
            .unwrap();
        assert_eq!(store.take(&ask("end")).await.unwrap().range.len(), 100);
        let many = ClaimRequest {
            at_least: 31,
            ..ask("end")
        };
        assert!(matches!(
            store.take(&many).await,
            Err(StoreError::TagExhausted(_))
        ));
        let last = store.take(&ask("end")).await.unwrap();
        assert_eq!((last.range.len(), last.max_id), (30, i64::MAX));
        assert!(matches!(
            store.take(&ask("end")).await,
            Err(StoreError::TagExhausted(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn other_spellings_of_a_tag_are_unknown() {
    everywhere(async |db| {
        if db.mysql {
            db.sql(
                "CREATE TABLE segments (biz_tag varchar(128) NOT NULL PRIMARY KEY, max_id bigint NOT NULL, \
                 step bigint NOT NULL, description varchar(256), update_time timestamp NOT NULL \
                 DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=InnoDB DEFAULT CHARSET=utf8",
            )
            .await;
        }
        let store = db.ready().await;
        for name in ["TEST", "test ", "tést", "other", "te😀st"] {
            let known = ask_again(name);
            assert_eq!(store.take(&known).await, Err(StoreError::UnknownTag), "{name}");
            assert_eq!(store.take(&ask(name)).await, Err(StoreError::UnknownTag), "{name}");
            assert_eq!(store.show(&tag(name)).await, Err(StoreError::UnknownTag), "{name}");
        }
        if db.mysql {
            for name in ["test", "TEST", "te😀st", &"x".repeat(129 - 1)] {
                let made = store.create(&new(name, 0, 1)).await;
                assert_eq!(matches!(made, Err(StoreError::Rejected(_) | StoreError::Exists(_))), name.len() < 100, "{name}: {made:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_broken_row_is_refused_and_others_serve() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.create(&new("good", 0, 10)).await.unwrap();
        for change in [
            "step = 0",
            "step = -10",
            "step = 4611686018427387904",
            "step = 100, max_id = -5",
        ] {
            db.sql(&format!(
                "UPDATE segments SET {change} WHERE biz_tag = 'test'"
            ))
            .await;
            let refused = store.take(&ask("test")).await;
            assert!(
                matches!(refused, Err(StoreError::TagMisconfigured(_))),
                "{change}: {refused:?}"
            );
        }
        assert_eq!(store.take(&ask("good")).await.unwrap().max_id, 10);
        db.sql(
            "UPDATE segments SET max_id = 0, retired_at = CURRENT_TIMESTAMP WHERE biz_tag = 'test'",
        )
        .await;
        assert_eq!(store.take(&ask("test")).await, Err(StoreError::UnknownTag));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_row_with_null_is_the_fault_of_that_tag_alone() {
    on_servers(async |db| {
        let store = db.ready().await;
        store.create(&new("good", 0, 10)).await.unwrap();
        for column in ["max_id", "step"] {
            db.sql(&format!("ALTER TABLE segments MODIFY {column} BIGINT NULL"))
                .await;
            db.sql(&format!(
                "UPDATE segments SET {column} = NULL WHERE biz_tag = 'test'"
            ))
            .await;
            let refused = store.take(&ask("test")).await;
            let Err(StoreError::TagMisconfigured(text)) = refused else {
                panic!("{column}: {refused:?}");
            };
            assert!(text.contains("NULL"), "{text}");
            store.take(&ask("good")).await.unwrap();
            db.sql(&format!(
                "UPDATE segments SET {column} = 1 WHERE biz_tag = 'test'"
            ))
            .await;
        }
    })
    .await;
}
