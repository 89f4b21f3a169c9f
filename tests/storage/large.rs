//! Large and strange tables: more deleted tags than are asked for at once, a row that cannot be used, a table that is
//! somebody else's.

use crate::helpers::{Take as _, ask, everywhere, new, on_servers, tag};
use id_alloc::domain::BizTag;
use id_alloc::storage::{Listing, SegmentStore as _, StoreError, TagAdministration as _, Unusable};

#[tokio::test]
async fn every_deleted_tag_is_noticed_however_many_there_are() {
    everywhere(async |db| {
        let store = db.ready().await;
        let tags: Vec<BizTag> = (0..1100).map(|number| tag(&format!("t{number}"))).collect();
        let rows: Vec<_> = tags.iter().map(|tag| new(tag.as_str(), 0, 10)).collect();
        store.create_together(&rows).await.unwrap();
        assert_eq!(store.retired(&tags).await.unwrap(), []);
        db.sql("UPDATE segments SET retired_at = CURRENT_TIMESTAMP WHERE biz_tag LIKE 't%'")
            .await;
        assert_eq!(store.retired(&tags).await.unwrap().len(), 1100);
        assert_eq!(store.retired(&tags[7..8]).await.unwrap(), tags[7..8]);
        assert_eq!(store.retired(&[]).await.unwrap(), []);
        assert_eq!(store.rows_of(&tags).await.unwrap().len(), 1100);
        assert_eq!(store.rows_of(&[tag("nobody")]).await.unwrap(), []);
        let report = store.check().await.unwrap();
        assert_eq!((report.tags, report.more_tags), (0, false));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_row_that_cannot_be_used_is_listed_with_its_fault_and_costs_no_other_anything() {
    on_servers(async |db| {
        let store = db.ready().await;
        db.sql("ALTER TABLE segments MODIFY max_id bigint NULL")
            .await;
        db.sql("INSERT INTO segments (biz_tag, max_id, step) VALUES ('broken', NULL, 10)")
            .await;
        store.create(&new("z", 0, 10)).await.unwrap();
        let rows = store.list(&Listing::page(None, 10)).await.unwrap();
        let said: Vec<_> = rows
            .iter()
            .map(|row| (row.biz_tag.as_str(), row.fault.as_deref()))
            .collect();
        let [("broken", Some(fault)), ("test", None), ("z", None)] = said[..] else {
            panic!("{said:?}")
        };
        assert!(fault.contains("biz_tag broken: max_id is NULL"), "{fault}");
        let shown = store.show(&tag("broken")).await;
        assert!(
            matches!(shown, Err(StoreError::TagMisconfigured(_))),
            "{shown:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_somebody_elses_is_left_alone() {
    everywhere(async |db| {
        let theirs = "CREATE TABLE segments (customer int NOT NULL PRIMARY KEY, name varchar(80))";
        db.sql(theirs).await;
        match db.store().migrate_up().await {
            Err(StoreError::Unusable(Unusable::TableMisconfigured(why))) => {
                assert!(
                    why.contains("it is somebody else's, and was left alone"),
                    "{why}"
                );
                assert!(why.contains("database.table"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        db.sql("INSERT INTO segments VALUES (1, 'gold')").await;
        // Nothing was made beside it either.
        db.sql("CREATE TABLE segments_migrations (n int)").await;
        db.sql("CREATE TABLE segments_heartbeat (n int)").await;
        db.sql("DROP TABLE segments").await;
        db.sql("DROP TABLE segments_migrations").await;
        // What is beside it may be somebody else's too.
        assert!(db.store().migrate_up().await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_table_that_has_lost_the_columns_of_the_guard_is_not_claimed_without_them() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.take(&ask("test")).await.unwrap();
        for column in ["advance_at", "claimed_to"] {
            // As on a replica that was made before they were.
            db.sql(&format!("ALTER TABLE segments DROP COLUMN {column}"))
                .await;
            store.check().await.unwrap_err();
            match store.take(&ask("test")).await {
                Err(StoreError::Unusable(Unusable::TableMisconfigured(why))) => {
                    assert!(why.contains(column), "{why}");
                    assert!(why.contains("which it had before"), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}
