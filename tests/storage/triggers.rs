//! Triggers on the table, which run with each claim and may change what it is answered with: one that writes a row for an
//! auditor takes the answer away, one that calls `LAST_INSERT_ID(value)` puts another in its place.

use crate::helpers::{Take as _, ask, on_servers, open};
use id_alloc::config::Database;
use id_alloc::storage::SegmentStore as _;

const AUDIT: &str = "CREATE TABLE audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, tag VARCHAR(40), max_id BIGINT) \
                     AUTO_INCREMENT = 150";
const BODIES: [&str; 2] = [
    "INSERT INTO audit (tag, max_id) VALUES (NEW.biz_tag, NEW.max_id)",
    "SET @x = LAST_INSERT_ID(5)",
];

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn claims_are_right_whatever_triggers_do_and_the_check_names_them() {
    on_servers(async |db| {
        let store = db.ready().await;
        db.sql(AUDIT).await;
        let mut end = 0;
        for body in BODIES {
            for when in ["BEFORE", "AFTER"] {
                db.sql(&format!(
                    "CREATE TRIGGER audits {when} UPDATE ON segments FOR EACH ROW {body}"
                ))
                .await;
                let warnings = store.check().await.unwrap().warnings;
                let is_named = warnings.iter().any(|text| text.contains("`audits`"));
                assert!(is_named, "{warnings:?}");
                // A server that knew the table before, and one that comes to it now.
                for store in [&store, &db.store()] {
                    end += 100;
                    let claim = store.take(&ask("test")).await.unwrap();
                    assert_eq!(claim.max_id, end, "{when} {body}");
                }
                db.sql("DROP TRIGGER audits").await;
                assert!(
                    store
                        .check()
                        .await
                        .unwrap()
                        .warnings
                        .iter()
                        .all(|text| !text.contains("audits"))
                );
            }
        }
        assert_eq!(db.number("SELECT max_id FROM segments").await, end);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_trigger_that_cannot_be_seen_costs_one_claim_and_not_one_after_the_other() {
    on_servers(async |db| {
        db.ready().await;
        db.sql(AUDIT).await;
        let user = format!("u{:08x}", fastrand::u32(..));
        for sql in [
            format!("CREATE USER {user}@'127.0.0.1'"),
            format!("GRANT SELECT, INSERT, UPDATE ON *.* TO {user}@'127.0.0.1'"),
            format!(
                "CREATE TRIGGER audits AFTER UPDATE ON segments FOR EACH ROW {}",
                BODIES[0]
            ),
        ] {
            db.sql(&sql).await;
        }
        let store = open(Database {
            url: db
                .url
                .replace("root@", &format!("{user}@"))
                .parse()
                .unwrap(),
            ..db.settings()
        });
        let mut end = 0;
        for _ in 0..5 {
            let claim = store.take(&ask("test")).await.unwrap();
            assert!(claim.range.first() >= end, "{claim:?} after {end}");
            end = claim.max_id;
        }
        assert!(end <= 600, "one claim may be lost: {end}");
        assert_eq!(db.number("SELECT max_id FROM segments").await, end);
        db.sql(&format!("DROP USER {user}@'127.0.0.1'")).await;
    })
    .await;
}
