//! The database fails in every way under load. One tag has a large step, so that its ids stay in
//! memory: of it no request may fail, whatever happens. The other claims ten times a second and is
//! what feels the fault, with one code and only while the fault lasts. P1 and P2 hold over all of it.

use crate::support::checks::Answer;
use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::load::{Load, Plan};
use crate::support::own_database::{OwnDatabase, value};
use crate::support::replicated::skips;
use crate::support::server::Server;
use crate::support::{PATIENCE, eventually, full};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use std::time::{Duration, Instant};

const TAGS: [&str; 2] = ["large", "small"];
const LARGE: usize = 0;
const SMALL: usize = 1;
const STEPS: [(&str, i64, i64); 2] = [("large", 0, 1_000_000), ("small", 0, 50)];
/// Half of them for each tag. Small counts, so that memory is used up to the last id.
const PLAN: Plan = Plan {
    tags: &TAGS,
    clients: 8,
    count: 1..=3,
    roaming: false,
};
/// A segment is to last so long: the small tag never has more than a moment's ids in memory.
const SEGMENT: (&str, &str) = ("allocation.segment_duration", "100ms");
const NONE_LEFT: &[&str] = &["no_available_id"];

/// A private MariaDB, and the URL of its database `ids`, which has these tags.
async fn own_database(tags: &[(&str, i64, i64)]) -> (OwnDatabase, String) {
    let database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let url = database.holding(tags).await;
    (database, url)
}

/// A connection on which these statements were carried out.
async fn executed(url: &str, statements: &[&str]) -> DatabaseConnection {
    let connection = connect(url).await;
    for sql in statements {
        connection.execute_unprepared(sql).await.expect(sql);
    }
    connection
}

/// A server with both tags, under load.
async fn loaded(url: &str) -> (Server, Load) {
    let refresh = ("allocation.refresh", "1s");
    let server = Server::start(&[("database.url", url), SEGMENT, refresh]).await;
    let load = Load::start(std::slice::from_ref(&server), PLAN);
    load.more(SMALL, 100).await;
    load.more(LARGE, 100).await;
    (server, load)
}

async fn max_id(url: &str, tag: &str) -> i64 {
    let connection = connect(url).await;
    let sql = format!("SELECT max_id FROM segments WHERE biz_tag = '{tag}'");
    let max_id = value(&connection, &sql).await;
    connection.close().await.unwrap();
    max_id
}

/// Takes ids of the large tag until its claims go on too.
async fn claims_go_on(url: &str, server: &Server) -> Vec<Answer> {
    let before = max_id(url, TAGS[LARGE]).await;
    let mut answers = Vec::new();
    while max_id(url, TAGS[LARGE]).await == before {
        for _ in 0..20 {
            let sent = Instant::now();
            answers.push(Answer {
                server: 0,
                tag: LARGE,
                sent,
                ids: server.ids(TAGS[LARGE], 10_000).await,
                received: Instant::now(),
            });
        }
    }
    answers
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_database_killed_twice_under_load_fails_no_request_for_ids_in_memory() {
    let (mut database, url) = own_database(&STEPS).await;
    let (server, load) = loaded(&url).await;
    for _ in 0..2 {
        load.tolerate(SMALL, NONE_LEFT);
        database.kill9();
        load.until_refused(SMALL).await;
        load.more(LARGE, 300).await;
        database.restart().await;
        load.more(SMALL, 200).await;
        load.tolerate(SMALL, &[]);
        load.more(SMALL, 200).await;
    }
    let drained = claims_go_on(&url, &server).await;
    load.end_checked(drained).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_database_that_hangs_for_seconds_under_load_fails_no_request_for_ids_in_memory() {
    let (database, url) = own_database(&STEPS).await;
    let (server, load) = loaded(&url).await;
    load.tolerate(SMALL, NONE_LEFT);
    database.stop().await;
    load.run_for(Duration::from_secs(if full() { 10 } else { 3 }))
        .await;
    load.until_refused(SMALL).await;
    load.more(LARGE, 300).await;
    database.cont();
    load.more(SMALL, 200).await;
    load.tolerate(SMALL, &[]);
    load.more(SMALL, 200).await;
    let drained = claims_go_on(&url, &server).await;
    load.end_checked(drained).await;
}

const SIX: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_restart_while_every_connection_is_checked_out_leaves_no_tag_behind() {
    let (mut database, url) = own_database(&SIX.map(|tag| (tag, 0, 10))).await;
    let most = ("database.max_connections", "3");
    let server = Server::start(&[("database.url", url.as_str()), SEGMENT, most]).await;
    let plan = Plan {
        tags: &SIX,
        clients: 12,
        ..PLAN
    };
    let load = Load::start(std::slice::from_ref(&server), plan);
    // With the rows locked, claims wait on all connections that they may use, one being left for
    // checks; with the table locked, checks wait too.
    let rows = ["BEGIN", "SELECT * FROM segments FOR UPDATE"];
    let table = ["LOCK TABLES segments WRITE"];
    for (lock, hanging) in [(&rows[..], 2), (&table[..], 3)] {
        for tag in 0..SIX.len() {
            load.more(tag, 20).await;
        }
        for tag in 0..SIX.len() {
            load.tolerate(tag, NONE_LEFT);
        }
        let watcher = connect(&url).await;
        let all_hang = || {
            eventually("claims on all connections", PATIENCE, async || {
                (statements_that_hang(&watcher).await >= hanging).then_some(())
            })
        };
        let _locker = executed(&url, lock).await;
        all_hang().await;
        for tag in 0..SIX.len() {
            load.until_refused(tag).await;
        }
        all_hang().await;
        database.kill9();
        database.restart().await;
        for tag in 0..SIX.len() {
            load.more(tag, 20).await;
            load.tolerate(tag, &[]);
        }
    }
    for tag in 0..SIX.len() {
        load.more(tag, 20).await;
    }
    load.end_checked(Vec::new()).await;
}

/// Statements of the database `ids` under way, but for this one and those of who holds the locks.
async fn statements_that_hang(watcher: &DatabaseConnection) -> i64 {
    let sql = "SELECT COUNT(*) FROM information_schema.processlist \
               WHERE db = 'ids' AND command IN ('Query', 'Execute') AND id <> CONNECTION_ID()";
    value(watcher, sql).await
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_read_only_database_is_no_failover_and_fails_no_request_for_ids_in_memory() {
    let (database, url) = own_database(&STEPS).await;
    let user = [
        "CREATE USER app@'%'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ids.* TO app@'%'",
    ];
    let root = executed(&url, &user).await;
    let app = format!("mysql://app@{}/ids", database.address());
    // The first may write to a read-only server, and must not.
    let mut servers = Vec::new();
    for url in [&url, &app] {
        servers.push(Server::start(&[("database.url", url.as_str()), SEGMENT]).await);
    }
    let load = Load::start(&servers, PLAN);
    let max_ids = async || (max_id(&url, "large").await, max_id(&url, "small").await);
    for _ in 0..2 {
        load.more(SMALL, 200).await;
        load.tolerate(SMALL, NONE_LEFT);
        let read_only = "SET GLOBAL read_only = 1";
        root.execute_unprepared(read_only).await.unwrap();
        let left = max_ids().await;
        for server in &servers {
            let path = "/health?biz_tag=small";
            server.until(path, 503, PATIENCE).await;
            assert_eq!(server.get("/health").await.status, 200);
        }
        load.more(LARGE, 300).await;
        let now = max_ids().await;
        assert_eq!(now, left, "a claim was made while read_only was on");
        let writable = "SET GLOBAL read_only = 0";
        root.execute_unprepared(writable).await.unwrap();
        for server in &servers {
            let path = "/health?biz_tag=small";
            server.until(path, 200, PATIENCE).await;
        }
        load.more(SMALL, 200).await;
        load.tolerate(SMALL, &[]);
    }
    load.more(SMALL, 200).await;
    assert_eq!(skips(&servers).await, 0.0);
    load.end_checked(Vec::new()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_table_renamed_away_or_dropped_is_told_and_serves_again_when_it_is_back() {
    let (_database, url) = own_database(&STEPS).await;
    let root = connect(&url).await;
    let run = async |statements: &[&str]| {
        for sql in statements {
            root.execute_unprepared(sql).await.expect(sql);
        }
    };
    let (server, load) = loaded(&url).await;
    let refresh = ("allocation.refresh", "1s");
    let unused = Server::start(&[("database.url", url.as_str()), refresh]).await;
    // The second restores an older state: claims made since then are missing in it.
    let copy = [
        "CREATE TABLE kept LIKE segments",
        "INSERT INTO kept SELECT * FROM segments",
    ];
    let away = ["RENAME TABLE segments TO kept"];
    for (before, remove) in [(&[][..], &away[..]), (&copy[..], &["DROP TABLE segments"])] {
        load.more(SMALL, 200).await;
        // While the statements run, claims wait for them.
        load.tolerate(SMALL, &["table_missing", "no_available_id"]);
        run(before).await;
        load.more(SMALL, 200).await;
        run(remove).await;
        load.until_refused(SMALL).await;
        load.more(LARGE, 300).await;
        let small = server.until("/health?biz_tag=small", 503, PATIENCE).await;
        assert_eq!(small.code(), "table_missing");
        assert_eq!(server.get("/health?biz_tag=large").await.status, 200);
        assert_eq!(server.get("/health").await.status, 200);
        assert_eq!(server.get("/livez").await.status, 200);
        let ready = server.until("/readyz", 503, PATIENCE).await;
        assert_eq!(ready.code(), "table_missing");
        assert_eq!(server.metric("id_alloc_store_up ").await, Some(0.0));
        // One that has nothing in memory can serve nobody.
        let health = unused.until("/health", 503, PATIENCE).await;
        assert_eq!(health.code(), "table_missing");

        run(&["RENAME TABLE kept TO segments"]).await;
        load.more(SMALL, 200).await;
        load.tolerate(SMALL, &[]);
        load.more(SMALL, 200).await;
        server.until("/readyz", 200, PATIENCE).await;
        server.until("/health?biz_tag=small", 200, PATIENCE).await;
        unused.until("/health", 200, PATIENCE).await;
    }
    load.end_checked(Vec::new()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_locked_row_holds_up_its_own_tag_alone() {
    let (_database, url) = own_database(&[("held", 0, 50), ("free", 0, 50)]).await;
    let server = Server::start(&[("database.url", url.as_str()), SEGMENT]).await;
    let plan = Plan {
        tags: &["held", "free"],
        ..PLAN
    };
    let (held, free) = (0, 1);
    let load = Load::start(std::slice::from_ref(&server), plan);
    load.more(held, 100).await;
    load.more(free, 100).await;
    load.tolerate(held, NONE_LEFT);
    let lock = "SELECT * FROM segments WHERE biz_tag = 'held' FOR UPDATE";
    let locker = executed(&url, &["BEGIN", lock]).await;
    load.until_refused(held).await;
    let stands = max_id(&url, "held").await;
    for _ in 0..3 {
        let before = max_id(&url, "free").await;
        eventually("a claim of the other tag", PATIENCE, async || {
            let now = max_id(&url, "free").await;
            (now > before).then_some(())
        })
        .await;
        load.more(free, 100).await;
    }
    assert_eq!(max_id(&url, "held").await, stands);
    locker.execute_unprepared("COMMIT").await.unwrap();
    load.more(held, 200).await;
    load.tolerate(held, &[]);
    load.more(held, 200).await;
    load.end_checked(Vec::new()).await;
}
