//! The SQL store against real servers (`ID_ALLOC_TEST_MYSQL_URLS`, see `scripts/test`) and SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod connections;
mod file;
mod first;
mod group;
mod guard;
mod heartbeat;
mod helpers;
mod large;
mod limits;
mod login;
mod neighbour;
mod tags;
mod tls;
mod triggers;
mod wire;

use helpers::{Db, Take as _, ask, change, everywhere, new, on_servers, open, tag};
use id_alloc::config::{Database, Guard};
use id_alloc::domain::ClaimRequest;
use id_alloc::storage::{
    AdvanceTo, Effect, Listing, SegmentStore as _, StoreError, TagAdministration as _, Unusable,
};
use migration::MigratorTraitSelf as _;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use support::flavour::{Flavour, on_both};
use support::own_database::OwnDatabase;
use support::ports::reserved_port;

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
        let request = ClaimRequest {
            step: Some(100),
            ..ask("test")
        };
        let claim = store.take(&request).await.unwrap();
        assert_eq!((claim.max_id, claim.step), (107, 7));
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
            let known = ClaimRequest { step: Some(100), ..ask(name) };
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
async fn a_step_of_one_at_zero_does_not_claim_nothing() {
    everywhere(async |db| {
        let store = db.ready().await;
        store.create(&new("one", 0, 1)).await.unwrap();
        assert_eq!(store.take(&ask("one")).await.unwrap().range.first(), 1);
    })
    .await;
}

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
async fn a_refused_password_and_database_are_permanent_and_never_shown() {
    on_servers(async |db| {
        let at = db.url.rsplit_once('@').unwrap().1;
        let wrong = |url: String| {
            open(Database {
                url: url.parse().unwrap(),
                ..db.settings()
            })
        };
        let denied = wrong(format!("mysql://nobody:geheim@{at}"))
            .check()
            .await
            .unwrap_err();
        assert!(
            matches!(denied, StoreError::Unusable(Unusable::AccessDenied(_))),
            "{denied:?}"
        );
        assert!(!format!("{denied:?}").contains("geheim"));
        let gone = wrong(format!("{}x", db.url)).check().await.unwrap_err();
        assert!(
            matches!(gone, StoreError::Unusable(Unusable::WrongDatabase(_))),
            "{gone:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_server_is_named_with_the_reason_by_everything_that_needs_it() {
    let nobody = reserved_port();
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for (port, why) in [
        (nobody, "Connection refused"),
        (silent_port, "no answer within 0.2 s"),
    ] {
        let db = Db::sqlite().await;
        let store = open(Database {
            url: format!("mysql://u:geheim@127.0.0.1:{port}/db")
                .parse()
                .unwrap(),
            acquire_timeout: Duration::from_millis(200),
            ..db.settings()
        });
        for error in [
            store.take(&ask("test")).await.unwrap_err(),
            store.list(&Listing::page(None, 1)).await.unwrap_err(),
            store.check().await.unwrap_err(),
            store.ping().await.unwrap_err(),
            store.migrate_up().await.unwrap_err(),
            store.migrate_status().await.unwrap_err(),
        ] {
            let StoreError::Transient(text) = error else {
                panic!("{error:?}")
            };
            let place = format!("cannot reach mysql://u@127.0.0.1:{port}/db: {why}");
            assert!(text.starts_with(&place), "{text}");
            assert!(
                text.contains("check that the database runs there"),
                "{text}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_migrate_at_once() {
    everywhere(async |db| {
        let all: Vec<_> = (0..4)
            .map(|_| {
                let store = db.store();
                tokio::spawn(async move { store.migrate_up().await })
            })
            .collect();
        let mut applied = 0;
        for one in all {
            applied += one.await.unwrap().unwrap().len();
        }
        let all = db.store().migrate_status().await.unwrap();
        assert_eq!(applied, all.len(), "each of the migrations once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB"]
async fn who_migrates_is_safe_from_others_who_heed_no_lock() {
    on_servers(async |db| {
        // Behind Vitess the lock may exclude nobody.
        let others = (0..3).map(|_| {
            let url = db.url.clone();
            tokio::spawn(async move {
                let raw = helpers::raw(&url).await;
                // Fails where another was faster.
                let _ = migration::Migrator::new("segments").up(&raw, None).await;
            })
        });
        let others: Vec<_> = others.collect();
        let ours = (0..3).map(|_| {
            let store = db.store();
            tokio::spawn(async move { store.migrate_up().await })
        });
        for one in ours.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
        }
        for other in others {
            other.await.unwrap();
        }
        let status = db.store().migrate_status().await.unwrap();
        assert!(status.iter().all(|(_, applied)| *applied), "{status:?}");
        assert!(db.ready().await.check().await.unwrap().guard_active);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn claims_are_committed_where_the_server_says_autocommit_off() {
    on_servers(async |db| {
        db.ready().await;
        db.sql("SET GLOBAL autocommit = 0").await;
        let claim = db.store().take(&ask("test")).await;
        db.sql("SET GLOBAL autocommit = 1").await;
        assert_eq!(claim.unwrap().max_id, 100);
        assert_eq!(db.number("SELECT max_id FROM segments").await, 100);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_timed_out_claim_is_unknown_and_the_next_one_is_on_a_new_connection() {
    on_servers(async |db| {
        db.ready().await;
        let store = open(Database {
            statement_timeout: Duration::from_millis(200),
            max_connections: 1,
            ..db.settings()
        });
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
        db.sql("BEGIN").await;
        db.sql("UPDATE segments SET step = step").await;
        let held = ClaimRequest {
            step: Some(100),
            ..ask("test")
        };
        let error = store.take(&held).await.unwrap_err();
        assert!(matches!(error, StoreError::UnknownOutcome(_)), "{error:?}");
        db.sql("COMMIT").await;
        let claim = store.take(&held).await.unwrap();
        assert!(claim.max_id == 200 || claim.max_id == 300, "{claim:?}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_claim_that_is_dropped_leaves_no_connection_with_an_answer_to_come() {
    on_servers(async |db| {
        db.ready().await;
        let store = open(Database {
            max_connections: 1,
            ..db.settings()
        });
        let known = ClaimRequest {
            step: Some(100),
            ..ask("test")
        };
        let mut end = store.take(&known).await.unwrap().max_id;
        for _ in 0..3 {
            db.sql("BEGIN").await;
            db.sql("UPDATE segments SET step = step").await;
            let dropped = tokio::time::timeout(Duration::from_millis(100), store.take(&known));
            assert!(dropped.await.is_err());
            db.sql("COMMIT").await;
            let claim = store.take(&known).await.unwrap();
            assert!(claim.range.first() >= end, "{claim:?} after {end}");
            end = claim.max_id;
        }
    })
    .await;
}

on_both!(a_demoted_primary_claims_nothing_for_a_user_who_may_write_there);

async fn a_demoted_primary_claims_nothing_for_a_user_who_may_write_there(flavour: Flavour) {
    let server = OwnDatabase::start(flavour, &[]).await;
    let db = Db::mysql(&server.url()).await;
    let store = db.ready().await;
    let known = ClaimRequest {
        step: Some(100),
        ..ask("test")
    };
    assert_eq!(store.take(&known).await.unwrap().max_id, 100);
    db.sql("SET GLOBAL read_only = 1").await;
    for old in ["", ", claimed_on = 'the new primary'", ", claimed_on = ''"] {
        db.sql(&format!("UPDATE segments SET step = step{old}"))
            .await;
        let refused = store.take(&known).await;
        let Err(StoreError::ReadOnly(text)) = refused else {
            panic!("{old}: {refused:?}");
        };
        assert!(text.contains("read-only"), "{text}");
    }
    assert_eq!(db.number("SELECT max_id FROM segments").await, 100);
    db.sql("SET GLOBAL read_only = 0").await;
    assert_eq!(store.take(&known).await.unwrap().max_id, 200);
    db.drop().await;
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

#[tokio::test]
async fn a_claim_whose_commit_fails_hands_out_nothing() {
    let db = Db::sqlite().await;
    let store = db.ready().await;
    let known = ClaimRequest {
        step: Some(100),
        ..ask("test")
    };
    assert_eq!(store.take(&known).await.unwrap().max_id, 100);
    // A broken deferred foreign key shows at the commit, after the row was returned: as a disk that
    // is full does.
    db.sql("CREATE TABLE p (id INTEGER PRIMARY KEY)").await;
    db.sql("CREATE TABLE c (id INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)")
        .await;
    db.sql("CREATE TRIGGER t AFTER UPDATE ON segments BEGIN INSERT INTO c VALUES (1); END")
        .await;
    for _ in 0..3 {
        let failed = store.take(&known).await;
        assert!(
            failed.as_ref().is_err_and(StoreError::is_transient),
            "{failed:?}"
        );
    }
    db.sql("DROP TRIGGER t").await;
    assert_eq!(store.take(&known).await.unwrap().max_id, 200);
}

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
async fn the_embedded_default_makes_its_folder_and_a_tag_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a/b/c.db?mode=rwc", folder.path().display());
    let url = url.parse().unwrap();
    let db = Db::sqlite().await;
    let settings = Database {
        url,
        ..db.settings()
    };
    for max_id in [100_000, 200_000] {
        let store = open(settings.clone());
        store.prepare_embedded().await.unwrap();
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, max_id);
        let report = store.check().await.unwrap();
        assert!(
            report.guard_active && report.warnings.is_empty(),
            "{report:?}"
        );
    }
}
