//! Connections that are slow, idle, never read or come by the thousand: each is bounded, and when they
//! are gone the server is as it was.

use crate::support::local::Local;
use crate::support::ports::reserved_port;
use crate::support::raw::{
    closed, connect, descriptors, exchange, memory, open_files, response, status, unharmed,
};
use crate::support::server::Server;
use crate::support::{PATIENCE, eventually};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
const ONE: &[u8] = b"GET /alloc?biz_tag=test HTTP/1.1\r\nHost: a\r\n\r\n";
const MANY: &[u8] = b"GET /alloc?biz_tag=test&count=10000 HTTP/1.1\r\nHost: a\r\n\r\n";

/// Clients that send one of these again and again and never read, until the server disconnects them.
async fn deaf(server: &Server, requests: &[&'static [u8]]) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for request in requests {
        let mut stream = connect(server).await;
        let blob = request.repeat(1 + 65_536 / request.len());
        clients.spawn(async move { while stream.write_all(&blob).await.is_ok() {} });
    }
    clients
}

/// Waits until the server has disconnected all of them.
async fn disconnected(clients: JoinSet<()>) {
    let all = tokio::time::timeout(PATIENCE, clients.join_all()).await;
    all.expect("a client that never reads is still connected");
}

#[tokio::test]
async fn slow_headers_and_idle_connections_are_closed() {
    let settings = [
        ("server.header_timeout", "2s"),
        ("server.keep_alive", "500ms"),
    ];
    let server = Server::start(&settings).await;
    for part in [&b""[..], b"G", b"GET /livez HTTP/1.1\r\nHost: a\r\nX: "] {
        let said = exchange(&server, part, false).await;
        assert_eq!(status(&said), 408, "{part:?}: {said}");
    }
    // Reads to the end: the server closes, since the client does not.
    let said = exchange(&server, LIVEZ, false).await;
    assert_eq!(status(&said), 200, "{said}");

    let metrics = format!("127.0.0.1:{}", reserved_port());
    let settings = [
        ("server.keep_alive", "0s"),
        ("telemetry.metrics_bind", metrics.as_str()),
    ];
    let server = Server::start(&settings).await;
    let said = exchange(&server, LIVEZ, false).await;
    assert!(said.to_lowercase().contains("connection: close"), "{said}");
    // Every listener has the same limits.
    let scraped = reqwest::get(format!("http://{metrics}/metrics")).await;
    assert_eq!(scraped.unwrap().headers()["connection"], "close");
}

#[tokio::test]
async fn a_client_that_goes_quiet_within_a_later_request_or_a_body_is_disconnected() {
    let server = Local::start(&[
        ("server.header_timeout", "2s"),
        ("server.keep_alive", "500ms"),
        ("limits.request_deadline", "2s"),
    ])
    .await;
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (head, answer) in [
        (
            "GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /li".to_owned(),
            200,
        ),
        (
            "GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
                .to_owned(),
            200,
        ),
        (
            format!("POST /alloc HTTP/1.1\r\nHost: a\r\n{form}\r\nContent-Length: 99\r\n\r\nbiz"),
            408,
        ),
    ] {
        let said = exchange(&server, head.as_bytes(), false).await;
        assert_eq!(status(&said), answer, "{head:?}: {said}");
    }
    server.unharmed().await;
}

#[tokio::test]
async fn past_max_connections_a_client_waits_until_another_leaves() {
    let settings = [("server.max_connections", "2"), ("server.workers", "1")];
    let server = Local::start(&settings).await;
    let mut inside = [connect(&server).await, connect(&server).await];
    for stream in &mut inside {
        stream.write_all(LIVEZ).await.unwrap();
        response(stream).await;
    }
    let mut outside = connect(&server).await;
    outside.write_all(LIVEZ).await.unwrap();
    for _ in 0..50 {
        for stream in &mut inside {
            stream.write_all(LIVEZ).await.unwrap();
            assert_eq!(status(&response(stream).await), 200);
        }
    }
    let mut piece = [0; 1];
    let nothing = outside.try_read(&mut piece);
    assert!(nothing.is_err(), "a third connection was served");
    drop(inside);
    assert_eq!(status(&response(&mut outside).await), 200);
}

#[tokio::test]
async fn connections_leave_files_for_the_database_however_low_the_limit_on_open_files_is() {
    let server = Server::with_files(160, &[("server.workers", "1")]).await;
    server.says("limit on open files").await;
    // More clients than there are files; those that are not let in wait in the kernel.
    let mut clients = Vec::new();
    for _ in 0..160 {
        let mut stream = connect(&server).await;
        stream.write_all(LIVEZ).await.unwrap();
        clients.push(stream);
    }
    assert_eq!(status(&response(&mut clients[0]).await), 200);
    eventually("as many connections as are let in", PATIENCE, async || {
        (descriptors(&server) > 60).then_some(())
    })
    .await;
    // What is in memory is used up, so the database has to be asked: over a connection, for which there is a file.
    for _ in 0..40 {
        let stream = &mut clients[0];
        stream.write_all(MANY).await.unwrap();
        let said = response(stream).await;
        assert_eq!(status(&said), 200, "{said}");
    }
    assert!(descriptors(&server) < 150, "{}", descriptors(&server));
    drop(clients);
    unharmed(&server).await;
}

#[tokio::test]
async fn ten_thousand_pipelined_requests_are_answered_in_order() {
    let server = Local::start(&[]).await;
    let (mut read, mut write) = connect(&server).await.into_split();
    let sending = tokio::spawn(async move {
        for _ in 0..100 {
            write.write_all(&ONE.repeat(100)).await.unwrap();
        }
        // Kept open: only the answers may end the reading.
        write
    });
    let (mut said, mut piece) = (Vec::new(), vec![0; 65_536]);
    let mut counted = 0;
    while counted < 10_000 {
        let reading = read.read(&mut piece);
        let length = tokio::time::timeout(PATIENCE, reading).await;
        let length = length.expect("more answers").unwrap();
        assert!(length > 0, "closed after {counted} answers");
        said.extend_from_slice(&piece[..length]);
        counted = said.iter().filter(|byte| **byte == b'}').count();
    }
    let ids: Vec<i64> = String::from_utf8(said)
        .unwrap()
        .split("\"id\":")
        .skip(1)
        .map(|rest| rest[..rest.find('}').unwrap()].parse().unwrap())
        .collect();
    assert_eq!(ids, (1..=10_000).collect::<Vec<_>>());
    drop(sending.await.unwrap());
    server.unharmed().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_never_reads_is_disconnected() {
    let server = Server::start(&[("server.write_timeout", "1s")]).await;
    unharmed(&server).await;
    let before = descriptors(&server);
    // Long answers: short ones take minutes to fill the buffers of both kernels.
    disconnected(deaf(&server, &[MANY; 4]).await).await;
    closed(&server, before, PATIENCE).await;
    unharmed(&server).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_reads_slowly_is_not_disconnected() {
    let server = Local::start(&[("server.write_timeout", "1s")]).await;
    let mut stream = connect(&server).await;
    let count = 60;
    stream.write_all(&MANY.repeat(count)).await.unwrap();
    let (mut said, mut piece) = (0, vec![0; 65_536]);
    let mut bodies = 0;
    while bodies < count {
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "closed after {said} bytes");
        said += length;
        bodies += piece[..length].iter().filter(|byte| **byte == b'}').count();
        // Slower than the server in all, and longer than its timeout.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(said > count * 40_000);
}

#[tokio::test]
async fn thousands_of_half_open_connections_keep_nobody_out_and_are_closed() {
    let server = Server::start(&[]).await;
    unharmed(&server).await;
    let before = descriptors(&server);
    // Other tests of this process need files too.
    let count = (open_files() * 2 / 3).min(10_000);
    let mut open = Vec::new();
    for number in 0..count {
        let mut stream = connect(&server).await;
        if number % 2 == 0 {
            stream.write_all(b"GET /liv").await.unwrap();
        }
        open.push(stream);
        if number % 500 == 0 {
            assert_eq!(server.get("/alloc?biz_tag=test").await.status, 200);
        }
    }
    unharmed(&server).await;
    closed(&server, before, PATIENCE).await;
    drop(open);
    unharmed(&server).await;
}

/// Connections of every bad kind, all of which the server has got rid of at the end.
async fn abuse(server: &Server, before: usize) {
    let deaf = deaf(server, &[MANY; 3]).await;
    let mut held = Vec::new();
    for _ in 0..300 {
        let mut stream = connect(server).await;
        stream.write_all(b"POST /alloc HTTP/1.1\r\n").await.unwrap();
        held.push(stream);
    }
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(1_000_000));
    for number in 0..200 {
        exchange(server, b"\0\r\n\r\n", true).await;
        let unknown = format!("GET /alloc?biz_tag=no{number}&x=%zz HTTP/1.1\r\nHost: a\r\n\r\n");
        exchange(server, unknown.as_bytes(), true).await;
        if number % 30 == 0 {
            exchange(server, long.as_bytes(), false).await;
        }
    }
    disconnected(deaf).await;
    closed(server, before, PATIENCE).await;
    drop(held);
    unharmed(server).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn abuse_leaves_no_memory_behind() {
    let settings = [
        ("server.write_timeout", "1s"),
        ("server.header_timeout", "2s"),
    ];
    let server = Server::start(&settings).await;
    unharmed(&server).await;
    let before = descriptors(&server);
    // The first round fills what allocators and caches keep.
    abuse(&server, before).await;
    let settled = memory(&server);
    let rounds = if crate::support::full() { 20 } else { 1 };
    for _ in 0..rounds {
        abuse(&server, before).await;
    }
    let grown = memory(&server) - settled;
    assert!(grown < 4 * 1024, "grown by {grown} KiB from {settled} KiB");
    let loaded = async || (server.metric("id_alloc_tags_loaded ").await? < 2.0).then_some(());
    eventually("unknown tags gone", PATIENCE, loaded).await;
}
