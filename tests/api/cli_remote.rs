//! Commands that call a running server: ids, its state, and each way to be refused.

use crate::support::admin::{Client, TokenFile, new_token};
use crate::support::ports::reserved_port;
use crate::support::server::{Output, Server, command, run};
use crate::support::tls::Certificates;
use std::io::{Read as _, Write as _};
use std::path::Path;
use tempfile::TempDir;

/// A command with a token in its environment.
async fn with_token(token: &str, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
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

async fn plainly(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    run(directory.path(), settings, arguments).await
}

#[track_caller]
fn done(output: &Output) -> &str {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    &output.stdout
}

#[track_caller]
fn failed(output: &Output, code: i32, said: &str) {
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
async fn each_refusal_has_its_exit_code_and_says_what_to_do() {
    let server = Server::start(&[]).await;
    let at = |arguments: &[&'static str]| {
        let mut all: Vec<&str> = arguments.to_vec();
        all.extend(["--server", &server.base]);
        all
    };
    failed(
        &plainly(&[], &at(&["alloc", "nobody"])).await,
        64,
        "tag create",
    );
    failed(&plainly(&[], &at(&["alloc", "_x"])).await, 64, "biz_tag");
    failed(
        &plainly(&[], &at(&["alloc", "test", "--count", "0"])).await,
        64,
        "--count",
    );
    let many = at(&["alloc", "test", "--count", "10001"]);
    failed(&plainly(&[], &many).await, 64, "10000");
    failed(
        &plainly(&[], &at(&["server", "status"])).await,
        64,
        "admin.tokens_file is not set",
    );
    failed(
        &plainly(&[], &["alloc", "test"]).await,
        64,
        "give --server URL",
    );
    for url in [
        "",
        "localhost:80",
        "ftp://a",
        "http://u:s3cret@a",
        "http://a/?q",
    ] {
        let output = plainly(&[], &["alloc", "test", "--server", url]).await;
        failed(&output, 64, "--server takes a URL");
        assert!(!output.stderr.contains("s3cret"), "{}", output.stderr);
    }
    let nobody = format!("http://127.0.0.1:{}", reserved_port());
    let output = plainly(&[], &["alloc", "test", "--server", &nobody]).await;
    failed(&output, 69, &format!("cannot reach {nobody}: "));
    // One without a database has no ids yet.
    let dead = format!("mysql://u@127.0.0.1:{}/ids", reserved_port());
    let starved = Server::start(&[("database.url", &dead)]).await;
    let output = plainly(&[], &["alloc", "test", "--server", &starved.base]).await;
    failed(&output, 69, &starved.base);
}

/// A program that answers every connection with these bytes.
fn stranger(answer: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn what_is_no_id_alloc_is_named_as_that() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "220 smtp.example ESMTP\r\n",
        "",
    ] {
        let url = stranger(answer);
        let output = plainly(&[], &["alloc", "test", "--server", &url]).await;
        failed(&output, 69, &url);
    }
}

#[tokio::test]
async fn a_token_comes_from_a_file_or_the_environment_and_is_never_shown() {
    let (token, entry) = new_token(&["shop", "--tags", "te*"]).await;
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        directory.path().join(name).display().to_string()
    };
    let tokens = file("tokens.toml", &entry);
    let server = Server::start(&[("alloc.tokens_file", &tokens)]).await;
    let there = ["--server", server.base.as_str()];
    let alloc = |more: &[&str]| -> Vec<String> {
        let call = ["alloc"].iter().chain(more).chain(&there);
        call.map(|word| (*word).to_owned()).collect()
    };
    let call = async |token: &str, more: &[&str]| {
        let words = alloc(more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match token {
            "" => plainly(&[], &words).await,
            token => with_token(token, &[], &words).await,
        }
    };
    assert_eq!(done(&call(&token, &["test"]).await), "1\n");
    let right = file("right", &format!("{token}\n"));
    assert_eq!(
        done(&call("", &["test", "--token-file", &right]).await),
        "2\n"
    );
    // The file wins.
    let output = call("ida_wrong", &["test", "--token-file", &right]).await;
    assert_eq!(done(&output), "3\n");

    failed(&call("", &["test"]).await, 77, "IDA_TOKEN");
    let output = call("ida_wr0ng", &["test"]).await;
    failed(&output, 77, "--token-file");
    assert!(!output.stderr.contains("wr0ng"), "{}", output.stderr);
    failed(
        &call(&token, &["other"]).await,
        77,
        "not allowed with this token",
    );
    failed(
        &call("", &["test", "--token-file", "/no/token"]).await,
        64,
        "/no/token",
    );
    for wrong in ["", "wr0ng words", "wr0ng\nX-Header: a", "wr\u{f6}ng"] {
        let wrong = file("wrong", wrong);
        let output = call("", &["test", "--token-file", &wrong]).await;
        failed(&output, 64, "must contain one token");
        assert!(!output.stderr.contains("wr0ng"), "{}", output.stderr);
    }
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
async fn over_tls_the_server_is_known_by_the_authority_that_is_named() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = certificates.server(&[]).await;
    let (ca, other) = (certificates.text("ca.pem"), others.text("ca.pem"));
    let port = server.base.rsplit(':').next().unwrap();
    let (cert, key) = (certificates.text("cert.pem"), certificates.text("key.pem"));
    let settings = [
        ("server.port", port),
        ("server.tls.cert_file", &cert),
        ("server.tls.key_file", &key),
    ];
    let taken = plainly(&settings, &["alloc", "test", "--ca-file", &ca]).await;
    assert_eq!(done(&taken), "1\n");
    let there = ["alloc", "test", "--server", &server.base, "--ca-file"];
    let taken = plainly(&[], &[&there[..], &[&ca]].concat()).await;
    assert_eq!(done(&taken), "2\n");
    let output = plainly(&[], &[&there[..], &[&other]].concat()).await;
    failed(&output, 69, "--ca-file");
    for (file, said) in [
        ("/no/ca.pem", "/no/ca.pem"),
        (&*key, "holds no certificate"),
    ] {
        failed(
            &plainly(&[], &[&there[..], &[file]].concat()).await,
            64,
            said,
        );
    }
    // Whom the system trusts is another list.
    let output = plainly(&[], &["alloc", "test", "--server", &server.base]).await;
    assert!(matches!(output.code, Some(64 | 69)), "{}", output.stderr);
    let plain = server.base.replace("https", "http");
    let output = plainly(&[], &["alloc", "test", "--server", &plain]).await;
    failed(&output, 69, &plain);
    certificates.unharmed(&server).await;
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
