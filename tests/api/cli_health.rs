//! `id-alloc health`: what the health check of a container runs.

use crate::support::ports::reserved_port;
use crate::support::server::{Output, Server, run};
use crate::support::tls::Certificates;
use tempfile::TempDir;

async fn health(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let arguments = [&["health"], arguments].concat();
    run(directory.path(), settings, &arguments).await
}

#[track_caller]
fn says(output: &Output, code: i32, said: &str) {
    assert_eq!(output.code, Some(code), "{}", output.stderr);
    let text = format!("{}{}", output.stdout, output.stderr);
    assert!(text.contains(said), "{said}: {text}");
}

#[tokio::test]
async fn the_exit_code_says_whether_the_server_can_serve() {
    let server = Server::start(&[]).await;
    server.ids("test", 1).await;
    let there = ["--server", server.base.as_str()];
    says(&health(&[], &there).await, 0, "healthy, 99998 ids left");
    let json = health(&[], &["--json", "--server", &server.base]).await;
    says(
        &json,
        0,
        "{\"errno\":0,\"msg\":\"success\",\"left\":99998}\n",
    );
    says(
        &health(&[], &[&["test"][..], &there].concat()).await,
        0,
        "healthy",
    );
    says(
        &health(&[], &[&["nobody"][..], &there].concat()).await,
        64,
        "unknown biz_tag",
    );
    // The address may come from the configuration, as in a container.
    let port = server.base.rsplit(':').next().unwrap();
    let own = [("server.host", "0.0.0.0"), ("server.port", port)];
    says(&health(&own, &[]).await, 0, "healthy");

    let gone = reserved_port().to_string();
    let none = [("server.port", gone.as_str())];
    says(
        &health(&none, &[]).await,
        69,
        "cannot reach http://127.0.0.1",
    );
    let dead = format!("mysql://u@127.0.0.1:{}/ids", reserved_port());
    let starved = Server::start(&[("database.url", &dead)]).await;
    says(
        &health(&[], &["--server", &starved.base]).await,
        69,
        &starved.base,
    );
}

#[tokio::test]
async fn a_server_asks_itself_whatever_its_certificate_says_and_others_with_care() {
    let certificates = Certificates::new();
    let server = certificates.server(&[]).await;
    let port = server.base.rsplit(':').next().unwrap();
    let (cert, key) = (certificates.text("cert.pem"), certificates.text("key.pem"));
    let own = [
        ("server.port", port),
        ("server.tls.cert_file", &cert),
        ("server.tls.key_file", &key),
    ];
    says(&health(&own, &[]).await, 0, "healthy");
    let ca = certificates.text("ca.pem");
    says(&health(&own, &["--ca-file", &ca]).await, 0, "healthy");
    let others = Certificates::new();
    let strange = others.text("ca.pem");
    says(
        &health(&own, &["--ca-file", &strange]).await,
        69,
        "--ca-file",
    );
    let there = ["--server", server.base.as_str()];
    says(&health(&[], &there).await, 69, "cannot reach");
}
