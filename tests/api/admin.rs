//! The admin API: tags over HTTP, and what this server has of them.

use crate::support::admin::{Client, TokenFile};
use crate::support::database::TestDatabase;
use crate::support::server::{Server, cli, prepare};
use crate::support::{PATIENCE, eventually};
use serde_json::{Value, json};

/// A server with the admin API, on the embedded database or on `url`.
async fn server(tokens: &TokenFile, url: Option<&str>, more: &[(&str, &str)]) -> Server {
    let file = tokens.text();
    let mut settings = vec![("admin.tokens_file", file.as_str())];
    settings.extend(url.map(|url| ("database.url", url)));
    settings.extend(more);
    Server::start(&settings).await
}

/// The same test on SQLite and on each server.
async fn everywhere(more: &[(&str, &str)], test: impl AsyncFn(&Server, &Client)) {
    let tokens = TokenFile::new().await;
    let embedded = server(&tokens, None, more).await;
    test(&embedded, &Client::new(&embedded.base, &tokens.both)).await;
    for database in TestDatabase::on_all().await {
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
                Some(json!({"to": 7000})),
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
async fn tags_are_listed_by_prefix_order_and_page_and_names_are_decoded_once() {
    everywhere(&[], async |server, admin| {
        let names = ["a/b", "a%2Fb", "a b", "ä", "a?#"];
        for name in names {
            let encoded = name
                .bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect::<String>();
            let path = format!("/admin/v1/tags/{encoded}");
            let made = admin.put(&path, json!({"step": 5})).await;
            assert_eq!((made.status, &made.json()["biz_tag"]), (201, &json!(name)));
            assert_eq!(admin.done(200, "GET", &path, None).await["biz_tag"], name);
            assert_eq!(
                server.get(&format!("/alloc?biz_tag={encoded}")).await.ids(),
                [1]
            );
            let state = format!("/admin/v1/server/tags/{encoded}");
            assert_eq!(admin.done(200, "GET", &state, None).await["biz_tag"], name);
        }
        let page = async |query: &str| -> (Vec<String>, Value) {
            let body = admin
                .done(200, "GET", &format!("/admin/v1/tags?{query}"), None)
                .await;
            let tags = body["tags"].as_array().unwrap().iter();
            let names = tags.map(|tag| tag["biz_tag"].as_str().unwrap().to_owned());
            (names.collect(), body["next"].clone())
        };
        assert_eq!(
            page("prefix=a&limit=2").await,
            (vec!["a b".into(), "a%2Fb".into()], json!("a%2Fb"))
        );
        assert_eq!(
            page("prefix=a&limit=2&after=a%252Fb").await,
            (vec!["a/b".into(), "a?#".into()], Value::Null)
        );
        assert_eq!(page("order=desc&limit=2").await.0, ["ä", "test"]);
        let body = admin
            .done(200, "GET", "/admin/v1/server/tags?prefix=a&limit=1", None)
            .await;
        assert_eq!(
            (&body["tags"][0]["biz_tag"], &body["next"]),
            (&json!("a b"), &json!("a b"))
        );
        for query in [
            "limit=0",
            "limit=1001",
            "order=up",
            "page=2",
            "limit=1&limit=2",
            "limit=x",
        ] {
            let refused = admin.get(&format!("/admin/v1/tags?{query}")).await;
            assert_eq!(refused.problem(400), "invalid_request", "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_the_reason() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[]).await;
    let admin = Client::new(&server.base, &tokens.both);
    let tag = "/admin/v1/tags/new";
    for body in [
        json!({}),
        json!({"step": 0}),
        json!({"step": -1}),
        json!({"step": 1_000_000_000_000_i64}),
        json!({"step": "10"}),
        json!({"step": 1, "stepp": 2}),
        json!({"step": 1, "start": -1}),
        json!({"step": 1, "start": null}),
        json!([1]),
    ] {
        assert_eq!(
            admin.put(tag, body.clone()).await.problem(400),
            "invalid_request",
            "{body}"
        );
    }
    for body in [json!({}), json!({"step": null}), json!({"max_id": 5})] {
        let refused = admin
            .send("PATCH", "/admin/v1/tags/test", &[], Some(body))
            .await;
        assert_eq!(refused.problem(400), "invalid_request");
    }
    let advance = "/admin/v1/tags/test/advance";
    admin
        .done(200, "POST", advance, Some(json!({"to": 5})))
        .await;
    for body in [
        json!({}),
        json!({"by": 1, "to": 2}),
        json!({"by": 0}),
        json!({"by": i64::MAX}),
        json!({"to": 4}),
        json!({"to": -1}),
    ] {
        let refused = admin.send("POST", advance, &[], Some(body.clone())).await;
        assert_eq!(refused.problem(400), "invalid_request", "{body}");
    }
    let long = json!({"step": 1, "description": "x".repeat(20_000)});
    assert_eq!(admin.put(tag, long).await.problem(413), "payload_too_large");
    let form = [("content-type", "text/plain")];
    assert_eq!(
        admin.send("PUT", tag, &form, None).await.problem(415),
        "unsupported_media_type"
    );
    assert_eq!(
        admin
            .put("/admin/v1/tags/_x", json!({"step": 1}))
            .await
            .problem(400),
        "invalid_biz_tag"
    );
    assert_eq!(
        admin.get("/admin/v1/tags/%ff").await.problem(400),
        "invalid_request"
    );
    assert_eq!(
        admin.get("/admin/v1/nothing").await.problem(404),
        "not_found"
    );
    let wrong = admin.send("DELETE", "/admin/v1/tags", &[], None).await;
    assert_eq!(wrong.problem(405), "method_not_allowed");
    assert_eq!(wrong.header("allow"), "GET, HEAD");
    let head = admin.send("HEAD", "/admin/v1/tags", &[], None).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(admin.get(tag).await.problem(404), "unknown_tag");
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
async fn a_tag_deleted_elsewhere_leaves_memory_within_a_refresh() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        prepare(&url, &[("test", 0, 100_000), ("other", 0, 10)]).await;
        let settings = [("database.url", url.as_str()), ("allocation.refresh", "1s")];
        let server = Server::start(&settings).await;
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
