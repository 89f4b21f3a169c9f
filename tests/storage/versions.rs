//! Tables of go-id-alloc and of the last version, and a server of that version beside this one.

use crate::helpers::{Take as _, ask, everywhere, on_servers, open};
use id_alloc::config::{Database, Guard};
use id_alloc::domain::ClaimRequest;
use id_alloc::storage::{SegmentStore as _, StoreError, Unusable};

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_table_of_go_id_alloc_serves_and_migrates() {
    on_servers(async |db| {
        db.sql(
            "CREATE TABLE segments (biz_tag varchar(128) NOT NULL PRIMARY KEY, max_id bigint NOT NULL, \
             step bigint NOT NULL, description varchar(256), update_time timestamp NOT NULL \
             DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=InnoDB DEFAULT CHARSET=utf8",
        )
        .await;
        db.sql("INSERT INTO segments (biz_tag, max_id, step) VALUES ('test', 1000, 100)").await;
        let store = db.store();
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 1100);
        assert!(!store.check().await.unwrap().guard_active);
        let behind = ClaimRequest { mark: 2000, ..ask("test") };
        let (claim, raised, _) = store.repair(&behind).await;
        assert!(raised == 1 && claim.range.first() == 2800, "{claim:?}");
        let strict = open(Database { guard: Guard::On, ..db.settings() });
        let refused = strict.take(&ask("test")).await;
        assert!(matches!(refused, Err(StoreError::Unusable(Unusable::TableMisconfigured(_)))));

        let pending = store.migrate_status().await.unwrap();
        assert!(pending.iter().all(|(_, applied)| !applied), "{pending:?}");
        assert_eq!(store.migrate_up().await.unwrap().len(), pending.len());
        assert_eq!(store.migrate_up().await.unwrap().len(), 0);
        assert!(store.migrate_status().await.unwrap()[0].1);
        let report = store.check().await.unwrap();
        assert!(report.guard_active && report.tags == 1, "{report:?}");
        let (claim, raised, moved) = store.repair(&ask("test")).await;
        assert_eq!((claim.range.first(), moved, raised), (2900, 0, 0));
        assert_eq!(db.number("SELECT claimed_to FROM segments").await, 3000);
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
#[ignore = "needs MariaDB"]
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
