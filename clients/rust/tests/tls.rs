//! Addresses with `https://`: ids come over TLS, and only from a server whose certificate is trusted.
#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

use id_alloc_client::Client;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::TlsAcceptor;

/// Where the caller below finds the server.
const SERVER: &str = "ID_ALLOC_TEST_SERVER";

/// A new authority, whose certificate is put into a file.
fn authority(name: &str) -> (Issuer<'static, KeyPair>, PathBuf) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
    fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    (Issuer::new(params, key), file)
}

/// A server with a certificate of this authority for that name, which answers every request with the ids 1 to `count`.
async fn server(issuer: &Issuer<'_, KeyPair>, name: &str) -> u16 {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(acceptor.clone(), stream));
        }
    });
    port
}

/// Answers the first request of a connection.
async fn answer(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return; // the client does not trust it
    };
    let (mut stream, mut line, mut count) = (BufReader::new(stream), String::new(), 0_i64);
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            if let Some((_, rest)) = line.split_once("count=") {
                count = rest.split(' ').next().unwrap().parse().unwrap();
            }
        } else {
            return;
        }
    }
    let body = format!(r#"{{"errno":0,"msg":"success","first":1,"count":{count}}}"#);
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.flush().await;
    let _ = stream.read_line(&mut line).await; // until the client hangs up
}

/// Which certificates are trusted is a matter of the process, so another one calls: this program, with nothing but the
/// function below.
async fn call(address: &str, trusted: &Path) -> Output {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "caller", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR")
        .env(SERVER, address)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
#[ignore = "the other tests start it, as a process of its own"]
async fn caller() {
    let Ok(server) = env::var(SERVER) else {
        return;
    };
    let builder = Client::builder().server(server);
    let client = builder.deadline(Duration::from_secs(8)).build().unwrap();
    match client.tag("order").next().await {
        Ok(id) => println!("id {id}"),
        Err(error) => println!("error {error}"),
    }
}

#[tokio::test]
async fn ids_come_over_tls_by_address_and_by_name() {
    let (issuer, trusted) = authority("good");
    for name in ["127.0.0.1", "localhost"] {
        let port = server(&issuer, name).await;
        let output = call(&format!("https://{name}:{port}"), &trusted).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("id 1\n"), "{output:?}");
    }
}

/// A call to a server at 127.0.0.1 is refused for its certificate.
async fn is_refused(issuer: &Issuer<'_, KeyPair>, name: &str, trusted: &Path) {
    let port = server(issuer, name).await;
    let output = call(&format!("https://127.0.0.1:{port}"), trusted).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("error "), "{output:?}");
    assert!(text.contains("certificate"), "{output:?}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (issuer, _) = authority("of_the_server");
    let (_, trusted) = authority("of_the_caller");
    is_refused(&issuer, "127.0.0.1", &trusted).await;
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let (issuer, trusted) = authority("of_another_name");
    is_refused(&issuer, "ids.example.com", &trusted).await;
}
