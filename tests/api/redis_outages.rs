//! Redis' clients while the database hangs or is dead, and when the server itself ends.

use super::redis_limits::server;
use crate::support::checks::assert_distinct;
use crate::support::database::TestDatabase;
use crate::support::proxy::{Link, Proxy};
use crate::support::redis::{Redis, Said, request};
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually, full};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A database that takes connections and never says a word, and a server on it with such a deadline for each request.
async fn hung(deadline: &str) -> (TcpListener, Server, String) {
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mysql://root@{}/ids", database.local_addr().unwrap());
    let settings = [
        ("database.url", url.as_str()),
        ("database.acquire_timeout", "100ms"),
        ("limits.request_deadline", deadline),
    ];
    let (server, address) = server(&settings).await;
    (database, server, address)
}

#[tokio::test]
async fn what_was_answered_is_sent_before_a_command_waits() {
    let (_database, _server, address) = hung("60s").await;
    let mut redis = Redis::connect(&address).await;
    redis
        .send(b"ECHO first\r\nECHO second\r\nINCR test\r\nECHO third\r\n")
        .await;
    // The third waits for longer than these are waited for.
    assert_eq!(redis.said().await, Said::Text("first".to_owned()));
    assert_eq!(redis.said().await, Said::Text("second".to_owned()));
}

#[tokio::test]
async fn commands_that_came_together_wait_for_one_deadline_and_say_why_they_failed() {
    let (_database, server, address) = hung("1s").await;
    let mut redis = Redis::connect(&address).await;
    redis.send(&b"INCR test\r\n".repeat(300)).await;
    redis.send(b"PING\r\n").await;
    let all = async {
        for _ in 0..300 {
            let error = match redis.said().await {
                Said::Error(error) => error,
                said => panic!("{said:?}"),
            };
            assert!(error.starts_with("TRYAGAIN no available id: "), "{error}");
            assert!(error.ends_with("(no_available_id)"), "{error}");
        }
        assert_eq!(redis.said().await, Said::Simple("PONG".to_owned()));
    };
    // One after the other they would take five minutes.
    tokio::time::timeout(2 * PATIENCE, all)
        .await
        .expect("all answers");
    let failed = "request failed route=\"redis\" command=\"incr\" code=\"no_available_id\"";
    // Lines are written by a thread of their own.
    eventually("a line in the log", PATIENCE, async || {
        server.stderr().contains(failed).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn ids_in_memory_are_answered_while_the_database_is_dead_and_after_it_came_back() {
    for database in TestDatabase::on_all().await {
        prepare(&database.url(), &[("test", 0, 100_000), ("small", 0, 10)]).await;
        let (link, url) = Proxy::before(&database.url()).await;
        let (_server, address) = server(&[("database.url", &url)]).await;
        let mut redis = Redis::connect(&address).await;
        let mut ids = vec![redis.id("INCR test").await];
        link.set(Link::Cut);
        for _ in 0..50 {
            redis.send(&request("INCR test").repeat(100)).await;
            for _ in 0..100 {
                match redis.said().await {
                    Said::Integer(id) => ids.push(id),
                    said => panic!("{said:?}"),
                }
            }
        }
        let error = redis.error("INCR small").await;
        assert!(error.starts_with("TRYAGAIN "), "{error}");
        link.set(Link::Up);
        let is_id = |said: &Said| matches!(said, Said::Integer(_));
        redis.until("INCR small", is_id).await;
        ids.push(redis.id("INCR test").await);
        assert!(ids.windows(2).all(|two| two[0] < two[1]), "in order");
    }
}

/// Asks until no connection can be made any more, over one connection for as long as it is open.
async fn ask_until_the_end(
    address: String,
    draining: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
) -> (Vec<i64>, usize) {
    let (mut ids, mut lost) = (Vec::new(), 0);
    loop {
        let Ok(stream) = TcpStream::connect(&address).await else {
            assert!(draining.load(Ordering::SeqCst), "refused while it serves");
            return (ids, lost);
        };
        let mut redis = Redis::over(stream);
        // As pools do: a connection that is closed already is not asked.
        while !redis.is_over() {
            let Some(id) = redis.try_id("INCR test").await else {
                lost += 1;
                break;
            };
            ids.push(id);
            asked.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_answers_what_was_asked_closes_who_is_idle_and_fails_pings() {
    for round in 0..if full() { 10 } else { 2 } {
        let (mut server, address) = server(&[
            ("server.drain_delay", "300ms"),
            ("server.grace_period", "60s"),
            ("limits.request_deadline", "60s"),
        ])
        .await;
        let (draining, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            clients.spawn(ask_until_the_end(
                address.clone(),
                draining.clone(),
                asked.clone(),
            ));
        }
        let mut idle = Redis::connect(&address).await;
        let mut half = Redis::connect(&address).await;
        half.send(b"INCR te").await;
        eventually("the load", PATIENCE, async || {
            (asked.load(Ordering::SeqCst) > 200).then_some(())
        })
        .await;
        draining.store(true, Ordering::SeqCst);
        server.signal("TERM");
        let mut pinging = Redis::connect(&address).await;
        let refused = |said: &Said| matches!(said, Said::Error(_));
        let said = pinging.until("PING", refused).await;
        let expected = "TRYAGAIN the server is shutting down (shutting_down)";
        assert_eq!(said, Said::Error(expected.to_owned()));
        idle.is_closed().await;
        half.is_closed().await;
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
        let mut ids = Vec::new();
        while let Some(seen) = clients.join_next().await {
            let (seen, lost) = seen.expect("a client failed");
            // Redis' protocol has no word for leaving: a command may cross the end of its connection, one for each.
            assert!(lost <= 1, "round {round}: {lost} of {}", seen.len());
            ids.extend(seen);
        }
        assert_distinct(&ids);
    }
}
