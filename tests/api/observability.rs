//! A real Prometheus scrapes real servers: its tools accept our metrics and rules, each panel of the
//! dashboards shows data, and what happens to the servers is seen there.

use crate::support::database::TestDatabase;
use crate::support::http::send;
use crate::support::prometheus::{Prometheus, dashboards, promtool};
use crate::support::proxy::{Link, Proxy};
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually};
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinSet;

/// Expressions that have no value on healthy servers under load, by the title of their panel. For each
/// the test makes the condition under which it has one.
const EMPTY_WHEN_HEALTHY: [&str; 1] = ["Refusals by code"];

/// One expression of a panel, its variables filled in as Grafana would where all is chosen.
struct Query {
    dashboard: &'static str,
    panel: String,
    expression: String,
}

fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for dashboard in ["overview", "tag"] {
        let file = dashboards().join(dashboard).with_extension("json");
        let text = std::fs::read_to_string(file).unwrap();
        let board: Value = serde_json::from_str(&text).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expression = target["expr"].as_str().unwrap();
                let filled = expression
                    .replace("$__rate_interval", "5s")
                    .replace("$__range", "1m")
                    .replace("$job", ".*")
                    .replace("$instance", ".*")
                    .replace("$biz_tag", ".*");
                assert!(!filled.contains('$'), "a variable unknown here: {filled}");
                queries.push(Query {
                    dashboard,
                    panel: panel["title"].as_str().unwrap().to_owned(),
                    expression: filled,
                });
            }
        }
    }
    queries
}

/// The first expression of the panel of that title on the overview.
fn overview(title: &str) -> String {
    let mut queries = queries().into_iter();
    let found = queries.find(|query| query.dashboard == "overview" && query.panel == title);
    found
        .unwrap_or_else(|| panic!("no panel {title}"))
        .expression
}

fn authority(server: &Server) -> &str {
    server.base.trim_start_matches("http://")
}

#[tokio::test]
#[ignore = "needs Prometheus"]
async fn promtool_accepts_our_metrics() {
    let server = Server::start(&[]).await;
    server.ids("test", 10).await;
    server.get("/alloc?biz_tag=nope").await;
    server.get("/nowhere").await;
    let metrics = server.get("/metrics").await.body;
    promtool(&["check", "metrics"], &metrics);
}

/// Prometheus sees the rise of a counter only from its second sample on.
#[tokio::test]
async fn series_with_known_labels_start_at_0() {
    let server = Server::start(&[]).await;
    for series in [
        r#"http_requests_total{method="GET",route="/alloc",status="200"} "#,
        r#"http_requests_total{method="POST",route="/alloc",status="503"} "#,
        r#"http_request_duration_seconds_count{route="/alloc"} "#,
        r#"id_alloc_requests_rejected_total{code="overloaded"} "#,
        r#"id_alloc_segment_loads_total{outcome="moved"} "#,
        r#"id_alloc_actor_restarts_total{actor="loader",reason="panic"} "#,
        "id_alloc_max_id_regressions_total ",
        "id_alloc_failover_skips_total ",
    ] {
        assert_eq!(server.metric(series).await, Some(0.0), "{series}");
    }
}

#[test]
#[ignore = "needs Prometheus"]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    promtool(&["check", "config", "prometheus.yml"], "");
    promtool(&["check", "rules", "recording.yml", "alerts.yml"], "");
    promtool(&["test", "rules", "rules_test.yml"], "");
}

/// With a series of their own; the other two stand under `_other`.
const TAGS: [&str; 4] = ["order", "invoice", "message", "refund"];
const SERIES: &str = "2";

/// Two servers behind a link to the database that can be cut, and a Prometheus.
struct Scene {
    database: TestDatabase,
    proxy: Proxy,
    servers: Vec<Server>,
    prometheus: Prometheus,
    load: JoinSet<()>,
}

impl Scene {
    async fn set() -> Self {
        let database = TestDatabase::on_mariadb().await;
        prepare(&database.url(), &TAGS.map(|tag| (tag, 0, 10))).await;
        let (proxy, url) = Proxy::before(&database.url()).await;
        let settings = [
            ("database.url", url.as_str()),
            ("telemetry.max_tag_series", SERIES),
            ("limits.request_deadline", "500ms"),
            // Longer than the test: the server is seen draining, then killed.
            ("server.drain_delay", "10m"),
        ];
        let servers = vec![
            Server::start(&settings).await,
            Server::start(&settings).await,
        ];
        let targets: Vec<&str> = servers.iter().map(authority).collect();
        // Before any load, so that it sees every counter rise.
        let prometheus = Prometheus::scraping(&targets).await;
        let mut load = JoinSet::new();
        for server in &servers {
            load.spawn(light_load(server.base.clone()));
        }
        Self {
            database,
            proxy,
            servers,
            prometheus,
            load,
        }
    }

    async fn until(&self, title: &str, wanted: impl Fn(f64) -> bool) {
        let expression = overview(title);
        let good = |sample: &crate::support::prometheus::Sample| wanted(sample.value);
        self.prometheus.until(&expression, good).await;
    }

    async fn until_fires(&self, alert: &str) {
        let expression = format!(r#"ALERTS{{alertname="{alert}", alertstate="firing"}}"#);
        self.prometheus.until(&expression, |_| true).await;
        self.until("Alerts firing", |count| count >= 1.0).await;
    }

    /// Takes so many orders at a time until the answer is `status`.
    async fn take_until(&self, server: &Server, count: usize, status: u16) {
        let path = format!("/alloc?biz_tag=order&count={count}");
        server.until(&path, status, PATIENCE).await;
    }
}

/// A few requests for each tag at a time, whatever they are answered with, until aborted.
async fn light_load(base: String) {
    let client = reqwest::Client::new();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    loop {
        for tag in TAGS {
            pace.tick().await;
            let path = format!("/alloc?biz_tag={tag}&count=5");
            let _ = send(&client, &base, "GET", &path, None).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs Prometheus"]
async fn each_panel_shows_data_of_healthy_servers_and_what_happens_to_them() {
    let mut scene = Scene::set().await;
    let prometheus = &scene.prometheus;
    for query in queries() {
        if EMPTY_WHEN_HEALTHY.contains(&query.panel.as_str()) {
            eventually(&query.panel, PATIENCE, async || {
                let found = prometheus.query(&query.expression).await;
                found.is_empty().then_some(())
            })
            .await;
        } else {
            prometheus.until(&query.expression, |_| true).await;
        }
    }
    let other = r#"id_alloc_supply_seconds{biz_tag="_other"}"#;
    prometheus.until(other, |_| true).await;

    // Healthy: the overview says so.
    let is = |wanted: f64| move |value: f64| (value - wanted).abs() < 1e-9;
    for (title, wanted) in [
        ("Servers down", 0.0),
        ("Errors", 0.0),
        ("Servers without database", 0.0),
        ("Guard", 1.0),
        ("Rows gone backwards", 0.0),
        ("Draining", 0.0),
    ] {
        scene.until(title, is(wanted)).await;
    }
    scene.until("Ids per second", |rate| rate > 1.0).await;
    scene
        .until("Shortest supply", |lasts| lasts > 0.0 && lasts.is_finite())
        .await;

    // An unknown tag is a caller's mistake: refused, and no error of ours.
    scene.servers[0].get("/alloc?biz_tag=nope").await;
    let refusals = overview("Refusals by code");
    let unknown = |code: &str| {
        let code = code.to_owned();
        move |sample: &crate::support::prometheus::Sample| {
            sample.labels["code"] == code && sample.value > 0.0
        }
    };
    prometheus.until(&refusals, unknown("unknown_tag")).await;

    // Somebody lowers max_id.
    let lower = "UPDATE segments SET max_id = 1 WHERE biz_tag = 'order'";
    scene.database.execute(&[lower]).await;
    let rows = overview("Rows gone backwards");
    eventually("a regression", PATIENCE, async || {
        // Whichever server claims first notices.
        scene.take_until(&scene.servers[0], 10_000, 200).await;
        let seen = prometheus.query(&rows).await;
        seen.iter().any(|rows| rows.value > 0.5).then_some(())
    })
    .await;
    scene.until_fires("IdAllocRowWentBackwards").await;

    // The database is gone, and the ids in memory run out.
    scene.proxy.set(Link::Cut);
    scene.until("Servers without database", is(2.0)).await;
    for count in [10_000, 1000, 100, 10, 1] {
        scene.take_until(&scene.servers[0], count, 503).await;
    }
    scene.until_fires("IdAllocSupplyRunningOut").await;
    scene.until("Errors", |share| share > 0.0).await;
    scene.until("Shortest supply", |lasts| lasts < 60.0).await;
    scene
        .until("Callers waiting", |callers| callers >= 1.0)
        .await;
    prometheus
        .until(&refusals, unknown("no_available_id"))
        .await;
    scene.proxy.set(Link::Up);
    scene.until("Servers without database", is(0.0)).await;

    // A server is told to stop, another dies.
    scene.servers[1].signal("TERM");
    scene.until("Draining", is(1.0)).await;
    scene.servers.swap_remove(0).kill();
    scene.until("Servers down", is(1.0)).await;
    scene.load.shutdown().await;
}
