//! CosId's callers: their requests as captured, from several connections through a restart; names, steps, refusals.

use crate::support::admin::{Client, TokenFile, new_token, write};
use crate::support::caller::Caller;
use crate::support::local::Local;
use crate::support::raw::{connect, response, status};
use crate::support::server::{Server, prepare};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const ON: (&str, &str) = ("wire.cosid", "true");

/// As CosId's client sends it, captured from the JDK's `HttpClient`.
fn captured(method: &str, path: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 0\r\nHost: 127.0.0.1:8688\r\n\
         HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\nUser-Agent: Java-http-client/17.0.15\r\n\r\n"
    )
}

/// A client that keeps its connection, as the JDK's does.
struct Java<'a> {
    server: &'a Caller,
    stream: Option<TcpStream>,
}

impl<'a> Java<'a> {
    fn new(server: &'a Caller) -> Self {
        Self {
            server,
            stream: None,
        }
    }

    async fn send(&mut self, method: &str, path: &str) -> String {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.server).await,
        };
        let request = captured(method, path);
        stream.write_all(request.as_bytes()).await.unwrap();
        let said = response(&mut stream).await;
        let head = said.to_lowercase();
        if !head.contains("connection: close") && !head.contains("connection: upgrade") {
            self.stream = Some(stream);
        }
        said
    }

    /// The last of `step` more ids.
    async fn next(&mut self, name: &str, step: i64) -> i64 {
        let said = self
            .send("PATCH", &format!("/segments/{name}?step={step}"))
            .await;
        assert_eq!(status(&said), 200, "{said}");
        assert!(
            said.to_lowercase()
                .contains("content-type: application/json\r\n"),
            "{said}"
        );
        let (_, body) = said.split_once("\r\n\r\n").unwrap();
        body.parse().expect(body)
    }

    async fn start(&mut self, name: &str) {
        let said = self
            .send(
                "POST",
                &format!("/segments/distributor/{name}?offset=0&step=100"),
            )
            .await;
        assert_eq!(status(&said), 200, "{said}");
        assert!(said.ends_with("\r\n\r\n"), "{said}");
    }
}

/// What four clients take of `name`, with steps that double as under demand and are single when idle: first, last.
async fn taken(server: &Caller, name: &str, ids: i64) -> Vec<(i64, i64)> {
    let clients = (0..4).map(async |_| {
        let mut client = Java::new(server);
        client.start(name).await;
        let (mut ranges, mut sum) = (Vec::new(), 0);
        while sum < ids / 4 {
            for step in [200, 400, 800, 1600, 3200, 100, 1, 100] {
                let last = client.next(name, step).await;
                ranges.push((last - step + 1, last));
                sum += step;
            }
        }
        ranges
    });
    futures_util::future::join_all(clients).await.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_ids_of_its_clients_are_distinct_through_a_restart() {
    let directory = Arc::new(TempDir::new().unwrap());
    let server = Server::start_in(directory.clone(), &[ON]).await;
    let name = "shop/__share__";
    let mut ranges = taken(&server, name, 500_000).await;
    server.kill();
    let server = Server::start_in(directory, &[ON]).await;
    ranges.extend(taken(&server, name, 500_000).await);
    ranges.sort_unstable();
    let sum: i64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
    assert!(sum >= 1_000_000, "{sum}");
    assert!(ranges[0].0 >= 1, "{:?}", ranges[0]);
    for pair in ranges.windows(2) {
        assert!(pair[0].1 < pair[1].0, "{pair:?}");
    }
    let answered = server
        .metric("id_alloc_ids_answered_total{interface=\"cosid\"}")
        .await;
    assert!(answered.unwrap() >= 500_000.0);
}

#[tokio::test]
async fn names_of_a_namespace_and_of_a_day_are_made_as_they_are_asked_for_and_kept_apart() {
    let server = Local::start(&[ON]).await;
    let mut client = Java::new(&server);
    client.start("shop/daily%4020261126").await;
    assert_eq!(
        client.next("shop/daily%4020261126", 10).await,
        10,
        "it begins at 1"
    );
    let said = client
        .send("POST", "/segments/distributor/shop/high?offset=5000&step=7")
        .await;
    assert_eq!(status(&said), 200, "{said}");
    assert_eq!(client.next("shop/high", 100).await, 5100);
    // A second offset says nothing.
    client.start("shop/high").await;
    assert!(client.next("shop/high", 1).await > 5100);
    // Nobody said that it would be used.
    assert_eq!(client.next("shop/unsaid", 3).await, 3);
    assert!(client.next("shop/daily%4020261126", 1).await > 10);
    assert!(server.ids("shop.daily@20261126", 1).await[0] > 11);
}

#[tokio::test]
async fn every_step_is_honoured_to_the_id_whatever_the_rows_step() {
    let server = Local::start(&[ON]).await;
    let mut client = Java::new(&server);
    let mut last = 0;
    for step in [1, 999, 1000, 1001, 7, 250_000, 1, 500_000] {
        let end = client.next("a/b", step).await;
        assert!(end - step >= last, "{end} after {last}, step {step}");
        last = end;
    }
}

#[tokio::test]
async fn what_cannot_be_given_is_refused_in_its_shape() {
    let server = Local::start(&[ON, ("limits.max_range", "1000")]).await;
    let mut client = Java::new(&server);
    for (method, path, code) in [
        ("PATCH", "/segments/a/b?step=0", 400),
        ("PATCH", "/segments/a/b?step=-1", 400),
        ("PATCH", "/segments/a/b?step=1001", 400),
        ("PATCH", "/segments/a/b?step=9223372036854775808", 400),
        ("PATCH", "/segments/a/b?step=x", 400),
        ("PATCH", "/segments/a/b?step=", 400),
        ("PATCH", "/segments/_a/b?step=1", 400),
        ("PATCH", "/segments/a/%ff?step=1", 400),
        (
            "PATCH",
            "/segments/a/a-name-that-is-longer-than-the-column?step=1",
            400,
        ),
        ("POST", "/segments/distributor/a/b?offset=-1&step=100", 400),
        (
            "POST",
            "/segments/distributor/a/b?offset=9223372036854775807&step=100",
            400,
        ),
        ("POST", "/segments/distributor/a/b?offset=0&step=0", 400),
        ("GET", "/segments/a/b?step=1", 405),
    ] {
        let said = client.send(method, path).await;
        assert_eq!(status(&said), code, "{path}: {said}");
        let (_, body) = said.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).expect(&said);
        assert_eq!(
            (&body["code"], &body["errors"]),
            (&"500".into(), &serde_json::json!([]))
        );
        assert!(!body["msg"].as_str().unwrap().is_empty(), "{said}");
    }
    assert_eq!(
        server.get("/alloc?biz_tag=a.b").await.status,
        404,
        "nothing was made"
    );
}

#[tokio::test]
async fn a_tag_that_an_operator_deleted_is_not_made_again_by_being_asked_for() {
    let tokens = TokenFile::new().await;
    let server = Local::start(&[ON, ("admin.tokens_file", &tokens.text())]).await;
    let mut client = Java::new(&server);
    assert_eq!(client.next("a/b", 5).await, 5);
    let admin = Client::new(&server.base, &tokens.both);
    admin
        .done(200, "DELETE", "/admin/v1/tags/a.b?confirm=a.b", None)
        .await;
    for (method, path) in [
        ("PATCH", "/segments/a/b?step=1"),
        ("POST", "/segments/distributor/a/b?offset=0&step=1"),
    ] {
        let said = client.send(method, path).await;
        assert_eq!(status(&said), 404, "{said}");
    }
}

#[tokio::test]
async fn only_who_may_ask_for_ids_of_a_tag_may_have_it_made() {
    let (token, entry) = new_token(&["shop", "--tags", "shop.*"]).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens.toml");
    write(&file, &entry);
    let file = file.display().to_string();
    let server = Local::start(&[ON, ("alloc.tokens_file", &file)]).await;
    let client = Client::new(&server.base, &token);
    let made = client
        .send("PATCH", "/segments/shop/a?step=9", &[], None)
        .await;
    assert_eq!((made.status, made.body.as_str()), (200, "9"));
    let other = client
        .send("PATCH", "/segments/other/a?step=9", &[], None)
        .await;
    assert_eq!(other.status, 403);
    let nobody = server
        .try_send("PATCH", "/segments/shop/b?step=9", None)
        .await
        .unwrap();
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn a_second_server_knows_a_tag_at_once_that_the_first_has_made() {
    let directory = TempDir::new().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("ids.db").display()
    );
    prepare(&url, &[]).await;
    let settings = [
        ON,
        ("database.url", &*url),
        ("limits.unknown_tag_ttl", "60s"),
    ];
    let (one, other) = (Local::start(&settings).await, Local::start(&settings).await);
    assert_eq!(other.get("/alloc?biz_tag=a.b").await.status, 404);
    Java::new(&one).start("a/b").await;
    assert!(Java::new(&other).next("a/b", 10).await >= 10);
}
