//! A claim counts once it is committed: where that is unknown, fails or is refused, nothing is handed out, and the next
//! claim is as good as any.

use crate::helpers::{Db, Take as _, ask, ask_again, on_servers, open};
use crate::support::flavour::{Flavour, on_both};
use crate::support::own_database::OwnDatabase;
use id_alloc::config::Database;
use id_alloc::storage::StoreError;
use std::time::Duration;

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
        let held = ask_again("test");
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
        let known = ask_again("test");
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

#[tokio::test]
async fn a_claim_whose_commit_fails_hands_out_nothing() {
    let db = Db::sqlite().await;
    let store = db.ready().await;
    let known = ask_again("test");
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

on_both!(a_demoted_primary_claims_nothing_for_a_user_who_may_write_there);

async fn a_demoted_primary_claims_nothing_for_a_user_who_may_write_there(flavour: Flavour) {
    let server = OwnDatabase::start(flavour, &[]).await;
    let db = Db::mysql(&server.url()).await;
    let store = db.ready().await;
    let known = ask_again("test");
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
