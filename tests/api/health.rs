//! `/health`, `/livez`, `/readyz` and `/metrics`, as load balancers and Prometheus see them.

use crate::support::database::TestDatabase;
use crate::support::local::Local;
use crate::support::ports::reserved_port;
use crate::support::raw;
use crate::support::server::prepare;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_fresh_server_enters_a_load_balancer_that_polls_a_tag() {
    for database in TestDatabase::on_all().await {
        prepare(&database.url(), &[("test", 0, 100)]).await;
        let server = Local::on(&database.url()).await;
        // Nobody asked for an id: the poll alone loads the tag.
        let answer = server.get("/health?biz_tag=test").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let left = answer.json()["left"].as_i64().unwrap();
        assert!(left > 0, "{}", answer.body);
        let body = format!(r#"{{"errno":0,"msg":"success","left":{left}}}"#);
        assert_eq!(answer.body, body);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    }
}

#[tokio::test]
async fn health_counts_what_is_left_and_refuses_as_alloc_does() {
    let server = Local::start(&[]).await;
    let answer = server.get("/health").await;
    assert_eq!(
        answer.body, r#"{"errno":0,"msg":"success","left":0}"#,
        "no tag is in use"
    );
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    let before = server.get("/health?biz_tag=test").await.json()["left"]
        .as_i64()
        .unwrap();
    assert_eq!(server.ids("test", 10).await.len(), 10);
    let after = server.get("/health?biz_tag=test").await.json()["left"]
        .as_i64()
        .unwrap();
    assert_eq!(before - after, 10);
    assert_eq!(server.get("/health").await.json()["left"], after);

    let cases = [
        ("/health?biz_tag=nobody", 404, "unknown_tag"),
        ("/health?biz_tag=a%00b", 400, "invalid_biz_tag"),
    ];
    for (path, status, code) in cases {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.code(), code);
        assert_eq!(answer.json()["left"], 0);
    }
}

#[tokio::test]
async fn livez_and_readyz_are_200_on_a_server_that_serves_and_take_head() {
    let server = Local::start(&[]).await;
    server.until("/readyz", 200, Duration::from_secs(5)).await;
    for path in ["/livez", "/readyz", "/health", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
        let head = server.try_send("HEAD", path, None).await.unwrap();
        assert_eq!((head.status, head.body.as_str()), (200, ""), "HEAD {path}");
        let options = server.try_send("OPTIONS", path, None).await.unwrap();
        assert!(options.status < 300, "OPTIONS {path}: {}", options.status);
        let post = server.try_send("POST", path, None).await.unwrap();
        assert_eq!(post.status, 405, "POST {path}");
        assert!(post.header("allow").contains("GET"), "POST {path}");
    }
}

#[tokio::test]
async fn metrics_count_the_ids_of_each_tag() {
    let server = Local::start(&[]).await;
    server.ids("test", 7).await;
    let answer = server.get("/metrics").await;
    assert!(answer.header("content-type").starts_with("text/plain"));
    let line = r#"id_alloc_ids_allocated_total{biz_tag="test"} 7"#;
    assert!(answer.body.lines().any(|l| l == line), "{}", answer.body);
    server.ids("test", 3).await;
    let series = r#"id_alloc_ids_allocated_total{biz_tag="test"}"#;
    assert_eq!(server.metric(series).await, Some(10.0));
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_missing_table_is_said_and_served_within_5_seconds_of_being_made() {
    for database in TestDatabase::on_all().await {
        let server = Local::on(&database.url()).await;
        let answer = server.get("/alloc?biz_tag=test").await;
        assert_eq!(
            (answer.status, answer.code()),
            (503, "table_missing".into()),
            "{}",
            answer.body
        );
        assert_eq!(server.get("/readyz").await.status, 503);
        assert_eq!(server.get("/livez").await.status, 200);

        prepare(&database.url(), &[("test", 0, 100)]).await;
        let answer = server
            .until("/alloc?biz_tag=test", 200, Duration::from_secs(5))
            .await;
        assert_eq!(answer.ids(), [1]);
        server.until("/readyz", 200, Duration::from_secs(5)).await;
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn preloaded_tags_are_in_memory_once_readyz_is_green_and_metrics_have_their_own_port() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("a", 0, 10), ("b", 0, 10)]).await;
    let metrics = format!("127.0.0.1:{}", reserved_port());
    let server = Local::start(&[
        ("database.url", &database.url()),
        ("allocation.preload", "a,b"),
        ("telemetry.metrics_bind", &metrics),
    ])
    .await;
    server.until("/readyz", 200, Duration::from_secs(10)).await;
    let scraped = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    let text = scraped.text().await.unwrap();
    for tag in ["a", "b"] {
        let line = format!("id_alloc_buffer_remaining_ids{{biz_tag=\"{tag}\"}} 9");
        assert!(text.contains(&line), "{line} in {text}");
    }
    let other = reqwest::get(format!("http://{metrics}/alloc?biz_tag=a"))
        .await
        .unwrap();
    assert_eq!(other.status(), 404);
}

#[tokio::test]
async fn metrics_on_their_own_port_answer_while_the_api_has_no_connection_left() {
    let metrics = format!("127.0.0.1:{}", reserved_port());
    let server = Local::start(&[
        ("server.workers", "1"),
        ("server.max_connections", "1"),
        ("telemetry.metrics_bind", &metrics),
    ])
    .await;
    let ask = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut inside = raw::connect(&server).await;
    inside.write_all(ask).await.unwrap();
    assert_eq!(raw::status(&raw::response(&mut inside).await), 200);
    let mut outside = raw::connect(&server).await;
    outside.write_all(ask).await.unwrap();
    for _ in 0..10 {
        let scraped = reqwest::get(format!("http://{metrics}/metrics")).await;
        assert_eq!(scraped.unwrap().status(), 200);
    }
    let mut byte = [0];
    let answered = outside.try_read(&mut byte);
    assert!(answered.is_err(), "the API had a connection left");
    drop(inside);
    assert_eq!(raw::status(&raw::response(&mut outside).await), 200);
}
