//! `/alloc`: bodies byte for byte, parameters, refusals, on SQLite and on MariaDB.

use crate::support::database::{SEED_SCHEMA, TestDatabase};
use crate::support::local::Local;
use crate::support::server::{Server, prepare};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A server on each kind of database, with the tag `test` at 0.
struct Everywhere {
    // Dropped in this order: no server outlives its database.
    servers: Vec<Local>,
    _databases: Vec<TestDatabase>,
}

async fn everywhere() -> Everywhere {
    let databases = TestDatabase::at_hand().await;
    let mut servers = vec![Local::start(&[]).await];
    for database in &databases {
        prepare(&database.url(), &[("test", 0, 1000)]).await;
        servers.push(Local::on(&database.url()).await);
    }
    Everywhere {
        servers,
        _databases: databases,
    }
}

#[tokio::test]
async fn the_first_ids_are_1_and_2_in_the_bodies_of_go_id_alloc() {
    for server in &everywhere().await.servers {
        for id in 1..=2 {
            let answer = server.get("/alloc?biz_tag=test").await;
            assert_eq!(answer.status, 200);
            let body = format!(r#"{{"errno":0,"msg":"success","id":{id}}}"#);
            assert_eq!(answer.body, body);
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        let answer = server.get("/alloc?biz_tag=test&count=3").await;
        let body = r#"{"errno":0,"msg":"success","id":3,"ids":[3,4,5]}"#;
        assert_eq!(answer.body, body);
        let answer = server.get("/alloc?biz_tag=test&count=1").await;
        let body = r#"{"errno":0,"msg":"success","id":6,"ids":[6]}"#;
        assert_eq!(answer.body, body);
    }
}

#[tokio::test]
async fn other_methods_are_405_with_allow_and_cost_no_id() {
    let server = Local::start(&[]).await;
    for method in ["HEAD", "PUT", "DELETE", "PATCH"] {
        let path = "/alloc?biz_tag=test";
        let answer = server.try_send(method, path, None).await.unwrap();
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.header("allow").contains("GET"), "{method}");
        assert!(answer.header("allow").contains("POST"), "{method}");
        assert_eq!(answer.header("cache-control"), "no-store", "{method}");
        if method != "HEAD" {
            assert_eq!(answer.code(), "method_not_allowed");
        }
    }
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
}

#[tokio::test]
async fn a_form_body_wins_over_the_query_and_the_first_of_repeated_parameters() {
    let server = Local::start(&[]).await;
    let answer = server.post("/alloc?biz_tag=nobody", "biz_tag=test").await;
    assert_eq!(answer.ids(), [1]);
    let answer = server.post("/alloc?biz_tag=test", "").await;
    assert_eq!(answer.ids(), [2]);
    let answer = server.get("/alloc?biz_tag=test&biz_tag=nobody").await;
    assert_eq!(answer.ids(), [3]);
    let form = "count=2&biz_tag=test&biz_tag=nobody&count=5";
    assert_eq!(server.post("/alloc?count=7", form).await.ids(), [4, 5]);
    let answer = server.post("/alloc?biz_tag=test", "biz_tag=nobody").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_count_that_cannot_be_served_is_invalid_and_costs_no_id() {
    let server = Local::start(&[]).await;
    for count in ["0", "-1", "abc", "10001", "", "1.5", "99999999999999999999"] {
        let answer = server
            .get(&format!("/alloc?biz_tag=test&count={count}"))
            .await;
        assert_eq!(answer.status, 400, "count={count}: {}", answer.body);
        assert_eq!(answer.code(), "invalid_count", "count={count}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let ids = server.ids("test", 10_000).await;
    assert_eq!(ids.len(), 10_000);
    assert_eq!((ids[0], ids[9_999]), (1, 10_000));
}

#[tokio::test]
async fn a_tag_that_is_missing_invalid_or_unknown_is_refused_with_its_code() {
    for server in &everywhere().await.servers {
        let missing = server.get("/alloc").await;
        assert_eq!(missing.status, 400);
        assert_eq!(missing.code(), "missing_biz_tag");
        assert_eq!(missing.json()["msg"], "need biz_tag param");
        assert_eq!(server.get("/alloc?biz_tag=").await.status, 400);

        let long = "x".repeat(129);
        for tag in [long.as_str(), "a%00b", "a%0Ab", "%7F"] {
            let answer = server.get(&format!("/alloc?biz_tag={tag}")).await;
            assert_eq!(answer.status, 400, "{tag}: {}", answer.body);
            assert_eq!(answer.code(), "invalid_biz_tag", "{tag}");
        }
        let other_names = [
            "nobody",
            "TEST",
            "test%20",
            "t%C3%A9st",
            "%F0%9F%90%98",
            &"x".repeat(128),
        ];
        for tag in other_names {
            let answer = server.get(&format!("/alloc?biz_tag={tag}")).await;
            assert_eq!(answer.status, 404, "{tag}: {}", answer.body);
            assert_eq!(answer.code(), "unknown_tag", "{tag}");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("content-type"), "application/json");
        }
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    }
}

#[tokio::test]
async fn a_failure_has_the_shape_errno_msg_id_code() {
    let server = Local::start(&[]).await;
    let answer = server.get("/alloc?biz_tag=nobody").await;
    let body = answer.json();
    let msg = body["msg"].as_str().unwrap();
    let msg = serde_json::to_string(msg).unwrap();
    let expected = format!(r#"{{"errno":-1,"msg":{msg},"id":0,"code":"unknown_tag"}}"#);
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn an_unknown_path_is_404_in_json_and_a_large_body_413() {
    let server = Local::start(&[]).await;
    let answer = server.get("/nothing/here").await;
    assert_eq!((answer.status, answer.code()), (404, "not_found".into()));
    assert_eq!(answer.header("content-type"), "application/json");

    let form = format!("biz_tag=test&padding={}", "x".repeat(200 << 10));
    let answer = server.post("/alloc", &form).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_eq!(answer.code(), "payload_too_large");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_table_of_go_id_alloc_is_used_as_it_is_and_migrated_under_way() {
    for database in TestDatabase::on_all().await {
        database.execute(SEED_SCHEMA).await;
        let server = Local::on(&database.url()).await;
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
        assert_eq!(server.metric("id_alloc_guard_active ").await, Some(0.0));

        crate::support::server::cli(&database.url(), &["migrate", "up"]).await;
        let mut ids = server.ids("test", 500).await;
        let second = Local::on(&database.url()).await;
        ids.extend(second.ids("test", 500).await);
        ids.extend(server.ids("test", 500).await);
        assert_eq!(second.metric("id_alloc_guard_active ").await, Some(1.0));
        crate::support::checks::assert_distinct(&ids);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_broken_row_costs_no_other_tag_anything() {
    let database = TestDatabase::on_mariadb().await;
    let tags = [("good", 0, 10), ("bad", 0, 10), ("full", 0, 10)];
    prepare(&database.url(), &tags).await;
    database
        .execute(&[
            "UPDATE segments SET step = 0 WHERE biz_tag = 'bad'",
            "UPDATE segments SET max_id = 9223372036854775807 WHERE biz_tag = 'full'",
        ])
        .await;
    let server = Local::on(&database.url()).await;
    let answer = server.get("/alloc?biz_tag=bad").await;
    assert_eq!(
        (answer.status, answer.code()),
        (500, "tag_misconfigured".into())
    );
    let answer = server.get("/alloc?biz_tag=full").await;
    assert_eq!(
        (answer.status, answer.code()),
        (503, "tag_exhausted".into())
    );
    assert_eq!(answer.header("retry-after"), "");
    assert_eq!(server.ids("good", 100).await.len(), 100);
}

#[tokio::test]
async fn a_body_that_never_comes_is_answered_and_costs_no_id() {
    let server = Local::start(&[("server.header_timeout", "2s")]).await;
    let address = server.base.trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = "POST /alloc?biz_tag=test HTTP/1.1\r\nHost: a\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\nbiz";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains(r#""code":"bad_request""#), "{answer}");
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_flood_of_failures_is_not_a_flood_of_log_lines() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("broken", 0, 10)]).await;
    database.execute(&["UPDATE segments SET step = 0"]).await;
    let server = Server::on(&database.url()).await;
    for _ in 0..300 {
        assert_eq!(server.get("/alloc?biz_tag=broken").await.status, 500);
    }
    let lines = server.stderr().matches("request failed").count();
    assert!((1..150).contains(&lines), "{lines} lines");
}

#[tokio::test]
async fn a_call_that_would_be_half_understood_is_refused_and_costs_no_id() {
    let server = Local::start(&[]).await;
    let answer = server.get("/alloc?biz_tag=test&cnt=3").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "invalid_count")
    );
    assert!(answer.body.contains("use count"), "{}", answer.body);
    let json = |path: &str, body: &'static str| {
        let request = reqwest::Client::new().post(format!("{}{path}", server.base));
        let kind = ("content-type", "application/json");
        request.header(kind.0, kind.1).body(body).send()
    };
    let body = r#"{"biz_tag":"test","count":3}"#;
    for path in ["/alloc", "/alloc?biz_tag=test"] {
        let answer = json(path, body).await.unwrap();
        assert_eq!(answer.status(), 415, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("unsupported_media_type"), "{text}");
        assert!(text.contains("x-www-form-urlencoded"), "{text}");
    }
    // Clients that always name JSON, and send nothing.
    let answer = json("/alloc?biz_tag=test", "").await.unwrap();
    let body = r#"{"errno":0,"msg":"success","id":1}"#;
    assert_eq!(answer.text().await.unwrap(), body);
}
