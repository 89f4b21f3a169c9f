//! What stands in the log: one line per change of state, not per retry, and what it means for callers.

use crate::support::database::{TestDatabase, connect};
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually};
use sea_orm::ConnectionTrait as _;
use std::sync::Arc;
use tempfile::TempDir;

fn count(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn an_outage_is_told_when_it_begins_and_when_it_ends_however_many_claims_fail() {
    let mut database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let url = database.holding(&[("test", 0, 10), ("other", 0, 10)]).await;
    let server = Server::start(&[
        ("database.url", url.as_str()),
        ("database.acquire_timeout", "500ms"),
        ("limits.request_deadline", "300ms"),
    ])
    .await;
    let path = "/alloc?biz_tag=test&count=50";
    server.until(path, 200, PATIENCE).await;
    let before = server.stderr().len();
    database.kill9();
    let failures = "id_alloc_segment_loads_total{outcome=\"transient\"} ";
    eventually("twenty claims that failed", PATIENCE, async || {
        for tag in ["nobody", "test", "other"] {
            server.get(&format!("/alloc?biz_tag={tag}")).await;
        }
        let failed = server.metric(failures).await?;
        (failed >= 20.0).then_some(())
    })
    .await;
    eventually("a server that has no ids left", PATIENCE, async || {
        for tag in ["test", "other"] {
            server.get(&format!("/alloc?biz_tag={tag}")).await;
        }
        (server.get("/health").await.status == 503).then_some(())
    })
    .await;
    let log = server.stderr().split_off(before);
    assert_eq!(count(&log, "claims fail"), 1, "{log}");
    assert_eq!(count(&log, "the database is lost"), 1, "{log}");
    assert_eq!(
        count(&log, "nobody lasts"),
        0,
        "a tag that never was: {log}"
    );
    assert_eq!(count(&log, "no segment can be claimed"), 0, "{log}");

    database.restart().await;
    server.until("/alloc?biz_tag=test", 200, PATIENCE).await;
    server.until("/health", 200, PATIENCE).await;
    let log = server.stderr().split_off(before);
    assert_eq!(count(&log, "claims succeed again"), 1, "{log}");
    assert_eq!(count(&log, "the database is back"), 1, "{log}");
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_broken_row_is_told_once_and_so_is_its_repair() {
    let database = crate::support::database::TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, 10)]).await;
    let server = Server::on(&database.url()).await;
    database.execute(&["UPDATE segments SET step = 0"]).await;
    let permanent = "id_alloc_segment_loads_total{outcome=\"permanent\"} ";
    eventually("three looks at the row", PATIENCE, async || {
        server.get("/alloc?biz_tag=test").await;
        (server.metric(permanent).await? >= 3.0).then_some(())
    })
    .await;
    let log = server.says("no segment can be claimed").await;
    assert_eq!(count(&log, "no segment can be claimed"), 1, "{log}");
    database.execute(&["UPDATE segments SET step = 10"]).await;
    server.until("/alloc?biz_tag=test", 200, PATIENCE).await;
    let log = server.says("segments can be claimed again").await;
    assert_eq!(count(&log, "segments can be claimed again"), 1, "{log}");
}

#[tokio::test]
async fn what_concerns_many_tags_is_told_of_a_few_and_the_others_are_counted() {
    const TAGS: usize = 40;
    let directory = Arc::new(TempDir::new().unwrap());
    let file = directory.path().join("ids.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let names: Vec<String> = (0..TAGS).map(|number| format!("t{number}")).collect();
    let rows: Vec<_> = names.iter().map(|name| (&**name, 0, 10)).collect();
    prepare(&url, &rows).await;
    let settings = [("database.url", url.as_str()), ("server.drain_delay", "0s")];
    let mut server = Server::start_in(directory, &settings).await;
    let database = connect(&url).await;
    let all = async |server: &Server, count: usize, status: u16| {
        for name in &names {
            let path = format!("/alloc?biz_tag={name}&count={count}");
            server.until(&path, status, PATIENCE).await;
        }
    };
    all(&server, 1, 200).await;
    let elsewhere = "UPDATE segments SET claimed_on = 'another server'";
    database.execute_unprepared(elsewhere).await.unwrap();
    all(&server, 20, 200).await;
    let moved = server.metric("id_alloc_failover_skips_total ").await;
    assert_eq!(moved, Some(TAGS as f64));
    let broken = "UPDATE segments SET step = 0";
    database.execute_unprepared(broken).await.unwrap();
    all(&server, 10_000, 500).await;
    server.signal("TERM");
    server.ended().await;
    let log = server.stderr();
    let moved = "the newest claim was made on another primary";
    for text in [moved, "no segment can be claimed"] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(text)).collect();
        let is_rest = |line: &&str| line.contains("and more tags");
        let (rest, written): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_rest);
        let counted = |line: &&str| {
            let number = line.split("lines=").nth(1)?.split(' ').next()?;
            number.parse::<usize>().ok()
        };
        let counted: usize = rest.iter().filter_map(counted).sum();
        assert_eq!(written.len() + counted, TAGS, "{log}");
        assert!(counted > 0, "{log}");
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_right_that_the_server_lacks_is_named_with_its_table() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, 10)]).await;
    let user = format!("narrow{:08x}", fastrand::u32(..));
    let make = format!("CREATE USER '{user}' IDENTIFIED BY 'p'");
    database.execute(&[&make]).await;
    for table in ["segments", "segments_heartbeat", "segments_claims"] {
        let grant = format!("GRANT SELECT, INSERT, UPDATE ON {table} TO '{user}'");
        database.execute(&[&grant]).await;
    }
    let mut url = url::Url::parse(&database.url()).unwrap();
    url.set_username(&user).unwrap();
    url.set_password(Some("p")).unwrap();
    let server = Server::start(&[
        ("database.url", url.as_str()),
        ("database.claim_records", "1d"),
    ])
    .await;
    let beside = "grant SELECT, INSERT and UPDATE on segments_servers and segments_drops";
    server.says(beside).await;
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    server.says("grant DELETE on segments_claims").await;
    database.execute(&[&format!("DROP USER '{user}'")]).await;
}
