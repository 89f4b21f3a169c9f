//! The admin API: tags over HTTP, and what this server has of them.

use crate::support::admin::{Client, TokenFile};
use crate::support::database::TestDatabase;
use crate::support::local::Local;
use crate::support::server::{cli, prepare};
use crate::support::{PATIENCE, eventually};
use serde_json::json;

/// A server with the admin API, on the embedded database or on `url`.
pub(crate) async fn server(tokens: &TokenFile, url: Option<&str>, more: &[(&str, &str)]) -> Local {
    let file = tokens.text();
    let mut settings = vec![("admin.tokens_file", file.as_str())];
    settings.extend(url.map(|url| ("database.url", url)));
    settings.extend(more);
    Local::start(&settings).await
}

/// The same test on SQLite, and on each server that is at hand.
pub(crate) async fn everywhere(more: &[(&str, &str)], test: impl AsyncFn(&Local, &Client)) {
    let tokens = TokenFile::new().await;
    let embedded = server(&tokens, None, more).await;
    test(&embedded, &Client::new(&embedded.base, &tokens.both)).await;
    for database in TestDatabase::at_hand().await {
        prepare(&database.url(), &[("test", 0, 100_000)]).await;
        let server = server(&tokens, Some(&database.url()), more).await;
        test(&server, &Client::new(&server.base, &tokens.both)).await;
    }
}

#[tokio::test]
async fn a_tag_lives_its_life_over_http() {
    everywhere(&[], async |server, admin| {
        let path = "/admin/v1/tags/order";
        assert_eq!(
            server.get("/alloc?biz_tag=order").await.code(),
            "unknown_tag"
        );
        let body = json!({"step": 10, "description": "sold", "start": 500});
        let made = admin.put(path, body.clone()).await;
        assert_eq!(
            (made.status, made.header("location")),
            (201, path),
            "{}",
            made.body
        );
        // Made here, it is known here at once.
        assert_eq!(server.get("/alloc?biz_tag=order").await.ids(), [500]);
        // The same once more is what it is already.
        let again = admin.put(path, body).await;
        assert_eq!(
            (again.status, again.header("etag")),
            (200, made.header("etag"))
        );
        assert_eq!(
            admin
                .put(path, json!({"step": 10, "start": 9999}))
                .await
                .problem(409),
            "conflict"
        );

        let seen = admin
            .done(200, "PATCH", path, Some(json!({"step": 20})))
            .await;
        assert_eq!(
            (&seen["step"], &seen["description"]),
            (&json!(20), &json!("sold"))
        );
        let advanced = admin
            .done(
                200,
                "POST",
                "/admin/v1/tags/order/advance",
                Some(json!({"to": 7000, "now": true})),
            )
            .await;
        assert_eq!(
            (&advanced["max_id"], &advanced["first_id"]),
            (&json!(7000), &json!(7000))
        );
        assert!(
            advanced["note"]
                .as_str()
                .unwrap()
                .contains("still handed out")
        );
        // What is in memory goes first.
        assert_eq!(server.get("/alloc?biz_tag=order").await.ids(), [501]);
        eventually("ids of a later claim", PATIENCE, async || {
            let answer = server.get("/alloc?biz_tag=order").await;
            (answer.ids()[0] >= 7000).then_some(())
        })
        .await;

        let unconfirmed = admin.send("DELETE", path, &[], None).await;
        assert_eq!(unconfirmed.problem(400), "confirmation_missing");
        let wrong = format!("{path}?confirm=orde");
        assert_eq!(
            admin.send("DELETE", &wrong, &[], None).await.problem(400),
            "confirmation_missing"
        );
        let gone = admin
            .done(200, "DELETE", &format!("{path}?confirm=order"), None)
            .await;
        assert_eq!((&gone["retired"], &gone["step"]), (&json!(true), &json!(0)));
        // Here at once, ids in memory or not.
        eventually("the tag to be gone", PATIENCE, async || {
            let answer = server.get("/alloc?biz_tag=order").await;
            (answer.status == 404).then_some(())
        })
        .await;
        assert_eq!(
            admin
                .send("PATCH", path, &[], Some(json!({"step": 5})))
                .await
                .problem(404),
            "unknown_tag"
        );
        assert_eq!(admin.done(200, "GET", path, None).await["retired"], true);

        let end = gone["max_id"].as_i64().unwrap();
        let below = json!({"step": 10, "start": end - 1});
        assert_eq!(admin.put(path, below).await.problem(409), "tag_exists");
        assert_eq!(
            admin
                .put(path, json!({"step": 10, "start": end + 5}))
                .await
                .status,
            201
        );
        assert_eq!(server.get("/alloc?biz_tag=order").await.ids(), [end + 5]);
    })
    .await;
}

#[tokio::test]
async fn a_change_rests_on_what_was_seen_and_not_on_claims() {
    everywhere(&[], async |server, admin| {
        let path = "/admin/v1/tags/test";
        let etag = admin.get(path).await.header("etag").to_owned();
        server.ids("test", 100).await;
        let max_id = admin.get(path).await.json()["max_id"].as_i64().unwrap();
        assert!(max_id > 0, "it was claimed");
        let step = json!({"step": 1000});
        let changed = admin
            .send("PATCH", path, &[("If-Match", &etag)], Some(step.clone()))
            .await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        assert_ne!(changed.header("etag"), etag);
        let stale = [("If-Match", etag.as_str())];
        for (method, path, body) in [
            ("PATCH", path, Some(step.clone())),
            ("PUT", path, Some(step.clone())),
            ("PUT", "/admin/v1/tags/nobody", Some(step.clone())),
            ("DELETE", "/admin/v1/tags/test?confirm=test", None),
            (
                "POST",
                "/admin/v1/tags/test/advance",
                Some(json!({"by": 1})),
            ),
        ] {
            let refused = admin.send(method, path, &stale, body).await;
            assert_eq!(
                refused.problem(412),
                "precondition_failed",
                "{method} {path}"
            );
        }
        let only_new = [("If-None-Match", "*")];
        let refused = admin.send("PUT", path, &only_new, Some(step.clone())).await;
        assert_eq!(refused.problem(412), "precondition_failed");
        let made = admin
            .send("PUT", "/admin/v1/tags/new", &only_new, Some(step.clone()))
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(
            admin.get("/admin/v1/tags/nobody").await.problem(404),
            "unknown_tag"
        );
    })
    .await;
}

#[tokio::test]
async fn the_server_tells_of_its_buffers_and_its_database() {
    everywhere(&[], async |server, admin| {
        assert_eq!(
            admin.get("/admin/v1/server/tags/test").await.problem(404),
            "tag_not_loaded"
        );
        server.ids("test", 10).await;
        let path = "/admin/v1/server/tags/test";
        let tag = admin.done(200, "GET", path, None).await;
        assert_eq!(tag["segments"][0]["next"], 11, "{tag}");
        let (left, end) = (
            tag["left"].as_i64().unwrap(),
            tag["claimed_to"].as_i64().unwrap(),
        );
        let in_first = tag["segments"][0]["left"].as_i64().unwrap();
        assert!(in_first == end - 11 || in_first < left, "{tag}");
        assert_eq!(
            (&tag["responding"], &tag["restarts"]),
            (&json!(true), &json!(0))
        );
        eventually(
            "a rate, and how long the ids last at it",
            PATIENCE,
            async || {
                server.ids("test", 1).await;
                let tag = admin.done(200, "GET", path, None).await;
                let (rate, supply) = (tag["rate"].as_f64()?, tag["supply_seconds"].as_f64()?);
                (rate > 0.0 && supply > 0.0).then_some(())
            },
        )
        .await;
        let state = admin.done(200, "GET", "/admin/v1/server", None).await;
        assert_eq!(state["tags_loaded"], 1, "{state}");
        assert_eq!(
            (
                &state["database"]["status"],
                &state["database"]["guard_active"]
            ),
            (&json!("up"), &json!(true))
        );
        assert!(
            state["database"]["description"]
                .as_str()
                .unwrap()
                .contains("://"),
            "{state}"
        );
        let listed = admin.done(200, "GET", "/admin/v1/server/tags", None).await;
        assert_eq!(listed["tags"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_tag_deleted_elsewhere_leaves_memory_within_a_refresh() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        prepare(&url, &[("test", 0, 100_000), ("other", 0, 10)]).await;
        let settings = [("database.url", url.as_str()), ("allocation.refresh", "1s")];
        let server = Local::start(&settings).await;
        assert_eq!(server.ids("test", 1).await, [1]);
        assert_eq!(server.ids("other", 1).await, [1]);
        let said = cli(&url, &["tag", "delete", "test", "--confirm", "test"]).await;
        assert!(said.contains("--start"), "{said}");
        server.until("/alloc?biz_tag=test", 404, PATIENCE).await;
        let max_id = database
            .number("SELECT max_id FROM segments WHERE biz_tag = 'test'")
            .await;
        let start = max_id.to_string();
        cli(
            &url,
            &["tag", "create", "test", "--start", &start, "--step", "10"],
        )
        .await;
        let answer = server.until("/alloc?biz_tag=test", 200, PATIENCE).await;
        assert_eq!(answer.ids(), [max_id]);
        assert_eq!(server.ids("other", 1).await, [2]);
    }
}
