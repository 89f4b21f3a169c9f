//! Behind real nginx with `deploy/nginx.conf`: it asks no `/health`, so each request that fails must
//! find another server by itself.

use crate::support::callers::Callers;
use crate::support::database::TestDatabase;
use crate::support::http::send;
use crate::support::nginx::Nginx;
use crate::support::ports::reserved_port;
use crate::support::proxy::{Link, Proxy};
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually};

const TAGS: &[&str] = &["order", "invoice"];
const CALLERS: usize = 8;
const END: &str = "UPDATE segments SET max_id = 9223372036854775807 WHERE biz_tag = 'last'";

/// Servers on ports to which they can come back.
struct Fleet {
    url: String,
    ports: [String; 3],
    servers: [Server; 3],
}

impl Fleet {
    async fn on(url: &str) -> Self {
        let ports = [(); 3].map(|()| reserved_port().to_string());
        let servers = [
            start(url, &ports[0]).await,
            start(url, &ports[1]).await,
            start(url, &ports[2]).await,
        ];
        Self {
            url: url.to_owned(),
            ports,
            servers,
        }
    }

    fn bases(&self) -> [&str; 3] {
        self.servers.each_ref().map(|server| server.base.as_str())
    }

    /// Waits for the end of one that was sent a signal, and starts it again.
    async fn again(&mut self, number: usize) -> Option<i32> {
        let status = self.servers[number].ended().await;
        self.servers[number] = start(&self.url, &self.ports[number]).await;
        status.code()
    }
}

async fn start(url: &str, port: &str) -> Server {
    let settings = [
        ("database.url", url),
        ("server.port", port),
        ("server.drain_delay", "300ms"),
    ];
    Server::start(&settings).await
}

fn as_shipped(site: String) -> String {
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nginx"]
async fn restarts_and_crashes_behind_nginx_cost_no_request() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("invoice", 0, 100)]).await;
    let mut fleet = Fleet::on(&database.url()).await;
    let nginx = Nginx::before(fleet.bases(), as_shipped).await;
    let callers = Callers::start(&nginx.base, TAGS, CALLERS);
    for (signal, code) in [("TERM", Some(0)), ("KILL", None)] {
        for number in 0..3 {
            callers.more(100).await;
            fleet.servers[number].signal(signal);
            assert_eq!(fleet.again(number).await, code);
        }
    }
    callers.more(100).await;
    callers.end().await;
    let log = nginx.log();
    assert!(log.contains("while connecting to upstream"), "none met one");
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn a_server_without_ids_and_database_behind_nginx_costs_no_request() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100)]).await;
    let (link, url) = Proxy::before(&database.url()).await;
    let alone = Server::on(&url).await;
    let others = [
        Server::on(&database.url()).await,
        Server::on(&database.url()).await,
    ];
    let bases = [&alone, &others[0], &others[1]].map(|server| server.base.as_str());
    let nginx = Nginx::before(bases, as_shipped).await;
    link.set(Link::Cut);
    let refused = r#"http_requests_total{method="GET",route="/alloc",status="503"}"#;
    let before = alone.metric(refused).await.unwrap_or(0.0);
    let callers = Callers::start(&nginx.base, &["order"], 4);
    let posts = r#"http_requests_total{method="POST",route="/alloc",status="503"}"#;
    eventually("refusals of both methods", PATIENCE, async || {
        let gets = alone.metric(refused).await.unwrap_or(0.0) > before;
        (gets && alone.metric(posts).await.unwrap_or(0.0) > 0.0).then_some(())
    })
    .await;
    callers.end().await;
}

/// Why `max_fails=0`: see deploy/nginx.conf.
#[tokio::test]
#[ignore = "needs nginx"]
async fn one_tag_that_is_used_up_takes_no_server_out_of_nginx() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("order", 0, 100), ("last", 0, 100)]).await;
    database.execute(&[END]).await;
    let fleet = Fleet::on(&database.url()).await;
    let nginx = Nginx::before(fleet.bases(), as_shipped).await;
    let client = reqwest::Client::new();
    for _ in 0..20 {
        let path = "/alloc?biz_tag=last";
        let answer = send(&client, &nginx.base, "GET", path, None).await.unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "tag_exhausted")
        );
        let path = "/alloc?biz_tag=order";
        let answer = send(&client, &nginx.base, "GET", path, None).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    // What it would be without: that tag alone sets the servers aside, one after the other.
    let counting = |site: String| site.replace("max_fails=0", "max_fails=1");
    let other = Nginx::before(fleet.bases(), counting).await;
    for _ in 0..3 {
        let path = "/alloc?biz_tag=last";
        send(&client, &other.base, "GET", path, None).await.unwrap();
    }
    let path = "/alloc?biz_tag=order";
    let answer = send(&client, &other.base, "GET", path, None).await.unwrap();
    let refused = (answer.status, answer.code());
    assert_eq!(refused, (503, "no_available_id".to_owned()));
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn without_any_server_callers_of_nginx_get_a_refusal_that_they_can_read() {
    let nobody = [(); 3].map(|()| format!("127.0.0.1:{}", reserved_port()));
    let nginx = Nginx::before(nobody.each_ref().map(String::as_str), as_shipped).await;
    let client = reqwest::Client::new();
    for (path, status, code) in [
        ("/alloc?biz_tag=order", 503, "no_available_id"),
        ("/metrics", 404, "not_found"),
    ] {
        let answer = send(&client, &nginx.base, "GET", path, None).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
}
