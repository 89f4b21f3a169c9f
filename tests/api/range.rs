//! `/range`: contiguous ids for clients that count by themselves, on SQLite and on MariaDB.

use crate::support::local::Local;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn range(server: &Local, count: u64) -> (i64, i64) {
    let path = format!("/range?biz_tag=test&count={count}");
    let answer = server.post(&path, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["errno"], 0);
    assert_eq!(body["count"], count);
    (
        body["first"].as_i64().unwrap(),
        body["count"].as_i64().unwrap(),
    )
}

#[tokio::test]
async fn a_range_is_whole_whatever_the_step_and_lies_above_all_that_came_before() {
    let server = Local::start(&[]).await;
    let mut last = 0;
    for count in [1, 2, 999, 1000, 1001, 5_000, 123_456, 1_000_000, 1] {
        let (first, got) = range(&server, count).await;
        assert!(first > last, "{first} after {last}");
        last = first + got - 1;
        let answer = server.get("/alloc?biz_tag=test").await;
        let id: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(id["id"].as_i64().unwrap() > last, "{}", answer.body);
        last = id["id"].as_i64().unwrap();
    }
}

#[tokio::test]
async fn ranges_and_single_ids_of_many_callers_never_overlap() {
    let server = Local::start(&[]).await;
    let calls = (0..60_u64).map(|number| {
        let server = &server;
        async move {
            if number % 3 == 0 {
                let answer = server.get("/alloc?biz_tag=test&count=7").await;
                let body: Value = serde_json::from_str(&answer.body).unwrap();
                let ids = body["ids"].as_array().unwrap();
                ids.iter().map(|id| id.as_i64().unwrap()).collect()
            } else {
                let (first, count) = range(server, 1 + number * 37 % 1500).await;
                (first..first + count).collect::<Vec<i64>>()
            }
        }
    });
    let mut seen = BTreeSet::new();
    for ids in futures_util::future::join_all(calls).await {
        for id in ids {
            assert!(seen.insert(id), "{id} twice");
        }
    }
}

#[tokio::test]
async fn what_is_no_range_is_refused_and_costs_no_id() {
    let server = Local::start(&[("limits.max_range", "1000")]).await;
    for (query, status, code) in [
        ("biz_tag=test", 400, "invalid_count"),
        ("biz_tag=test&count=0", 400, "invalid_count"),
        ("biz_tag=test&count=-1", 400, "invalid_count"),
        ("biz_tag=test&count=1001", 400, "invalid_count"),
        (
            "biz_tag=test&count=9223372036854775808",
            400,
            "invalid_count",
        ),
        ("biz_tag=test&count=1&format=xml", 400, "bad_request"),
        ("count=1", 400, "missing_biz_tag"),
        ("biz_tag=nosuch&count=1", 404, "unknown_tag"),
    ] {
        let answer = server.get(&format!("/range?{query}")).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let refused = (answer.status, body["code"].as_str());
        assert_eq!(refused, (status, Some(code)), "{query}");
    }
    assert_eq!(range(&server, 1000).await, (1, 1000));
}

#[tokio::test]
async fn ids_are_strings_for_callers_whose_numbers_are_doubles() {
    let server = Local::start(&[]).await;
    for (path, expected) in [
        (
            "/range?biz_tag=test&count=3&format=string",
            json!({"errno": 0, "msg": "success", "first": "1", "count": 3}),
        ),
        (
            "/alloc?biz_tag=test&format=string",
            json!({"errno": 0, "msg": "success", "id": "4"}),
        ),
        (
            "/alloc?biz_tag=test&count=2&format=string",
            json!({"errno": 0, "msg": "success", "id": "5", "ids": ["5", "6"]}),
        ),
    ] {
        let answer = server.get(path).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body, expected, "{path}");
    }
    let metrics = server.get("/metrics").await.body;
    for line in [
        "id_alloc_ids_answered_total{interface=\"alloc\"} 3",
        "id_alloc_ids_answered_total{interface=\"range\"} 3",
        "id_alloc_ids_allocated_total{biz_tag=\"test\"} 6",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}: {metrics}"
        );
    }
}
