//! Redis' clients that are slow, idle, deaf or too many, a database that hangs, and the server's own end.

use crate::support::checks::assert_distinct;
use crate::support::database::TestDatabase;
use crate::support::proxy::{Link, Proxy};
use crate::support::raw::{closed, descriptors, open_files};
use crate::support::redis::{Redis, Said, address, request};
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually, full};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A server, and where Redis' clients find it.
async fn server(settings: &[(&str, &str)]) -> (Server, String) {
    let address = address();
    let own = [("wire.redis.bind", address.as_str())];
    let server = Server::start(&[&own, settings].concat()).await;
    (server, address)
}

async fn unharmed(server: &Server, address: &str) {
    let mut redis = Redis::connect(address).await;
    let id = redis.id("INCR test").await;
    assert_eq!(redis.id("INCR test").await, id + 1);
    crate::support::raw::unharmed(server).await;
}

#[tokio::test]
async fn who_is_half_done_idle_or_does_not_log_in_is_closed_and_who_asks_is_not() {
    let tokens = tempfile::TempDir::new().unwrap();
    let file = tokens.path().join("tokens.toml");
    crate::support::admin::write(&file, "# nobody");
    let file = file.display().to_string();
    for (settings, sent) in [
        (
            [("server.header_timeout", "300ms")],
            &b"*2\r\n$4\r\nINCR"[..],
        ),
        ([("server.header_timeout", "300ms")], b"INCR te"),
        ([("server.header_timeout", "300ms")], b"PING\r\nINCR te"),
        ([("wire.redis.idle_timeout", "300ms")], b""),
        ([("wire.redis.idle_timeout", "300ms")], b"PING\r\n"),
        ([("alloc.tokens_file", file.as_str())], b""),
    ] {
        let short = [("server.header_timeout", "300ms")];
        let (server, address) = server(&[&short, &settings[..]].concat()).await;
        let mut redis = Redis::connect(&address).await;
        redis.send(sent).await;
        if sent.starts_with(b"PING") {
            assert_eq!(redis.said().await, Said::Simple("PONG".to_owned()));
        }
        redis.is_closed().await;
        // Nothing of it stays.
        eventually("it is forgotten", PATIENCE, async || {
            let open = server.metric("id_alloc_redis_connections").await;
            (open == Some(0.0)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_idle_connection_stays_where_nothing_limits_it() {
    let settings = [
        ("wire.redis.idle_timeout", "0s"),
        ("server.header_timeout", "100ms"),
    ];
    let (server, address) = server(&settings).await;
    let (mut first, mut other) = (
        Redis::connect(&address).await,
        Redis::connect(&address).await,
    );
    first.id("INCR test").await;
    // Longer than anything that is half done may take.
    other.send(b"*1\r\n").await;
    other.is_closed().await;
    first.id("INCR test").await;
    unharmed(&server, &address).await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_once_and_closed() {
    let (server, address) = server(&[]).await;
    let long = [
        b"*2\r\n$4\r\nINCR\r\n$100000\r\n".to_vec(),
        vec![b'x'; 100_000],
    ]
    .concat();
    let deep = "*1\r\n".repeat(100_000).into_bytes();
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nINCR test\r\n".to_vec();
    for (bytes, expected) in [
        (deep, "expected '$', got '*'"),
        (
            long,
            "a request is longer than 4096 bytes (limits.max_query)",
        ),
        (vec![b'x'; 5000], "a request is longer than 4096 bytes"),
        (b"*99999999\r\n".to_vec(), "invalid multibulk length"),
        (b"*1\r\n$-5\r\n".to_vec(), "invalid bulk length"),
        (post, "this port speaks the protocol of Redis, not HTTP"),
    ] {
        let mut redis = Redis::connect(&address).await;
        redis.send(b"PING\r\n").await;
        redis.said().await;
        redis.send(&bytes).await;
        match redis.said().await {
            Said::Error(text) => {
                let expected = format!("ERR Protocol error: {expected}");
                assert!(text.starts_with(&expected), "{text}");
            }
            said => panic!("{said:?}"),
        }
        redis.is_closed().await;
    }
    // A browser's GET is a command with too many words.
    let mut redis = Redis::connect(&address).await;
    redis.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(matches!(redis.said().await, Said::Error(_)));
    assert!(matches!(redis.said().await, Said::Error(_)));
    redis.is_closed().await;
    // Only the last of these lines was no part of it.
    assert_eq!(Redis::connect(&address).await.id("INCR test").await, 1);
    unharmed(&server, &address).await;
}

#[tokio::test]
async fn connections_leave_files_for_the_database_however_low_the_limit_on_open_files_is() {
    let address = address();
    let settings = [
        ("wire.redis.bind", address.as_str()),
        ("server.workers", "2"),
    ];
    let server = Server::with_files(160, &settings).await;
    server.says("few connections of Redis' clients").await;
    let (mut inside, mut refused) = (Vec::new(), 0);
    for _ in 0..160 {
        let mut redis = Redis::connect(&address).await;
        match redis.ask("PING").await {
            Said::Simple(_) => inside.push(redis),
            said => {
                let full = "ERR max number of clients reached";
                assert_eq!(said, Said::Error(full.to_owned()));
                refused += 1;
            }
        }
    }
    assert!(inside.len() >= 20 && refused > 0, "{} inside", inside.len());
    assert!(descriptors(&server) < 150, "{}", descriptors(&server));
    let Said::Text(info) = inside[0].ask("INFO clients").await else {
        panic!("no text");
    };
    let most = format!("maxclients:{}\r\n", inside.len());
    assert!(info.contains(&most), "{most}: {info}");
    // What is in memory is used up, so the database has to be asked, over a connection; HTTP is served too.
    for _ in 0..40 {
        inside[0].id("INCRBY test 10000").await;
    }
    assert_eq!(server.get("/livez").await.status, 200);
    drop(inside);
    unharmed(&server, &address).await;
}

#[tokio::test]
async fn more_connections_than_allowed_are_told_so_and_let_in_when_others_leave() {
    let (server, address) = server(&[("wire.redis.max_connections", "3")]).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut redis = Redis::connect(&address).await;
        redis.id("INCR test").await;
        open.push(redis);
    }
    for _ in 0..20 {
        let mut redis = Redis::connect(&address).await;
        let said = redis.said().await;
        assert_eq!(
            said,
            Said::Error("ERR max number of clients reached".to_owned())
        );
        redis.is_closed().await;
    }
    for redis in &mut open {
        redis.id("INCR test").await;
    }
    drop(open.pop());
    eventually("a place", PATIENCE, async || {
        let mut redis = Redis::connect(&address).await;
        redis.send(b"PING\r\n").await;
        (redis.said().await == Said::Simple("PONG".to_owned())).then_some(())
    })
    .await;
    drop(open);
    eventually("they left", PATIENCE, async || {
        let open = server.metric("id_alloc_redis_connections").await;
        (open == Some(0.0)).then_some(())
    })
    .await;
    unharmed(&server, &address).await;
}

#[tokio::test]
async fn who_never_reads_is_closed_and_holds_up_nobody() {
    let (server, address) = server(&[("server.write_timeout", "300ms")]).await;
    let mut deaf = TcpStream::connect(&address).await.unwrap();
    let mut other = Redis::connect(&address).await;
    let many = b"COMMAND\r\n".repeat(1000);
    // It takes in no more, and then nothing can be sent any more.
    let sending = async {
        while tokio::io::AsyncWriteExt::write_all(&mut deaf, &many)
            .await
            .is_ok()
        {
            other.id("INCR test").await;
        }
    };
    tokio::time::timeout(PATIENCE, sending)
        .await
        .expect("it is closed");
    other.id("INCR test").await;
    unharmed(&server, &address).await;
}

#[tokio::test]
async fn ten_thousand_idle_connections_lose_nothing() {
    let count = (open_files() / 3).clamp(100, 10_000);
    let (server, address) = server(&[("server.header_timeout", "60s")]).await;
    let before = descriptors(&server);
    let mut idle = Vec::with_capacity(count);
    for number in 0..count {
        let mut redis = Redis::connect(&address).await;
        match number % 10 {
            // Half a request.
            0 => redis.send(b"*2\r\n$4\r\nINCR\r\n$4\r\nte").await,
            1 => drop(redis.id("INCR test").await),
            _ => {}
        }
        idle.push(redis);
    }
    eventually("all of them", PATIENCE, async || {
        let open = server.metric("id_alloc_redis_connections").await;
        (open >= Some(count as f64 - 0.5)).then_some(())
    })
    .await;
    // Each of them is served: the one whose request was half there, too.
    let mut ids = Vec::new();
    for (number, redis) in idle.iter_mut().enumerate() {
        match number % 10 {
            0 => redis.send(b"st\r\n").await,
            _ => redis.send(&request("INCR test")).await,
        }
    }
    for redis in &mut idle {
        match redis.said().await {
            Said::Integer(id) => ids.push(id),
            said => panic!("{said:?}"),
        }
    }
    assert_distinct(&ids);
    drop(idle);
    eventually("they left", PATIENCE, async || {
        let open = server.metric("id_alloc_redis_connections").await;
        (open == Some(0.0)).then_some(())
    })
    .await;
    // What the database and this test hold open is far fewer.
    closed(&server, before + count / 2, PATIENCE).await;
    unharmed(&server, &address).await;
}

/// A database that takes connections and never says a word.
async fn hung_database() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mysql://root@{}/ids", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn what_was_answered_is_sent_before_a_command_waits() {
    let (_database, url) = hung_database().await;
    let (_server, address) = server(&[
        ("database.url", &url),
        ("database.acquire_timeout", "100ms"),
        ("limits.request_deadline", "60s"),
    ])
    .await;
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
    let (_database, url) = hung_database().await;
    let (server, address) = server(&[
        ("database.url", &url),
        ("database.acquire_timeout", "100ms"),
        ("limits.request_deadline", "1s"),
    ])
    .await;
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
