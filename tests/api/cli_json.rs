//! `--json`: one line, in the shapes of the admin API where it has one; lists by page as there.

use crate::support::admin::{Client, TokenFile};
use crate::support::database::TestDatabase;
use crate::support::server::{Server, cli, prepare, run};
use serde_json::{Value, json};
use tempfile::TempDir;

async fn said(url: &str, arguments: &[&str]) -> Value {
    let text = cli(url, &[&["--json"], arguments].concat()).await;
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn tags_are_printed_as_the_admin_api_answers_them() {
    let tokens = TokenFile::new().await;
    for database in TestDatabase::on_all().await {
        let url = database.url();
        let directory = TempDir::new().unwrap();
        let status = ["--json", "migrate", "status"];
        let pending = run(directory.path(), &[("database.url", &url)], &status).await;
        assert_eq!(pending.code, Some(65), "{}", pending.stderr);
        let pending: Value = serde_json::from_str(&pending.stdout).unwrap();
        assert_eq!(pending["migrations"][0]["applied"], false);
        let applied = said(&url, &["migrate", "up"]).await["applied"].clone();
        assert!(!applied.as_array().unwrap().is_empty(), "{applied}");
        assert_eq!(said(&url, &["migrate", "up"]).await, json!({"applied": []}));
        let status = said(&url, &["migrate", "status"]).await;
        assert_eq!(status["migrations"][0]["name"], applied[0]);
        assert_eq!(status["migrations"][0]["applied"], true);

        let settings = [
            ("database.url", url.as_str()),
            ("admin.tokens_file", &tokens.text()),
        ];
        let server = Server::start(&settings).await;
        let api = Client::new(&server.base, &tokens.read);
        let row = async || api.done(200, "GET", "/admin/v1/tags/order", None).await;

        let create = ["tag", "create", "order", "--start", "500", "--step", "77"];
        assert_eq!(said(&url, &create).await, row().await);
        assert_eq!(said(&url, &["tag", "show", "order"]).await, row().await);
        let set = ["tag", "set", "order", "--step", "88", "--description", "x"];
        let set = said(&url, &set).await;
        assert_eq!(
            (&set["step"], &set["description"]),
            (&json!(88), &json!("x"))
        );
        assert_eq!(set, row().await);

        let advance = said(&url, &["tag", "advance", "order", "--by", "500"]).await;
        assert_eq!(advance["first_id"], 1000);
        let by = Client::new(&server.base, &tokens.write);
        let path = "/admin/v1/tags/order/advance";
        let mut same = by.done(200, "POST", path, Some(json!({"to": 1000}))).await;
        same["from"] = json!(500);
        assert_eq!(advance, same);
        let all = said(&url, &["tag", "advance", "--all", "--by", "1"]).await;
        assert_eq!(all["advanced"][0]["max_id"], 1001);

        let guard = said(&url, &["guard", "status"]).await;
        assert_eq!(guard["database"]["guard_active"], true);
        assert_eq!(guard["tags"], json!([row().await]));

        let deleted = said(&url, &["tag", "delete", "order", "--confirm", "order"]).await;
        assert_eq!(
            (&deleted["retired"], &deleted["step"]),
            (&json!(true), &json!(0))
        );
        assert_eq!(deleted, row().await);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn lists_have_a_prefix_an_order_and_pages_as_the_admin_api_has_them() {
    let tokens = TokenFile::new().await;
    for database in TestDatabase::on_all().await {
        let url = database.url();
        let names = ["a.1", "b.1", "b.2", "b.3", "b_", "c"];
        prepare(&url, &names.map(|name| (name, 0, 10))).await;
        cli(&url, &["tag", "delete", "b.2", "--confirm", "b.2"]).await;
        let settings = [
            ("database.url", url.as_str()),
            ("admin.tokens_file", &tokens.text()),
        ];
        let server = Server::start(&settings).await;
        let api = Client::new(&server.base, &tokens.read);
        for (call, query) in [
            (&[][..], ""),
            (&["--prefix", "b."], "prefix=b."),
            (&["--limit", "2"], "limit=2"),
            (&["--limit", "6"], "limit=6"),
            (&["--order", "desc", "--limit", "2"], "order=desc&limit=2"),
            (&["--after", "b.3", "--limit", "1"], "after=b.3&limit=1"),
            (
                &["--order", "desc", "--after", "b.1"],
                "order=desc&after=b.1",
            ),
            (&["--prefix", "x"], "prefix=x"),
        ] {
            let list = said(&url, &[&["tag", "list"], call].concat()).await;
            let page = api
                .done(200, "GET", &format!("/admin/v1/tags?{query}"), None)
                .await;
            assert_eq!(list, page, "{query}");
        }
        let text = cli(&url, &["tag", "list", "--prefix", "b.", "--order", "desc"]).await;
        let first: Vec<&str> = text.lines().map(|line| &line[..3]).collect();
        assert_eq!(first, ["biz", "b.3", "b.2", "b.1"]);
    }
}

#[tokio::test]
async fn a_list_is_whole_though_it_is_read_in_pages() {
    let directory = TempDir::new().unwrap();
    let rows: String = (0..2500)
        .map(|number| format!("t{number:04},7\n"))
        .collect();
    std::fs::write(
        directory.path().join("t.csv"),
        format!("biz_tag,step\n{rows}"),
    )
    .unwrap();
    for call in [&["migrate", "up"][..], &["tag", "import", "t.csv"]] {
        let output = run(directory.path(), &[], call).await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }
    for (limit, count, more) in [
        ("2500", 2500, false),
        ("2499", 2499, true),
        ("1000", 1000, true),
    ] {
        let call = ["--json", "tag", "list", "--limit", limit];
        let output = run(directory.path(), &[], &call).await;
        let page: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(page["tags"].as_array().unwrap().len(), count);
        assert_eq!(page["next"].is_string(), more, "{limit}");
    }
    let output = run(directory.path(), &[], &["tag", "list"]).await;
    assert_eq!(output.stdout.lines().count(), 2501);
    let output = run(directory.path(), &[], &["tag", "list", "--limit", "3"]).await;
    assert_eq!(output.stdout.lines().count(), 4);
    assert!(output.stderr.contains("--after t0002"), "{}", output.stderr);
}

#[tokio::test]
async fn what_is_not_about_tags_is_printed_too_and_what_has_no_result_says_so() {
    let directory = TempDir::new().unwrap();
    let url = "mysql://someone:s3cr3tw0rd@db.example:3307/ids";
    let settings = [("database.url", url), ("limits.max_count", "123")];
    let output = run(directory.path(), &settings, &["--json", "config", "check"]).await;
    let config: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(config["limits"]["max_count"], 123);
    assert_eq!(config["server"]["tls"]["cert_file"], "");
    assert!(!output.stdout.contains("s3cr3tw0rd"), "{}", output.stdout);
    // It is a configuration itself.
    let text = output.stdout.replace("someone:***", "someone");
    std::fs::write(directory.path().join("c.json"), text).unwrap();
    let call = ["--config", "c.json", "config", "check", "--json"];
    let again = run(directory.path(), &[], &call).await;
    assert_eq!(again.code, Some(0), "{}", again.stderr);

    let call = ["token", "new", "ops", "--scope", "read", "--json"];
    let output = run(directory.path(), &[], &call).await;
    let token: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(token["token"].as_str().unwrap().starts_with("ida_"));
    assert_eq!(token["file"], "admin.tokens_file");
    assert!(token["entry"].as_str().unwrap().starts_with("[[token]]"));

    for call in [&["serve"][..], &[], &["completions", "bash"], &["man"]] {
        let output = run(directory.path(), &[], &[&["--json"], call].concat()).await;
        assert_eq!(output.code, Some(64), "{call:?}: {}", output.stderr);
        assert!(output.stderr.contains("--json"), "{}", output.stderr);
    }
}
