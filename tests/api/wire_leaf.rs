//! Leaf's callers: bytes, refusals, tokens, keys.

use crate::support::admin::{new_token, write};
use crate::support::local::Local;
use crate::support::raw::{connect, exchange, response};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

const ON: (&str, &str) = ("wire.leaf", "true");

fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_caller_of_leaf_gets_digits_by_any_method_on_one_connection() {
    let server = Local::start(&[ON]).await;
    let mut stream = connect(&server).await;
    let mut last = 0;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let asked = request(
            method,
            "/api/segment/get/test",
            "Accept: */*\r\nContent-Length: 0\r\n",
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let said = response(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        let lower = said.to_lowercase();
        assert!(
            lower.contains("content-type: text/plain;charset=utf-8\r\n"),
            "{said}"
        );
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        let length = format!("content-length: {}", body.len());
        assert!(head.to_lowercase().contains(&length), "{said}");
        let id: i64 = body.parse().unwrap();
        assert!(id > last, "{id} after {last}");
        last = id;
    }
    let answered = server
        .metric("id_alloc_ids_answered_total{interface=\"leaf\"}")
        .await;
    assert_eq!(answered, Some(5.0));
    let route =
        "http_requests_total{method=\"GET\",route=\"/api/segment/get/{key}\",status=\"200\"}";
    assert_eq!(server.metric(route).await, Some(1.0));
}

#[tokio::test]
async fn head_has_no_body_and_json_is_called_json() {
    let server = Local::start(&[ON]).await;
    let close = "Connection: close\r\n";
    let said = exchange(
        &server,
        request("HEAD", "/api/segment/get/test", close).as_bytes(),
        false,
    )
    .await;
    assert!(
        said.starts_with("HTTP/1.1 200") && said.ends_with("\r\n\r\n"),
        "{said}"
    );
    let accept = format!("Accept: application/json\r\n{close}");
    let said = exchange(
        &server,
        request("GET", "/api/segment/get/test", &accept).as_bytes(),
        false,
    )
    .await;
    assert!(
        said.to_lowercase()
            .contains("content-type: application/json;charset=utf-8"),
        "{said}"
    );
    let said = exchange(
        &server,
        request("OPTIONS", "/api/segment/get/test", close).as_bytes(),
        false,
    )
    .await;
    assert!(
        said.to_lowercase()
            .contains("allow: get, head, post, put, patch, delete"),
        "{said}"
    );
}

#[tokio::test]
async fn a_refusal_is_the_500_that_callers_of_leaf_know_and_says_why() {
    let server = Local::start(&[ON]).await;
    let long = "x".repeat(200);
    for key in [
        "nosuch",
        "Test",
        "_other",
        "a%00b",
        "%ff",
        "9223372036854775808",
        long.as_str(),
    ] {
        let path = format!("/api/segment/get/{key}");
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 500, "{key}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            "application/json;charset=UTF-8"
        );
        let body = answer.json();
        assert_eq!(body["status"], 500);
        assert_eq!(body["error"], "Internal Server Error");
        assert_eq!(
            body["exception"],
            "com.sankuai.inf.leaf.server.exception.LeafServerException"
        );
        assert_eq!(body["message"], "Result{id=-2, status=EXCEPTION}");
        assert_eq!(body["path"], path);
        assert!(
            body["timestamp"].as_u64().unwrap() > 1_700_000_000_000,
            "{body}"
        );
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{body}");
    }
    let rejected = server
        .metric("id_alloc_requests_rejected_total{code=\"unknown_tag\"}")
        .await;
    assert_eq!(rejected, Some(3.0));
}

#[tokio::test]
async fn a_tag_without_ids_left_is_exhausted_in_leafs_words() {
    let server = Local::start(&[ON, ("allocation.id_limit", "10")]).await;
    let mut answer = server.get("/api/segment/get/test").await;
    while answer.status == 200 {
        assert!(answer.body.parse::<i64>().unwrap() < 10);
        answer = server.get("/api/segment/get/test").await;
    }
    let body = answer.json();
    assert_eq!(answer.status, 500);
    assert_eq!(body["message"], "Result{id=-3, status=EXCEPTION}");
    assert_eq!(body["code"], "tag_exhausted");
}

#[tokio::test]
async fn no_key_and_snowflake_are_a_clear_404_and_off_is_off() {
    let server = Local::start(&[ON]).await;
    for path in [
        "/api/segment/get/",
        "/api/segment/get",
        "/api/snowflake/get/test",
    ] {
        let answer = server.get(path).await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["status"]),
            (404, &404.into()),
            "{path}"
        );
        assert_eq!(
            (&body["error"], &body["path"]),
            (&"Not Found".into(), &path.into())
        );
        assert!(body.get("exception").is_none());
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .contains("/api/segment/get/{key}")
        );
    }
    let off = Local::start(&[]).await;
    for path in ["/api/segment/get/test", "/tinyid/id/nextId?bizType=test"] {
        let answer = off.get(path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn where_ids_need_a_token_leafs_callers_need_it_too() {
    let (token, entry) = new_token(&["shop", "--tags", "test"]).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens.toml");
    write(&file, &entry);
    let file = file.display().to_string();
    let server = Local::start(&[ON, ("alloc.tokens_file", &file)]).await;
    let ask = async |key: &str, token: &str| {
        let headers = match token {
            "" => "Connection: close\r\n".to_owned(),
            token => format!("Connection: close\r\nAuthorization: Bearer {token}\r\n"),
        };
        let path = format!("/api/segment/get/{key}");
        exchange(&server, request("GET", &path, &headers).as_bytes(), false).await
    };
    assert!(ask("test", &token).await.starts_with("HTTP/1.1 200"));
    assert!(ask("test", "").await.starts_with("HTTP/1.1 401"));
    assert!(ask("test", "wrong").await.starts_with("HTTP/1.1 401"));
    assert!(ask("other", &token).await.starts_with("HTTP/1.1 403"));
}
