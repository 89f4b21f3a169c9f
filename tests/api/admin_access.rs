//! Who may: tokens and their scopes, the files they stand in, listeners, and the audit log.

use crate::support::admin::{Client, TokenFile, new_token, write};
use crate::support::local::Local;
use crate::support::ports::reserved_port;
use crate::support::server::Server;
use crate::support::{PATIENCE, eventually};
use serde_json::json;
use tempfile::TempDir;

const TAGS: &str = "/admin/v1/tags";

#[tokio::test]
async fn without_a_file_of_tokens_there_is_no_admin_api() {
    let server = Local::start(&[]).await;
    let answer = server.get(TAGS).await;
    assert_eq!(answer.problem(404), "not_found");
    assert!(
        answer.body.contains("admin.tokens_file is not set"),
        "{}",
        answer.body
    );
    let elsewhere = server.get("/nothing").await;
    for path in ["/alloc, ", "/range, ", "/metrics, "] {
        assert!(elsewhere.body.contains(path), "{}", elsewhere.body);
    }
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
}

#[tokio::test]
async fn each_token_may_what_its_scopes_say_and_nobody_else_learns_anything() {
    let tokens = TokenFile::new().await;
    let server = Local::start(&[("admin.tokens_file", &tokens.text())]).await;
    let unknown = format!("ida_{}", "0".repeat(64));
    for token in ["", "x", unknown.as_str()] {
        let client = Client::new(&server.base, token);
        for path in [
            TAGS,
            "/admin/v1/tags/test",
            "/admin/v1/nothing",
            "/admin/v1/server",
        ] {
            let refused = client.get(path).await;
            assert_eq!(refused.problem(401), "unauthorized", "{path}");
            let (challenge, text) = match token {
                "" => ("Bearer", "send a token"),
                _ => (
                    "Bearer error=\"invalid_token\"",
                    "this server does not know the token",
                ),
            };
            assert_eq!(refused.header("www-authenticate"), challenge, "{path}");
            assert!(refused.body.contains(text), "{}", refused.body);
        }
        assert_eq!(
            client
                .put("/admin/v1/tags/test", json!({"step": 7}))
                .await
                .problem(401),
            "unauthorized"
        );
    }
    let reader = Client::new(&server.base, &tokens.read);
    assert_eq!(reader.get(TAGS).await.status, 200);
    assert_eq!(
        reader
            .put("/admin/v1/tags/test", json!({"step": 7}))
            .await
            .problem(403),
        "forbidden"
    );
    let delete = "/admin/v1/tags/test?confirm=test";
    assert_eq!(
        reader.send("DELETE", delete, &[], None).await.problem(403),
        "forbidden"
    );
    let writer = Client::new(&server.base, &tokens.write);
    assert_eq!(writer.get(TAGS).await.problem(403), "forbidden");
    assert_eq!(
        writer
            .put("/admin/v1/tags/test", json!({"step": 7}))
            .await
            .status,
        200
    );
    let all = Client::new(&server.base, &tokens.both)
        .get("/admin/v1/tags/test")
        .await;
    assert_eq!(all.json()["step"], 7);
    // The scheme's name has no case; another scheme is no token.
    let raw = Client::new(&server.base, "");
    let (lower, basic) = (
        format!("bearer {}", tokens.read),
        format!("Basic {}", tokens.read),
    );
    assert_eq!(
        raw.send("GET", TAGS, &[("authorization", &lower)], None)
            .await
            .status,
        200
    );
    assert_eq!(
        raw.send("GET", TAGS, &[("authorization", &basic)], None)
            .await
            .status,
        401
    );
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
}

#[tokio::test]
async fn a_changed_file_of_tokens_counts_soon_and_a_broken_one_changes_nothing() {
    let tokens = TokenFile::new().await;
    let server = Server::start(&[("admin.tokens_file", &tokens.text())]).await;
    let old = Client::new(&server.base, &tokens.both);
    assert_eq!(old.get(TAGS).await.status, 200);
    tokens.write("[[token]]\nname = \"broken");
    eventually("a line about the broken file", PATIENCE, async || {
        server
            .stderr()
            .contains("the file cannot be used")
            .then_some(())
    })
    .await;
    assert_eq!(old.get(TAGS).await.status, 200);
    // As an editor or a full disk leaves it, in the place of the old one.
    std::fs::write(tokens.path(), "").expect("written");
    eventually("a line about the empty file", PATIENCE, async || {
        server.stderr().contains("the file is empty").then_some(())
    })
    .await;
    assert_eq!(old.get(TAGS).await.status, 200);
    let (token, entry) = new_token(&["new", "--scope", "read"]).await;
    tokens.write(&entry);
    let new = Client::new(&server.base, &token);
    eventually("the new token to count", PATIENCE, async || {
        (new.get(TAGS).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(old.get(TAGS).await.problem(401), "unauthorized");
}

#[tokio::test]
async fn each_change_is_one_line_of_the_audit_log_and_no_token_ever_stands_there() {
    let tokens = TokenFile::new().await;
    let server = Server::start(&[
        ("admin.tokens_file", &tokens.text()),
        ("telemetry.log_format", "json"),
        ("telemetry.log_level", "error"),
    ])
    .await;
    let admin = Client::new(&server.base, &tokens.both);
    let reader = Client::new(&server.base, &tokens.read);
    let path = "/admin/v1/tags/order";
    let id = [("x-request-id", "call-1")];
    let body = json!({"step": 5, "description": "two\nlines"});
    let made = admin.send("PUT", path, &id, Some(body)).await;
    assert_eq!((made.status, made.header("x-request-id")), (201, "call-1"));
    let changed = admin
        .send("PATCH", path, &[], Some(json!({"step": 6})))
        .await;
    let given = changed.header("x-request-id").to_owned();
    assert!(!given.is_empty());
    admin
        .done(
            200,
            "POST",
            "/admin/v1/tags/order/advance",
            Some(json!({"by": 9})),
        )
        .await;
    let stale = [("If-Match", "\"x\"")];
    admin
        .send("DELETE", "/admin/v1/tags/order?confirm=order", &stale, None)
        .await
        .problem(412);
    admin
        .done(200, "DELETE", "/admin/v1/tags/order?confirm=order", None)
        .await;
    reader.put(path, json!({"step": 5})).await.problem(403);
    let lines = eventually("six lines", PATIENCE, async || {
        let log = server.stderr();
        let audit = log.lines().filter(|line| line.contains("id_alloc::audit"));
        let lines: Vec<serde_json::Value> = audit
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        (lines.len() == 6).then_some(lines)
    })
    .await;
    let fields = |index: usize, name: &str| {
        lines[index]["fields"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let all = |name: &str| (0..6).map(|index| fields(index, name)).collect::<Vec<_>>();
    assert_eq!(
        all("action"),
        ["put", "patch", "advance", "delete", "delete", "PUT"]
    );
    assert_eq!(
        all("outcome"),
        ["ok", "ok", "ok", "precondition_failed", "ok", "forbidden"]
    );
    assert_eq!(all("token"), ["ops", "ops", "ops", "ops", "ops", "reader"]);
    assert_eq!(
        (fields(0, "request_id"), fields(1, "request_id")),
        ("call-1".into(), given)
    );
    assert_eq!(fields(0, "before"), "none");
    assert!(fields(0, "after").contains(r"two\nlines"), "{lines:?}");
    assert!(fields(1, "before").contains("step=5") && fields(1, "after").contains("step=6"));
    assert!(fields(4, "after").contains("retired=true"));
    let log = server.stderr();
    for token in [&tokens.both, &tokens.read] {
        assert!(!log.contains(token.as_str()), "a token is logged");
    }
}

#[tokio::test]
async fn the_admin_api_has_a_listener_of_its_own_where_that_is_wanted() {
    let tokens = TokenFile::new().await;
    let bind = format!("127.0.0.1:{}", reserved_port());
    let file = tokens.text();
    let server = Local::start(&[("admin.tokens_file", &file), ("admin.bind", &bind)]).await;
    let base = format!("http://{bind}");
    let admin = Client::new(&base, &tokens.both);
    admin.done(200, "GET", TAGS, None).await;
    assert_eq!(
        Client::new(&base, "").get(TAGS).await.problem(401),
        "unauthorized"
    );
    // The console's form takes ids there, and its page is there and not on the API's port.
    assert_eq!(admin.get("/alloc?biz_tag=test").await.ids(), [1]);
    assert_eq!(admin.get("/console").await.status, 200);
    assert_eq!(server.get("/console").await.status, 404);
    // Counted as those of the API are.
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains("route=\"/admin/v1/tags\""), "{metrics}");
    let here = Client::new(&server.base, &tokens.both).get(TAGS).await;
    assert_eq!(here.problem(404), "not_found");
    assert!(
        here.body.contains("it listens on admin.bind"),
        "{}",
        here.body
    );
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [2]);
}

#[tokio::test]
async fn a_dead_database_is_said_and_the_server_still_tells_of_itself() {
    let tokens = TokenFile::new().await;
    let url = format!("mysql://root@127.0.0.1:{}/ids", reserved_port());
    let file = tokens.text();
    let server = Local::start(&[("admin.tokens_file", &file), ("database.url", &url)]).await;
    let admin = Client::new(&server.base, &tokens.both);
    for answer in [
        admin.get(TAGS).await,
        admin.get("/admin/v1/tags/test").await,
        admin.put("/admin/v1/tags/test", json!({"step": 5})).await,
    ] {
        assert_eq!(answer.problem(503), "store_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
    }
    let state = admin.done(200, "GET", "/admin/v1/server", None).await;
    assert_eq!(state["database"]["status"], "down", "{state}");
    assert!(!state["database"]["error"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn ids_can_be_kept_for_those_with_a_token_for_the_tag() {
    let (shop, entry) = new_token(&["shop", "--tags", "test,shop.*"]).await;
    let (other, second) = new_token(&["other", "--tags", "other"]).await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("alloc.toml");
    write(&path, &format!("{entry}\n{second}"));
    let file = path.display().to_string();
    let server = Local::start(&[("alloc.tokens_file", &file)]).await;
    let refused = server.get("/alloc?biz_tag=test").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "unauthorized")
    );
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    // Nor does it say which tags there are.
    assert_eq!(server.get("/health?biz_tag=test").await.status, 401);
    assert_eq!(server.get("/health").await.status, 200);
    let unknown = Client::new(&server.base, &format!("ida_{}", "0".repeat(64)));
    let refused = unknown.get("/alloc?biz_tag=test").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "unauthorized")
    );
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer error=\"invalid_token\""
    );
    assert!(refused.body.contains("does not know"), "{}", refused.body);
    let (shop, other) = (
        Client::new(&server.base, &shop),
        Client::new(&server.base, &other),
    );
    assert_eq!(shop.get("/alloc?biz_tag=test&count=2").await.ids(), [1, 2]);
    assert_eq!(
        shop.get("/alloc?biz_tag=shop.x").await.code(),
        "unknown_tag"
    );
    assert_eq!(shop.get("/alloc?biz_tag=").await.code(), "missing_biz_tag");
    let refused = other.get("/alloc?biz_tag=test").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "forbidden")
    );
    // The body wins, for the guard as for the route.
    let form = async |token: &str, path: &str, form: &'static str| {
        let url = format!("{}{path}", server.base);
        let request = reqwest::Client::new()
            .post(url)
            .bearer_auth(token)
            .body(form);
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let answer = request.header(kind.0, kind.1).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (shop, other) = (shop.token(), other.token());
    let (status, body) = form(&shop, "/alloc?biz_tag=other", "biz_tag=test&count=2").await;
    assert!(status == 200 && body.contains("[3,4]"), "{status} {body}");
    assert_eq!(
        form(&other, "/alloc?biz_tag=other", "biz_tag=test").await.0,
        403
    );
    assert_eq!(form(&shop, "/alloc", "biz_tag=test").await.0, 200);
}
