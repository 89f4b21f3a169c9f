//! Commands that call a running server, and each way to be refused: by the call itself, by the server, by what is none,
//! for want of a token or of trust.

use super::cli_remote::{done, failed, plainly, with_token};
use crate::support::admin::new_token;
use crate::support::ports::reserved_port;
use crate::support::server::Server;
use crate::support::tls::Certificates;
use std::io::{Read as _, Write as _};
use tempfile::TempDir;

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
    failed(
        &plainly(&[], &at(&["alloc", "nobody"])).await,
        64,
        "the server uses another database: compare its database.url",
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
    failed(
        &output,
        69,
        &format!("cannot reach {nobody}: Connection refused"),
    );
    failed(&output, 69, "is it running? --server URL names another");
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
