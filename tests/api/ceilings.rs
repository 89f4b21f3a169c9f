//! A tag that ends before the others: it alone is refused, and how far it has come is seen before.

use crate::admin::server;
use crate::support::admin::{Client, TokenFile};
use crate::support::database::TestDatabase;
use crate::support::server::cli;
use crate::support::{PATIENCE, eventually};
use serde_json::json;

#[tokio::test]
async fn a_tag_at_its_limit_is_refused_alone_with_what_to_do_and_metrics_say_how_far_it_is() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[("allocation.refresh", "100ms")]).await;
    let admin = Client::new(&server.base, &tokens.both);
    let path = "/admin/v1/tags/ticket";
    let made = admin
        .put(path, json!({"step": 100, "id_limit": 1001}))
        .await;
    assert_eq!(made.json()["id_limit"], 1001, "{}", made.body);
    assert_eq!(server.ids("ticket", 10).await.len(), 10);
    let series = |name: &str| format!("id_alloc_tag_id_limit{name}{{biz_tag=\"ticket\"}}");
    let metric = async |name: &str| server.metric(&series(name)).await;
    let used = async || metric("_used_ratio").await.filter(|used| *used > 0.0);
    let used = eventually("the share is known", PATIENCE, used).await;
    assert!((0.09..=1.0).contains(&used), "{used}");
    assert_eq!(metric("").await, Some(1001.0));
    assert!(metric("_days_left").await.is_some_and(|days| days >= 0.0));

    // All ids below the limit are handed out, and none of the others.
    let mut next = 11;
    while next < 1001 {
        assert_eq!(server.ids("ticket", 1).await, [next]);
        next += 1;
    }
    let refused = server.get("/alloc?biz_tag=ticket").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "tag_exhausted")
    );
    for part in ["below 1001", "id-alloc tag set ticket --limit"] {
        assert!(refused.body.contains(part), "{}", refused.body);
    }
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.ids("test", 5).await.len(), 5);
    let full = async || metric("_used_ratio").await.filter(|used| *used == 1.0);
    eventually("it is used up", PATIENCE, full).await;
    assert_eq!(metric("_days_left").await, Some(0.0));

    // The limit is part of what an entity tag stands for, and may be raised, but not lowered.
    let stale = admin.get(path).await.header("etag").to_owned();
    let change = |body: serde_json::Value| {
        let (admin, stale) = (&admin, stale.clone());
        async move {
            let headers = [("If-Match", stale.as_str())];
            admin.send("PATCH", path, &headers, Some(body)).await
        }
    };
    let lower = change(json!({"id_limit": 1000})).await;
    assert!(lower.body.contains("claimed already"), "{}", lower.body);
    let raised = change(json!({"id_limit": 2000})).await;
    assert_eq!(raised.json()["id_limit"], 2000, "{}", raised.body);
    assert_eq!(change(json!({"id_limit": 3000})).await.status, 412);
    server.until("/alloc?biz_tag=ticket", 200, PATIENCE).await;
    let kept = admin.put(path, json!({"step": 100})).await;
    assert_eq!(kept.json()["id_limit"], 2000, "PUT without it leaves it");
    let gone = admin.put(path, json!({"step": 100, "id_limit": 0})).await;
    assert_eq!(gone.json()["id_limit"], serde_json::Value::Null);
    let left = async || metric("").await.is_none().then_some(());
    eventually("its series are gone", PATIENCE, left).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn the_command_line_sets_limits_and_shows_them() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        cli(&url, &["migrate", "up"]).await;
        cli(&url, &["tag", "create", "t", "--limit", "2147483647"]).await;
        let limit = "SELECT id_limit FROM segments WHERE biz_tag = 't'";
        assert_eq!(database.number(limit).await, 2_147_483_647);
        let shown = cli(&url, &["tag", "show", "t"]).await;
        assert!(
            shown.contains("limit        2147483647, of which 0.0 %"),
            "{shown}"
        );
        cli(&url, &["tag", "set", "t", "--limit", "5000"]).await;
        assert_eq!(database.number(limit).await, 5000);
        cli(&url, &["tag", "set", "t", "--limit", "0"]).await;
        assert_eq!(database.number(limit).await, 0);
    }
}
