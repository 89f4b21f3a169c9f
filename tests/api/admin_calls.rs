//! Calls of the admin API: names in paths, pages, and what is refused.

use super::admin::{everywhere, server};
use crate::support::admin::{Client, TokenFile};
use serde_json::{Value, json};

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
