//! The database dies, hangs, comes back, is set up badly or is changed by hand; callers see nothing,
//! or a clear refusal, and never an id twice.

use crate::support::checks::assert_distinct;
use crate::support::database::TestDatabase;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use crate::support::proxy::{Link, Proxy};
use crate::support::server::{Server, prepare};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A private MariaDB with the database `ids` and the tag `test`, and a server that has ids in memory.
async fn serving(arguments: &[&str], step: i64) -> (OwnDatabase, Server, Vec<i64>) {
    let database = OwnDatabase::start(Flavour::MariaDb, arguments).await;
    let url = database.holding(&[("test", 0, step)]).await;
    let server = Server::on(&url).await;
    let ids = server.ids("test", 10).await;
    (database, server, ids)
}

/// 500 requests, none of which may fail or wait for the database.
async fn from_memory(server: &Server, ids: &mut Vec<i64>) {
    for _ in 0..500 {
        ids.extend(server.get("/alloc?biz_tag=test").await.ids());
    }
    assert_eq!(server.get("/health?biz_tag=test").await.status, 200);
    assert_eq!(server.get("/health").await.status, 200);
}

/// More than is in memory, once the database is there again.
async fn beyond_memory(server: &Server, ids: &mut Vec<i64>) {
    for _ in 0..6 {
        let path = "/alloc?biz_tag=test&count=10000";
        let answer = server.until(path, 200, Duration::from_secs(10)).await;
        ids.extend(answer.ids());
    }
    assert_distinct(ids);
    assert!(ids.is_sorted(), "ids of one server and one client increase");
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn ids_in_memory_survive_a_dead_database_and_go_on_after_its_restart() {
    let (mut database, server, mut ids) = serving(&[], 20_000).await;
    database.kill9();
    from_memory(&server, &mut ids).await;
    database.restart().await;
    beyond_memory(&server, &mut ids).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn ids_in_memory_survive_a_hung_database_and_go_on_when_it_wakes() {
    let (database, server, mut ids) = serving(&[], 20_000).await;
    database.stop().await;
    from_memory(&server, &mut ids).await;
    database.cont();
    beyond_memory(&server, &mut ids).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn when_memory_is_used_up_callers_wait_for_their_deadline_and_get_503() {
    let (mut database, server, mut ids) = serving(&[], 10).await;
    database.kill9();
    let refused = loop {
        let answer = server.get("/alloc?biz_tag=test").await;
        if answer.status != 200 {
            break answer;
        }
        ids.extend(answer.ids());
    };
    assert_eq!(refused.status, 503);
    assert_eq!(refused.code(), "no_available_id");
    assert_ne!(refused.header("retry-after"), "");
    let path = "/health?biz_tag=test";
    server.until(path, 503, Duration::from_secs(10)).await;
    assert_eq!(server.get("/livez").await.status, 200);
    database.restart().await;
    beyond_memory(&server, &mut ids).await;
    server.until("/health", 200, Duration::from_secs(10)).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_link_that_is_cut_slowed_or_hung_costs_no_id_twice() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, 10)]).await;
    let (proxy, url) = Proxy::before(&database.url()).await;
    let server = Server::on(&url).await;
    let mut ids = server.ids("test", 1).await;
    let links = [
        Link::Slow(Duration::from_millis(30)),
        Link::Cut,
        Link::Up,
        Link::Hung,
        Link::Up,
    ];
    for link in links {
        proxy.set(link);
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            let answer = server.get("/alloc?biz_tag=test&count=50").await;
            match answer.status {
                200 => ids.extend(answer.ids()),
                503 => assert!(matches!(link, Link::Cut | Link::Hung | Link::Up)),
                status => panic!("{status} on a link that is {link:?}: {}", answer.body),
            }
        }
    }
    beyond_memory(&server, &mut ids).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_database_with_autocommit_off_gives_no_id_twice() {
    let (database, first, mut ids) = serving(&["--autocommit=0"], 10).await;
    let second = Server::on(&format!("{}/ids", database.url())).await;
    for _ in 0..50 {
        ids.extend(second.ids("test", 20).await);
        ids.extend(first.ids("test", 20).await);
    }
    assert_distinct(&ids);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_max_id_lowered_by_hand_is_noticed_and_gives_no_id_twice() {
    for database in TestDatabase::on_all().await {
        prepare(&database.url(), &[("test", 0, 10)]).await;
        let servers = [
            Server::on(&database.url()).await,
            Server::on(&database.url()).await,
        ];
        let mut ids = Vec::new();
        for round in 0..30 {
            for server in &servers {
                ids.extend(server.ids("test", 100).await);
            }
            if round % 10 == 5 {
                database.execute(&["UPDATE segments SET max_id = 1"]).await;
            }
        }
        assert_distinct(&ids);
        let mut noticed = 0.0;
        for server in &servers {
            let series = "id_alloc_max_id_regressions_total ";
            noticed += server.metric(series).await.unwrap();
        }
        assert!(noticed >= 1.0, "no regression was counted");
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn with_step_10_and_256_connections_nothing_fails() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, 10)]).await;
    let server = Server::on(&database.url()).await;
    let mut clients = JoinSet::new();
    for _ in 0..256 {
        let base = server.base.clone();
        clients.spawn(async move {
            // A client of its own has a connection of its own.
            let client = reqwest::Client::new();
            let mut ids = Vec::new();
            for _ in 0..100 {
                let path = "/alloc?biz_tag=test";
                let answer = crate::support::http::send(&client, &base, "GET", path, None).await;
                ids.extend(answer.unwrap().ids());
            }
            assert!(ids.is_sorted());
            ids
        });
    }
    let ids: Vec<i64> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(ids.len(), 25_600);
    assert_distinct(&ids);
}
