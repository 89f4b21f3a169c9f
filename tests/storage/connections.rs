//! What a statement that fails does to its connection, and to the others.

use crate::helpers::{Db, Take as _, ask, ask_again, new, on_servers, open};
use crate::support::PATIENCE;
use crate::support::flavour::{Flavour, on_both};
use crate::support::own_database::OwnDatabase;
use futures_util::future::join_all;
use id_alloc::config::Database;
use id_alloc::storage::{SegmentStore as _, StoreError, TagAdministration as _};
use std::collections::BTreeSet;
use std::time::Duration;

/// The connections of everybody but the test to this database.
async fn connections(db: &Db) -> BTreeSet<i64> {
    let list = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
                WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    db.numbers(list).await.into_iter().collect()
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_statement_that_times_out_closes_its_own_connection_alone() {
    on_servers(async |db| {
        db.ready().await.create(&new("other", 0, 10)).await.unwrap();
        let store = open(Database {
            statement_timeout: Duration::from_millis(300),
            max_connections: 2,
            ..db.settings()
        });
        store.take(&ask("other")).await.unwrap();
        db.sql("BEGIN").await;
        db.sql("UPDATE segments SET step = step WHERE biz_tag = 'test'")
            .await;
        let held = ask_again("test");
        let other = ask("other");
        let both = async {
            let (held, other) = tokio::join!(store.take(&held), store.take(&other));
            assert!(
                matches!(held, Err(StoreError::UnknownOutcome(_))),
                "{held:?}"
            );
            other.unwrap();
        };
        both.await;
        let before = connections(db).await;
        db.sql("COMMIT").await;
        // The server notices that the connection is gone once its statement has ended.
        let mut left = connections(db).await;
        while left.intersection(&before).count() > 1 {
            tokio::task::yield_now().await;
            left = connections(db).await;
        }
        store.take(&other).await.unwrap();
        let kept: BTreeSet<_> = connections(db).await;
        assert_eq!(kept.intersection(&before).count(), 1, "{kept:?} {before:?}");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_statement_that_was_given_up_does_not_wait_on_in_the_server_for_a_locked_table() {
    on_servers(async |db| {
        db.ready().await;
        let store = open(Database {
            statement_timeout: Duration::from_millis(300),
            ..db.settings()
        });
        store.take(&ask("test")).await.unwrap();
        db.sql("LOCK TABLES segments WRITE").await;
        for _ in 0..3 {
            let error = store.take(&ask("test")).await.unwrap_err();
            assert!(error.is_transient(), "{error:?}");
        }
        let waiting = "SELECT COUNT(*) FROM information_schema.processlist \
                       WHERE db = DATABASE() AND info LIKE 'UPDATE%'";
        // The table is still locked: only the server's own bound can end them.
        while db.number(waiting).await > 0 {
            tokio::task::yield_now().await;
        }
        db.sql("UNLOCK TABLES").await;
        store.take(&ask("test")).await.unwrap();
    })
    .await;
}

on_both!(
    a_connection_that_comes_with_an_open_transaction_commits_its_claims,
    a_binlog_format_that_changes_while_connections_are_open_turns_the_guard_off_for_all,
);

async fn a_connection_that_comes_with_an_open_transaction_commits_its_claims(flavour: Flavour) {
    let server = OwnDatabase::start(
        flavour,
        &["--init-connect=SET completion_type = 1; START TRANSACTION"],
    )
    .await;
    let db = Db::mysql(&server.url()).await;
    // Who has SUPER is spared init_connect.
    db.sql("CREATE USER app@'127.0.0.1' IDENTIFIED BY 'x'")
        .await;
    db.sql("GRANT SELECT, INSERT, UPDATE ON *.* TO app@'127.0.0.1'")
        .await;
    db.ready().await;
    let store = open(Database {
        url: db.url.replace("root@", "app:x@").parse().unwrap(),
        ..db.settings()
    });
    assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
    assert_eq!(db.number("SELECT max_id FROM segments").await, 100);
    db.drop().await;
}

async fn a_binlog_format_that_changes_while_connections_are_open_turns_the_guard_off_for_all(
    flavour: Flavour,
) {
    let server = OwnDatabase::start(flavour, &["--log-bin=bin", "--binlog-format=ROW"]).await;
    let db = Db::mysql(&server.url()).await;
    let store = db.ready().await;
    store.take(&ask("test")).await.unwrap();
    db.sql("SET GLOBAL binlog_format = 'STATEMENT'").await;
    // Several at once need connections of their own sooner or later, whose claims a replica would not apply.
    let began = std::time::Instant::now();
    while store.check().await.unwrap().guard_active {
        assert!(
            began.elapsed() < PATIENCE,
            "no new connection was looked at"
        );
        let asks = [ask("test"), ask("test"), ask("test"), ask("test")];
        for taken in join_all(asks.iter().map(|ask| store.take(ask))).await {
            assert!(taken.is_ok(), "{taken:?}");
        }
    }
    db.drop().await;
}

#[tokio::test]
async fn an_ipv6_address_in_brackets_is_connected_to_and_not_looked_up() {
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let db = Db::sqlite().await;
    let store = open(Database {
        url: format!("mysql://u@[::1]:{port}/db").parse().unwrap(),
        ..db.settings()
    });
    let tag = ask("test");
    let claim = store.take(&tag);
    tokio::select! {
        accepted = listener.accept() => assert!(accepted.is_ok()),
        claim = claim => panic!("nobody connected: {claim:?}"),
    }
}
