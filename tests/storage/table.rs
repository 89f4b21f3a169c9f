//! A table that is missing, that is a view, or whose columns would repeat ids: what is said of it, and that it helps.

use crate::helpers::{Take as _, ask, everywhere, on_servers, open};
use id_alloc::config::Database;
use id_alloc::storage::{SegmentStore as _, StoreError, Unusable};

#[tokio::test]
async fn a_missing_table_says_what_to_run() {
    everywhere(async |db| {
        let refused = db.store().take(&ask("test")).await;
        let Err(StoreError::Unusable(Unusable::TableMissing(text))) = refused else {
            panic!("{refused:?}");
        };
        assert!(
            text.contains("`segments`") && text.contains("id-alloc migrate up"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_table_that_would_repeat_ids_is_refused_with_the_alter_to_run() {
    on_servers(async |db| {
        let store = db.ready().await;
        for (damage, alter) in [
            (
                "MODIFY max_id INT NOT NULL",
                "MODIFY max_id BIGINT NOT NULL",
            ),
            (
                "MODIFY step BIGINT UNSIGNED NOT NULL",
                "MODIFY step BIGINT NOT NULL",
            ),
            ("ENGINE = MyISAM", "ENGINE = InnoDB"),
            ("DROP PRIMARY KEY", "ADD UNIQUE KEY (biz_tag)"),
        ] {
            db.sql(&format!("ALTER TABLE segments {damage}")).await;
            let refused = db.store().take(&ask("test")).await;
            let Err(StoreError::Unusable(Unusable::TableMisconfigured(text))) = refused else {
                panic!("{damage}: {refused:?}");
            };
            assert!(
                text.contains(&format!("ALTER TABLE `segments` {alter};")),
                "{text}"
            );
            db.sql(&format!("ALTER TABLE segments {alter}")).await;
            store.check().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_view_and_a_table_whose_description_is_called_desc_are_told_apart_and_the_remedy_works() {
    everywhere(async |db| {
        let store = db.ready().await;
        let refusal = async |store: &id_alloc::storage::sql::SqlStore| match store.check().await {
            Err(StoreError::Unusable(Unusable::TableMisconfigured(text))) => text,
            other => panic!("{other:?}"),
        };
        let quote = if db.mysql { '`' } else { '"' };
        let rename =
            format!("ALTER TABLE segments RENAME COLUMN description TO {quote}desc{quote}");
        db.sql(&rename).await;
        let text = refusal(&db.store()).await;
        let (_, remedy) = text.split_once("run: ").expect(&text);
        db.sql(remedy).await;
        store.check().await.unwrap();

        db.sql("CREATE VIEW seen AS SELECT * FROM segments").await;
        let on_view = Database {
            table: "seen".to_owned(),
            ..db.settings()
        };
        let text = refusal(&open(on_view)).await;
        assert!(
            text.contains("it is a view") && text.contains("database.table"),
            "{text}"
        );
        assert!(!text.contains("ALTER"), "{text}");
    })
    .await;
}
