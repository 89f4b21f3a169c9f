//! What a server leaves behind in the database: no connection that it does not need, no statement that it gave up.

use crate::helpers::{Db, Take as _, ask, change, new, on_servers, open, tag};
use crate::support::PATIENCE;
use futures_util::future::join_all;
use id_alloc::config::Database;
use id_alloc::storage::{SegmentStore as _, StoreError, TagAdministration as _};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Of everybody but the test.
const CONNECTIONS: &str = "SELECT COUNT(*) FROM information_schema.processlist \
                           WHERE db = DATABASE() AND id <> CONNECTION_ID()";
const STATEMENTS: &str = "SELECT COUNT(*) FROM information_schema.processlist \
                          WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command IN ('Query', 'Execute')";

async fn until(db: &Db, sql: &str, wanted: i64) {
    let began = Instant::now();
    while db.number(sql).await != wanted {
        assert!(began.elapsed() < PATIENCE, "not {wanted}: {sql}");
        tokio::task::yield_now().await;
    }
}

/// An account of its own with at most so many connections, and the URL with which it comes.
async fn account(db: &Db, most: u32) -> (String, String) {
    let name = format!("u{:08x}", fastrand::u32(..));
    db.sql(&format!(
        "CREATE USER {name}@'%' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS {most}"
    ))
    .await;
    db.sql(&format!("GRANT ALL ON *.* TO {name}@'%'")).await;
    let url = db.url.replace("root@", &format!("{name}:x@"));
    (name, url)
}

/// Whether the server ends a statement that takes too long by itself. MySQL does so with SELECTs alone.
async fn bounds_statements(db: &Db) -> bool {
    db.number("SELECT VERSION() LIKE '%MariaDB%'").await == 1
}

/// A row whose claims take for ever.
async fn stuck_row(db: &Db) {
    db.ready()
        .await
        .create(&new("stuck", 0, 10))
        .await
        .expect("made");
    db.sql(
        "CREATE TRIGGER slow BEFORE UPDATE ON segments FOR EACH ROW \
         BEGIN IF NEW.biz_tag = 'stuck' THEN DO SLEEP(1000); END IF; END",
    )
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn connections_that_are_not_needed_any_more_are_closed() {
    on_servers(async |db| {
        let store = db.ready().await;
        let asks: Vec<_> = (0..6).map(|_| ask("test")).collect();
        for taken in join_all(asks.iter().map(|ask| store.take(ask))).await {
            taken.unwrap();
        }
        assert!(db.number(CONNECTIONS).await > 1);
        // The one that is used stays, and the others do not take turns with it.
        let began = Instant::now();
        while db.number(CONNECTIONS).await > 1 {
            assert!(began.elapsed() < PATIENCE, "they stay open");
            store.ping().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn who_is_refused_a_connection_waits_until_another_server_needs_it_no_more() {
    on_servers(async |db| {
        db.ready().await;
        let (name, url) = account(db, 1).await;
        let server = |acquire_timeout| {
            open(Database {
                url: url.parse().unwrap(),
                acquire_timeout,
                ..db.settings()
            })
        };
        // Shorter than a connection that nobody uses stays open.
        let (first, hasty) = (server(PATIENCE), server(Duration::from_secs(2)));
        first.take(&ask("test")).await.unwrap();
        let refused = hasty.take(&ask("test")).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::NoConnection(_)),
            "{refused:?}"
        );
        assert!(refused.is_transient());
        server(PATIENCE).take(&ask("test")).await.unwrap();
        db.sql(&format!("DROP USER {name}@'%'")).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn who_waits_for_a_connection_has_it_before_those_who_come_later() {
    on_servers(async |db| {
        db.ready().await;
        let (name, url) = account(db, 1).await;
        let store = open(Database {
            url: url.parse().unwrap(),
            acquire_timeout: Duration::from_secs(10),
            ..db.settings()
        });
        let (test, served) = (ask("test"), Cell::new(false));
        store.take(&test).await.unwrap();
        // Takes the only connection again as soon as it has given it back.
        let on_and_on = async {
            while !served.get() {
                let _ = store.take(&test).await;
            }
        };
        let waits = async {
            let taken = store.take(&test).await;
            served.set(true);
            taken
        };
        let ((), taken) = tokio::join!(on_and_on, waits);
        taken.unwrap();
        drop(store);
        db.sql(&format!("DROP USER {name}@'%'")).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_statement_that_is_given_up_is_ended_on_the_server() {
    on_servers(async |db| {
        stuck_row(db).await;
        let store = open(Database {
            statement_timeout: Duration::from_millis(300),
            ..db.settings()
        });
        let killed = db.status("Com_kill").await;
        let error = store.take(&ask("stuck")).await.unwrap_err();
        assert!(matches!(error, StoreError::UnknownOutcome(_)), "{error:?}");
        until(db, STATEMENTS, 0).await;
        assert!(db.status("Com_kill").await > killed);
        store.ping().await.unwrap();
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_statement_that_is_given_up_counts_as_a_connection_until_the_server_has_ended_it() {
    on_servers(async |db| {
        if !bounds_statements(db).await {
            return;
        }
        stuck_row(db).await;
        // No second connection, so nothing can end it but the server itself.
        let (name, url) = account(db, 1).await;
        let store = open(Database {
            url: url.parse().unwrap(),
            statement_timeout: Duration::from_millis(300),
            ..db.settings()
        });
        store.take(&ask("stuck")).await.unwrap_err();
        loop {
            let (_, in_use) = store.connections();
            if db.number(STATEMENTS).await == 0 {
                break;
            }
            assert_eq!(in_use, 1);
            tokio::task::yield_now().await;
        }
        store.ping().await.unwrap();
        db.sql(&format!("DROP USER {name}@'%'")).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn every_session_says_how_long_it_waits_for_rows_tables_and_a_statement() {
    on_servers(async |db| {
        db.ready().await;
        db.sql("CREATE TABLE said (milliseconds bigint)").await;
        let bounds_statements = bounds_statements(db).await;
        let statement = match bounds_statements {
            true => "INSERT INTO said VALUES (@@max_statement_time * 1000);",
            false => "",
        };
        db.sql(&format!(
            "CREATE TRIGGER told BEFORE UPDATE ON segments FOR EACH ROW BEGIN \
             INSERT INTO said VALUES (@@innodb_lock_wait_timeout * 1000); \
             INSERT INTO said VALUES (@@lock_wait_timeout * 1000); {statement} END"
        ))
        .await;
        let store = open(Database {
            statement_timeout: Duration::from_secs(3),
            ..db.settings()
        });
        let changed = store.set(&tag("test"), &change(Some(7), None)).await;
        changed.unwrap();
        let said = "SELECT DISTINCT milliseconds FROM said ORDER BY milliseconds";
        let expected: &[i64] = match bounds_statements {
            true => &[1000, 3000, 3500],
            false => &[1000, 3000],
        };
        assert_eq!(db.numbers(said).await, expected);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn migrate_up_gives_up_whole_where_somebody_holds_the_table_and_claims_go_on() {
    on_servers(async |db| {
        db.sql(
            "CREATE TABLE segments (biz_tag varchar(32) NOT NULL PRIMARY KEY, max_id bigint NOT NULL, \
             step bigint NOT NULL, description varchar(1024) DEFAULT '' NOT NULL, update_time datetime) ENGINE=InnoDB",
        )
        .await;
        db.sql("INSERT INTO segments (biz_tag, max_id, step) VALUES ('test', 0, 100)")
            .await;
        let store = db.store();
        // A dump, or a console that nobody closed.
        db.sql("BEGIN").await;
        db.number("SELECT COUNT(*) FROM segments").await;
        let holder = db.number("SELECT CAST(CONNECTION_ID() AS SIGNED)").await;
        let migrating = store.migrate_up();
        tokio::pin!(migrating);
        let impatient = open(Database {
            statement_timeout: Duration::from_secs(2),
            ..db.settings()
        });
        let refused = loop {
            tokio::select! {
                ended = &mut migrating => break ended.unwrap_err().to_string(),
                taken = async { impatient.take(&ask("test")).await } => drop(taken.unwrap()),
            }
        };
        assert!(refused.contains(&format!("connection {holder} of root@")), "{refused}");
        assert_eq!(db.number("SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'ALTER%'").await, 0);
        db.sql("COMMIT").await;
        store.migrate_up().await.unwrap();
        store.take(&ask("test")).await.unwrap();
    })
    .await;
}
