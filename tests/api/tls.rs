//! The listeners under TLS: who is served, and that whoever is slow, idle, deaf or no TLS client is got rid
//! of as without it.

use crate::support::PATIENCE;
use crate::support::admin::{Client, TokenFile};
use crate::support::ports::reserved_port;
use crate::support::raw::{closed, descriptors, exchange, open_files, response, status};
use crate::support::server::{Server, run};
use crate::support::tls::{Certificates, address, id, open};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
const MANY: &[u8] = b"GET /alloc?biz_tag=test&count=10000 HTTP/1.1\r\nHost: a\r\n\r\n";
/// The first bytes of a TLS handshake whose rest never comes.
const HALF_A_HELLO: &[u8] = &[
    0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
];

#[tokio::test]
async fn ids_are_served_over_tls_to_whom_trusts_the_authority_by_http_1_1_alone() {
    let certificates = Certificates::new();
    let server = certificates.server(&[]).await;
    assert_eq!(
        id(&certificates.get(&server, "/alloc?biz_tag=test").await),
        1
    );
    for path in ["/health", "/livez", "/readyz", "/metrics", "/openapi.json"] {
        let said = certificates.get(&server, path).await;
        assert_eq!(status(&said), 200, "{path}: {said}");
    }
    // Several requests on one connection, and what is agreed upon.
    let both = certificates.connector(&[b"h2", b"http/1.1"]);
    let mut stream = open(&both, address(&server)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    for expected in 2..5 {
        let ask = b"GET /alloc?biz_tag=test HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        assert_eq!(id(&response(&mut stream).await), expected);
    }
    let strange = Certificates::new().connector(&[]);
    let refused = open(&strange, address(&server)).await.unwrap_err();
    assert!(
        refused.to_string().contains("invalid peer certificate"),
        "{refused}"
    );
}

#[tokio::test]
async fn every_listener_speaks_tls_where_one_does() {
    let (certificates, tokens) = (Certificates::new(), TokenFile::new().await);
    let admin = format!("127.0.0.1:{}", reserved_port());
    let metrics = format!("127.0.0.1:{}", reserved_port());
    let server = certificates
        .server(&[
            ("admin.tokens_file", &tokens.text()),
            ("admin.bind", &admin),
            ("telemetry.metrics_bind", &metrics),
        ])
        .await;
    let said = certificates.get_at(&metrics, "/metrics").await;
    assert_eq!(status(&said), 200, "{said}");
    let said = certificates.get_at(&admin, "/admin/v1/server").await;
    assert_eq!(status(&said), 401, "{said}");
    for place in [&admin, &metrics] {
        let plain = Client::new(&format!("http://{place}"), "");
        assert!(plain.try_get("/metrics").await.is_err(), "{place}");
    }
    certificates.unharmed(&server).await;
}

#[tokio::test]
async fn who_speaks_plain_http_or_nothing_sensible_is_turned_away() {
    let certificates = Certificates::new();
    let server = certificates.server(&[]).await;
    // Its workers open files of their own once it has said that it listens.
    certificates.unharmed(&server).await;
    let before = descriptors(&server);
    for bytes in [
        LIVEZ,
        b"\0\0\0\0\0\0\0\0",
        b"\x16\x03\x01\x00\x05hello",
        &[0xff; 70_000],
    ] {
        let said = exchange(&server, bytes, false).await;
        assert_eq!(status(&said), 0, "{said:?}");
    }
    closed(&server, before, PATIENCE).await;
    certificates.unharmed(&server).await;
}

#[tokio::test]
async fn half_a_handshake_is_ended_after_the_header_timeout() {
    let certificates = Certificates::new();
    let server = certificates
        .server(&[("server.header_timeout", "2s")])
        .await;
    certificates.unharmed(&server).await;
    let before = descriptors(&server);
    for part in [&b""[..], HALF_A_HELLO] {
        // Reads to the end: the server closes, since the client does not.
        exchange(&server, part, false).await;
    }
    // A request that stops half-way is told so, as without TLS; one that never comes too.
    for part in [&b""[..], b"GET /liv"] {
        let mut stream = certificates.connect(&server).await.unwrap();
        stream.write_all(part).await.unwrap();
        assert_eq!(status(&response(&mut stream).await), 408, "{part:?}");
    }
    closed(&server, before, PATIENCE).await;
    certificates.unharmed(&server).await;
}

#[tokio::test]
async fn thousands_of_half_open_handshakes_keep_nobody_out_and_are_closed() {
    let certificates = Certificates::new();
    let server = certificates.server(&[("server.workers", "1")]).await;
    certificates.unharmed(&server).await;
    let before = descriptors(&server);
    // Other tests of this process need files too.
    let count = (open_files() / 3).min(5000);
    let mut held = Vec::new();
    for number in 0..count {
        let mut stream = crate::support::raw::connect(&server).await;
        if number % 2 == 0 {
            stream.write_all(HALF_A_HELLO).await.unwrap();
        }
        held.push(stream);
        if number % 300 == 299 {
            let said = certificates.get(&server, "/alloc?biz_tag=test").await;
            assert_eq!(status(&said), 200, "{said}");
        }
    }
    certificates.unharmed(&server).await;
    closed(&server, before, PATIENCE).await;
    drop(held);
    certificates.unharmed(&server).await;
}

#[tokio::test]
async fn connections_that_go_quiet_are_closed_and_the_limit_of_connections_holds() {
    let certificates = Certificates::new();
    let server = certificates
        .server(&[
            ("server.header_timeout", "2s"),
            ("server.keep_alive", "500ms"),
            ("limits.request_deadline", "2s"),
        ])
        .await;
    certificates.unharmed(&server).await;
    let before = descriptors(&server);
    for rest in ["", "GET /li"] {
        let mut stream = certificates.connect(&server).await.unwrap();
        stream.write_all(LIVEZ).await.unwrap();
        assert_eq!(status(&response(&mut stream).await), 200);
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut piece = Vec::new();
        let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut piece)).await;
        assert!(reading.is_ok(), "still open after {rest:?}");
    }
    closed(&server, before, PATIENCE).await;

    let two = [("server.max_connections", "2"), ("server.workers", "1")];
    let server = certificates.server(&two).await;
    let mut inside = vec![
        certificates.connect(&server).await.unwrap(),
        certificates.connect(&server).await.unwrap(),
    ];
    let third = certificates.connect(&server);
    tokio::pin!(third);
    for _ in 0..50 {
        for stream in &mut inside {
            stream.write_all(LIVEZ).await.unwrap();
            let answered = tokio::select! {
                said = response(stream) => status(&said),
                _ = &mut third => panic!("a third connection was served"),
            };
            assert_eq!(answered, 200);
        }
    }
    inside.pop();
    let mut third = third.await.unwrap();
    third.write_all(LIVEZ).await.unwrap();
    assert_eq!(status(&response(&mut third).await), 200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_never_reads_is_disconnected_under_tls_too() {
    let certificates = Certificates::new();
    let server = certificates.server(&[("server.write_timeout", "1s")]).await;
    certificates.unharmed(&server).await;
    let before = descriptors(&server);
    let mut stream = certificates.connect(&server).await.unwrap();
    let blob = MANY.repeat(1000);
    let sending = async { while stream.write_all(&blob).await.is_ok() {} };
    let ended = tokio::time::timeout(PATIENCE, sending).await;
    assert!(
        ended.is_ok(),
        "a client that never reads is still connected"
    );
    drop(stream);
    closed(&server, before, PATIENCE).await;
    certificates.unharmed(&server).await;
}

#[tokio::test]
async fn files_that_cannot_serve_are_78_with_what_to_do() {
    let certificates = Certificates::new();
    let (good, key) = certificates.pair((2000, 3000));
    let (_, other_key) = certificates.pair((2000, 3000));
    let (expired, expired_key) = certificates.pair((2000, 2010));
    let (early, early_key) = certificates.pair((2900, 3000));
    let directory = TempDir::new().unwrap();
    for (cert, key, said) in [
        (
            good.as_str(),
            other_key.as_str(),
            "is not the key of the certificate in",
        ),
        (&expired, &expired_key, "expired on 2010-01-01"),
        (&early, &early_key, "is not valid before 2900-01-01"),
        ("nothing", &key, "holds no certificate in PEM form"),
        (&good, "nothing", "holds no private key in PEM form"),
        (&good, &good, "holds no private key in PEM form"),
        (&key, &key, "holds no certificate in PEM form"),
    ] {
        certificates.put(cert, key);
        let (cert, key) = (certificates.text("cert.pem"), certificates.text("key.pem"));
        let settings = [
            ("server.tls.cert_file", cert.as_str()),
            ("server.tls.key_file", &key),
        ];
        for call in [&["serve"][..], &["config", "check"]] {
            let output = run(directory.path(), &settings, call).await;
            assert_eq!(output.code, Some(78), "{said}: {}", output.stderr);
            assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
            assert!(output.stderr.contains("server.tls."), "{}", output.stderr);
            assert!(
                !output.stderr.contains("PRIVATE KEY-----M"),
                "{}",
                output.stderr
            );
        }
    }
    let missing = [
        ("server.tls.cert_file", "/no/cert.pem"),
        ("server.tls.key_file", "/no/key.pem"),
    ];
    let output = run(directory.path(), &missing, &["serve"]).await;
    assert_eq!(output.code, Some(78), "{}", output.stderr);
    assert!(
        output.stderr.contains("cannot read /no/cert.pem"),
        "{}",
        output.stderr
    );
    // Who only looks after tags needs no private key.
    let output = run(directory.path(), &missing, &["migrate", "up"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let server = Server::start(&[]).await;
    assert!(server.base.starts_with("http://"), "{}", server.start_line);
}
