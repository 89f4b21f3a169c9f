//! Thousands of tags at once, names that nobody made, one hot tag: what the database sees of it is
//! bounded, and everyone is served.

use crate::support::checks::assert_distinct;
use crate::support::database::{TestDatabase, connect};
use crate::support::flavour::Flavour;
use crate::support::http::send;
use crate::support::own_database::{OwnDatabase, value};
use crate::support::server::{Server, prepare};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// A MariaDB whose counters nobody else moves, with the database `ids`, and a way to look at them.
async fn own() -> (OwnDatabase, DatabaseConnection, String) {
    let database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let url = database.holding(&[]).await;
    let look = connect(&url).await;
    (database, look, url)
}

/// A counter of the server.
async fn status(look: &DatabaseConnection, name: &str) -> i64 {
    let sql = format!(
        "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
         WHERE variable_name = '{name}'"
    );
    value(look, &sql).await
}

/// Makes the tags `t0` to `t{count - 1}` with one statement.
async fn make_tags(look: &DatabaseConnection, table: &str, count: usize, step: i64) {
    let rows: Vec<String> = (0..count)
        .map(|tag| format!("('t{tag}', 0, {step})"))
        .collect();
    let rows = rows.join(",");
    let sql = format!("INSERT INTO {table} (biz_tag, max_id, step) VALUES {rows}");
    look.execute_unprepared(&sql).await.unwrap();
}

/// Asks for each of the tags `t0` to `t{tags - 1}` `times` times over `clients` connections. Every
/// request must be served.
async fn ask_each(base: &str, tags: usize, times: usize, clients: usize) -> Vec<Vec<i64>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut asking = JoinSet::new();
    for _ in 0..clients {
        let (base, next) = (base.to_owned(), next.clone());
        asking.spawn(async move {
            let client = reqwest::Client::new();
            let mut found = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= tags * times {
                    return found;
                }
                let tag = number % tags;
                let path = format!("/alloc?biz_tag=t{tag}");
                let answer = send(&client, &base, "GET", &path, None).await.unwrap();
                assert_eq!(answer.status, 200, "t{tag}: {}", answer.body);
                found.push((tag, answer.ids()[0]));
            }
        });
    }
    let mut ids = vec![Vec::new(); tags];
    for (tag, id) in asking.join_all().await.into_iter().flatten() {
        ids[tag].push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB"]
async fn a_cold_start_of_thousands_of_tags_fails_no_request_and_keeps_to_max_connections() {
    let (_database, look, url) = own().await;
    let tags = if crate::support::full() {
        10_000
    } else {
        2_500
    };
    make_tags(&look, "ids.segments", tags, 10).await;
    let settings = [
        ("database.url", &*url),
        ("database.max_connections", "6"),
        // The number of connections is promised for a database that answers; nothing here may time out.
        ("database.statement_timeout", "60s"),
        ("database.acquire_timeout", "60s"),
        ("limits.request_deadline", "25s"),
    ];
    look.execute_unprepared("FLUSH STATUS").await.unwrap();
    let server = Server::start(&settings).await;
    let ids = ask_each(&server.base, tags, 2, 256).await;
    for (tag, ids) in ids.iter().enumerate() {
        assert_eq!(ids.len(), 2, "t{tag}");
        assert_distinct(ids);
    }
    // One of them looks; the server holds the highest number ever reached.
    let most = status(&look, "Max_used_connections").await - 1;
    assert!((2..=6).contains(&most), "{most} connections");
    let loaded = server.metric("id_alloc_tags_loaded ").await.unwrap();
    assert!((loaded - tags as f64).abs() < 0.5, "{loaded} loaded");
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_flood_of_unknown_names_costs_the_database_little() {
    let (_database, look, url) = own().await;
    let server = Server::start(&[
        ("database.url", &url),
        ("limits.unknown_tags", "50"),
        ("limits.unknown_tag_ttl", "10m"),
    ])
    .await;
    let ask = async |names: usize| {
        for name in 0..names {
            let answer = server.get(&format!("/alloc?biz_tag=no{name}")).await;
            assert_eq!((answer.status, &*answer.code()), (404, "unknown_tag"));
        }
    };
    // Everything that is bound to values, which is everything but some checks. A look is one itself.
    let statements = async || status(&look, "Com_stmt_execute").await;
    let before = statements().await;
    ask(50).await;
    let known = statements().await;
    assert!(known - before > 50, "each name is looked for once");
    for _ in 0..20 {
        ask(50).await;
    }
    let more = statements().await - known;
    // A check now and then.
    assert!(more < 50, "{more} for 1000 requests");

    // One name more than can be remembered: the oldest is forgotten each time, so all are asked for.
    ask(51).await;
    let before = statements().await;
    ask(51).await;
    let more = statements().await - before;
    assert!(more > 25, "{more}: more are remembered");
    let loaded = async || {
        let loaded = server.metric("id_alloc_tags_loaded ").await;
        (loaded == Some(0.0)).then_some(())
    };
    crate::support::eventually("no name stays", crate::support::PATIENCE, loaded).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB"]
async fn a_flood_on_a_hot_tag_leaves_cold_tags_their_turn() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("hot", 0, 1)]).await;
    let look = connect(&database.url()).await;
    make_tags(&look, "segments", 200, 10).await;
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    let url = database.url();
    let settings = [
        ("database.url", &*url),
        ("database.max_connections", "3"),
        ("database.statement_timeout", "60s"),
        ("database.acquire_timeout", "60s"),
        ("limits.request_deadline", "25s"),
        // Claims stay small, so that the hot tag asks again and again.
        ("allocation.max_step", "100"),
    ];
    let server = Server::start(&settings).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut hot = JoinSet::new();
    for _ in 0..32 {
        let (base, over) = (server.base.clone(), over.clone());
        hot.spawn(async move {
            let client = reqwest::Client::new();
            let mut ids = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let path = "/alloc?biz_tag=hot&count=5";
                let answer = send(&client, &base, "GET", path, None).await.unwrap();
                ids.extend(answer.ids());
            }
            ids
        });
    }
    let counting = async {
        let mut most = 0;
        while !over.load(Ordering::Relaxed) {
            // Without its own.
            let sql = format!(
                "SELECT COUNT(*) - 1 FROM information_schema.processlist WHERE db = '{name}'"
            );
            most = most.max(value::<i64>(&look, &sql).await);
            tokio::task::yield_now().await;
        }
        most
    };
    let cold = async {
        let ids = ask_each(&server.base, 200, 3, 8).await;
        over.store(true, Ordering::Relaxed);
        ids
    };
    let (most, cold) = tokio::join!(counting, cold);
    assert!((1..=3).contains(&most), "{most} connections at once");
    for ids in cold {
        assert_eq!(ids.len(), 3);
        assert_distinct(&ids);
    }
    let hot: Vec<i64> = hot.join_all().await.into_iter().flatten().collect();
    assert!(hot.len() > 100, "the flood was one");
    assert_distinct(&hot);
}
