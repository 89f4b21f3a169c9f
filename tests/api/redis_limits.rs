//! Redis' clients that are slow, idle, deaf, too many, or speak another protocol.

use crate::support::checks::assert_distinct;
use crate::support::raw::{closed, descriptors, open_files};
use crate::support::redis::{Redis, Said, address, request};
use crate::support::server::Server;
use crate::support::{PATIENCE, eventually};
use tokio::net::TcpStream;

/// A server, and where Redis' clients find it.
pub(super) async fn server(settings: &[(&str, &str)]) -> (Server, String) {
    let address = address();
    let own = [("wire.redis.bind", address.as_str())];
    let server = Server::start(&[&own, settings].concat()).await;
    (server, address)
}

/// Waits until no connection of Redis' clients is counted any more.
async fn nobody_is_left(server: &Server) {
    eventually("they left", PATIENCE, async || {
        let open = server.metric("id_alloc_redis_connections").await;
        (open == Some(0.0)).then_some(())
    })
    .await;
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
        nobody_is_left(&server).await;
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
    nobody_is_left(&server).await;
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
    nobody_is_left(&server).await;
    // What the database and this test hold open is far fewer.
    closed(&server, before + count / 2, PATIENCE).await;
    unharmed(&server, &address).await;
}
