//! What a connection sends before its first claim, as the server's own log has it.

use crate::helpers::{Db, Take as _, ask, open};
use crate::support::flavour::{Flavour, on_both};
use crate::support::own_database::OwnDatabase;
use id_alloc::config::Database;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

on_both!(a_new_connection_sends_what_is_meant_and_reads_nothing_from_a_replica);

/// The statements that `app` has sent, in order. Preparing one is no statement.
async fn sent(db: &Db) -> Vec<String> {
    let asked = "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log \
                 WHERE user_host LIKE '%app%' AND command_type IN ('Query', 'Execute')";
    let asked = Statement::from_string(DbBackend::MySql, asked);
    let rows = db.raw.query_all_raw(asked).await.unwrap();
    let text = |row: &sea_orm::QueryResult| row.try_get_by_index::<String>(0).unwrap();
    rows.iter().map(text).collect()
}

async fn a_new_connection_sends_what_is_meant_and_reads_nothing_from_a_replica(flavour: Flavour) {
    let server = OwnDatabase::start(flavour, &["--log-output=TABLE"]).await;
    let db = Db::mysql(&server.url()).await;
    db.ready().await;
    for sql in [
        "CREATE USER app@'127.0.0.1'",
        "GRANT ALL ON *.* TO app@'127.0.0.1'",
        "SET GLOBAL general_log = 1",
    ] {
        db.sql(sql).await;
    }
    let store = open(Database {
        url: db.url.replace("root@", "app@").parse().unwrap(),
        max_connections: 1,
        ..db.settings()
    });
    assert_eq!(store.take(&ask("test")).await.unwrap().max_id, 100);
    let sent = sent(&db).await;
    let starts = [
        "SET NAMES utf8mb4",
        "ROLLBACK AND NO CHAIN",
        "SET autocommit = 1, innodb_lock_wait_timeout = 1, lock_wait_timeout = ",
        "SELECT CAST(@@autocommit AS SIGNED), ",
        "SELECT CONVERT(VERSION() ",
    ];
    for (sent, start) in sent.iter().zip(starts) {
        assert!(sent.starts_with(start), "{sent}");
    }
    for sql in &sent {
        assert!(!sql.contains("sql_mode ="), "{sql}");
        // A proxy that splits reads from writes sends a bare SELECT to a replica; one that locks goes to the primary. The
        // catalogue is the same on both.
        let is_alike = sql.contains("information_schema") || sql.contains("VERSION()");
        let is_bare = sql.starts_with("SELECT") && !sql.ends_with("FOR UPDATE");
        assert!(is_alike || !is_bare, "{sql}");
    }
    assert!(
        sent.iter().any(|sql| sql.starts_with("UPDATE `segments` ")),
        "{sent:?}"
    );
}
