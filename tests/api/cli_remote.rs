//! Commands that call a running server: ids, and its state. How they are refused is in `cli_remote_refused.rs`.

use crate::support::admin::{Client, TokenFile};
use crate::support::ports::reserved_port;
use crate::support::server::{Output, Server, command, run};
use std::path::Path;
use tempfile::TempDir;

/// A command with a token in its environment.
pub(super) async fn with_token(
    token: &str,
    settings: &[(&str, &str)],
    arguments: &[&str],
) -> Output {
    let directory = TempDir::new().unwrap();
    let mut command = command(directory.path(), settings);
    command.args(arguments).env("IDA_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(super) async fn plainly(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    run(directory.path(), settings, arguments).await
}

#[track_caller]
pub(super) fn done(output: &Output) -> &str {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    &output.stdout
}

#[track_caller]
pub(super) fn failed(output: &Output, code: i32, said: &str) {
    assert_eq!(
        output.code,
        Some(code),
        "{}{}",
        output.stdout,
        output.stderr
    );
    assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
    assert_eq!(output.stdout, "");
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[tokio::test]
async fn alloc_prints_one_id_per_line_from_where_the_configuration_or_the_call_says() {
    let server = Server::start(&[]).await;
    let there = ["--server", server.base.as_str()];
    let call = |more: &[&'static str]| [&["alloc", "test"], more, &there].concat();
    assert_eq!(done(&plainly(&[], &call(&[])).await), "1\n");
    let three = plainly(&[], &call(&["--count", "3"])).await;
    assert_eq!(done(&three), "2\n3\n4\n");
    let json = plainly(&[], &call(&["--json", "--count", "2"])).await;
    let body = "{\"errno\":0,\"msg\":\"success\",\"id\":5,\"ids\":[5,6]}\n";
    assert_eq!(done(&json), body);
    let json = plainly(&[], &call(&["--json"])).await;
    assert_eq!(done(&json), "{\"errno\":0,\"msg\":\"success\",\"id\":7}\n");

    let port = server.base.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "0.0.0.0"] {
        let settings = [("server.port", port), ("server.host", host)];
        let taken = plainly(&settings, &["alloc", "test"]).await;
        let id: i64 = done(&taken).trim().parse().unwrap();
        assert!(id > 7, "{id}");
    }
    // Where the call says it, a configuration that is wrong is of no interest.
    let wrong = [("server.port", "x"), ("no.such", "key")];
    let taken = plainly(&wrong, &call(&[])).await;
    assert_eq!(done(&taken), "10\n");
}

#[tokio::test]
async fn the_state_of_a_server_is_what_its_admin_api_says() {
    let tokens = TokenFile::new().await;
    let bind = format!("127.0.0.1:{}", reserved_port());
    let settings = [
        ("admin.tokens_file", tokens.text()),
        ("admin.bind", bind.clone()),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (*key, &**value))
        .collect();
    let server = Server::start(&settings).await;
    server.ids("test", 3).await;
    let api = Client::new(&format!("http://{bind}"), &tokens.read);
    // The configuration says where the admin API listens.
    let ask = |call: &'static [&'static str]| with_token(&tokens.read, &settings, call);

    let said = ask(&["--json", "server", "tags", "test"]).await;
    let said: serde_json::Value = serde_json::from_str(done(&said)).unwrap();
    assert_eq!(said, api.get("/admin/v1/server/tags/test").await.json());
    let said = ask(&["--json", "server", "tags", "--prefix", "te"]).await;
    let said: serde_json::Value = serde_json::from_str(done(&said)).unwrap();
    assert_eq!(
        said,
        api.get("/admin/v1/server/tags?prefix=te").await.json()
    );
    let none = ask(&["--json", "server", "tags", "--prefix", "x"]).await;
    assert_eq!(done(&none), "{\"tags\":[],\"next\":null,\"total\":0}\n");
    let said = ask(&["--json", "server", "status"]).await;
    let said: serde_json::Value = serde_json::from_str(done(&said)).unwrap();
    let mut expected = api.get("/admin/v1/server").await.json();
    // What goes on with time.
    for field in ["uptime_seconds", "traffic", "history", "shortest_supplies"] {
        assert!(!expected[field].is_null(), "{expected}");
        expected[field] = said[field].clone();
    }
    assert_eq!(said, expected);

    let text = ask(&["server", "status"]).await;
    for part in ["database     up, sqlite:///", "tags         1, 1 in memory"] {
        assert!(done(&text).contains(part), "{part}: {}", text.stdout);
    }
    let text = ask(&["server", "tags", "test"]).await;
    let part = "segment        1 to 99999, next 4, 99996 of 99999 left";
    assert!(done(&text).contains(part), "{}", text.stdout);
    let text = ask(&["server", "tags"]).await;
    assert_eq!(done(&text).lines().count(), 2, "{}", text.stdout);
    failed(
        &ask(&["server", "tags", "idle"]).await,
        64,
        "not loaded on this server",
    );
    let output = with_token(&tokens.write, &settings, &["server", "status"]).await;
    failed(&output, 77, "it has no scope `read`");
}

#[tokio::test]
async fn the_walk_create_allocate_raise_the_step_and_see_it_used() {
    let tokens = TokenFile::new().await;
    let port = reserved_port().to_string();
    let text = tokens.text();
    let settings = [("server.port", &*port), ("admin.tokens_file", &text)];
    let server = Server::start(&settings).await;
    let directory = server.directory();
    let here = async |call: &[&str]| {
        let output = run(directory.path(), &settings, call).await;
        done(&output).to_owned()
    };
    let create = ["tag", "create", "order", "--step", "1000"];
    assert_eq!(
        here(&create).await,
        "created order: the first id is 1, step 1000\n"
    );
    assert_eq!(here(&["alloc", "order"]).await, "1\n");
    let token = file(directory.path(), &tokens.read);
    let show = ["server", "tags", "order", "--token-file", &token];
    let before = here(&show).await;
    assert!(
        before.contains("segment        1 to 999, next 2,"),
        "{before}"
    );
    assert!(before.contains("step in force  1000"), "{before}");
    let set = here(&["tag", "set", "order", "--step", "5000"]).await;
    assert!(set.contains("step         5000"), "{set}");
    // Past what is in memory, so that claims are made.
    assert_eq!(
        here(&["alloc", "order", "--count", "4000"])
            .await
            .lines()
            .count(),
        4000
    );
    crate::support::eventually("the new step", crate::support::PATIENCE, async || {
        let after = here(&show).await;
        after.contains("of 5000 left").then_some(())
    })
    .await;
}

fn file(directory: &Path, text: &str) -> String {
    let path = directory.join("token");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}
