//! Limits of single requests and of the tags in memory: what lies at one is served, what lies past it
//! is refused with the documented code and costs no id.

use crate::support::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::local::Local;
use crate::support::raw::{exchange, status};
use crate::support::server::prepare;
use std::time::Duration;

/// `biz_tag=test`, filled up with another parameter to `length` bytes.
fn padded(length: usize) -> String {
    let text = "biz_tag=test&pad=";
    format!("{text}{}", "x".repeat(length - text.len()))
}

#[tokio::test]
async fn count_query_and_body_are_served_at_their_limits_and_refused_past_them() {
    let mine = [
        ("limits.max_count", "7"),
        ("limits.max_query", "100"),
        ("limits.max_body", "200"),
    ];
    for (settings, count, query, body) in [(&[][..], 10_000, 4096, 16_384), (&mine, 7, 100, 200)] {
        let server = Local::start(settings).await;
        let path = |count: usize| format!("/alloc?biz_tag=test&count={count}");
        assert_eq!(server.get(&path(count)).await.ids().len(), count);
        let refused = server.get(&path(count + 1)).await;
        assert_eq!(
            (refused.status, &*refused.code()),
            (400, "invalid_count"),
            "{}",
            refused.body
        );
        assert!(
            refused.body.contains(&count.to_string()),
            "{}",
            refused.body
        );

        for path in ["/alloc", "/health"] {
            let served = server.get(&format!("{path}?{}", padded(query))).await;
            assert_eq!(served.status, 200, "{path}: {}", served.body);
            let refused = server.get(&format!("{path}?{}", padded(query + 1))).await;
            assert_eq!(refused.status, 413, "{path}");
            assert_eq!(refused.code(), "payload_too_large");
            assert!(refused.body.contains("limits.max_query"));
        }
        let served = server.post("/alloc", &padded(body)).await;
        assert_eq!(served.status, 200, "{}", served.body);
        let refused = server.post("/alloc", &padded(body + 1)).await;
        assert_eq!(refused.status, 413);
        assert_eq!(refused.code(), "payload_too_large");
        assert!(refused.body.contains("limits.max_body"));
        for (length, expected) in [(body, 200), (body + 1, 413)] {
            let form = padded(length);
            let chunked = format!(
                "POST /alloc HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{form}\r\n0\r\n\r\n"
            );
            let said = exchange(&server, chunked.as_bytes(), false).await;
            assert_eq!(status(&said), expected, "{length} in chunks: {said}");
        }
        // The refused ones cost no id.
        let next = i64::try_from(count).unwrap() + 4;
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [next]);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn past_max_loaded_tags_a_tag_is_refused_until_an_idle_one_makes_room() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("a", 0, 10), ("b", 0, 10), ("c", 0, 10)]).await;
    let url = database.url();
    let settings = [("database.url", &*url), ("limits.max_loaded_tags", "2")];
    let server = Local::start(&settings).await;
    server.ids("a", 1).await;
    server.ids("b", 1).await;
    let refused = server.get("/alloc?biz_tag=c").await;
    assert_eq!((refused.status, &*refused.code()), (503, "overloaded"));
    assert_ne!(refused.header("retry-after"), "");
    assert_eq!(server.ids("a", 1).await, [2], "those loaded go on");

    let sweeping = [&settings[..], &[("allocation.idle_after", "100ms")]].concat();
    let server = Local::start(&sweeping).await;
    let first = server.ids("a", 1).await;
    server.ids("b", 1).await;
    server.until("/alloc?biz_tag=c", 200, PATIENCE).await;
    let loaded = server.metric("id_alloc_tags_loaded ").await.unwrap();
    assert!(loaded <= 2.0, "{loaded} loaded");
    // The one that left comes back with later ids.
    let again = server.until("/alloc?biz_tag=a", 200, PATIENCE).await;
    assert!(again.ids() > first);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_tag_is_seen_soon_after_it_is_made() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, 10)]).await;
    for ttl in ["500ms", "0s"] {
        let server = Local::start(&[
            ("database.url", &database.url()),
            ("limits.unknown_tag_ttl", ttl),
        ])
        .await;
        let tag = format!("new{}", &ttl[..1]);
        let path = format!("/alloc?biz_tag={tag}");
        for _ in 0..20 {
            assert_eq!(server.get(&path).await.code(), "unknown_tag");
        }
        let insert = format!("INSERT INTO segments (biz_tag, max_id, step) VALUES ('{tag}', 1, 5)");
        database.execute(&[&insert]).await;
        server.until(&path, 200, Duration::from_secs(10)).await;
    }
}
