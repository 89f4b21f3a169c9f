//! A new certificate is taken up while clients run, and a broken one is not.

use crate::support::checks::assert_distinct;
use crate::support::raw::response;
use crate::support::server::Server;
use crate::support::tls::{Certificates, address, id, open};
use crate::support::{PATIENCE, eventually};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// The certificate that the server shows to a new client.
async fn shown(certificates: &Certificates, server: &Server) -> CertificateDer<'static> {
    let stream = certificates.connect(server).await.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

async fn until_shown(certificates: &Certificates, server: &Server, cert: &str) {
    let wanted = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    eventually("the new certificate", PATIENCE, async || {
        (shown(certificates, server).await == wanted).then_some(())
    })
    .await;
}

/// Asks on a connection that is kept, and on new ones, until it is stopped; a request without an id fails.
async fn caller(
    connector: TlsConnector,
    address: String,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
) -> Vec<i64> {
    let mut ids = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let mut stream = open(&connector, &address).await.expect("a handshake");
        for _ in 0..20 {
            let ask = b"GET /alloc?biz_tag=test HTTP/1.1\r\nHost: a\r\n\r\n";
            stream.write_all(ask).await.expect("sent");
            ids.push(id(&response(&mut stream).await));
            served.fetch_add(1, Ordering::SeqCst);
        }
    }
    ids
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_without_losing_a_request() {
    let certificates = Certificates::new();
    // A refusal here means what it says, not that the machine is slow.
    let patient = [
        ("limits.request_deadline", "60s"),
        ("server.header_timeout", "60s"),
        ("database.acquire_timeout", "60s"),
        ("database.statement_timeout", "60s"),
    ];
    let server = certificates.server(&patient).await;
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let address = address(&server).to_owned();
        let (stop, served) = (stop.clone(), Arc::clone(&served));
        callers.spawn(caller(certificates.connector(&[]), address, stop, served));
    }
    for _ in 0..2 {
        let (cert, key) = certificates.pair((2001, 3000));
        certificates.put(&cert, &key);
        until_shown(&certificates, &server, &cert).await;
        let before = served.load(Ordering::SeqCst);
        eventually("more requests", PATIENCE, async || {
            (served.load(Ordering::SeqCst) > before + 200).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::SeqCst);
    let ids = callers.join_all().await.concat();
    assert_eq!(ids.len(), served.load(Ordering::SeqCst));
    assert_distinct(&ids);
}

#[tokio::test]
async fn a_broken_new_pair_leaves_the_old_one_and_is_said_once() {
    let certificates = Certificates::new();
    let server = certificates.server(&[]).await;
    let first = shown(&certificates, &server).await;
    let (cert, key) = certificates.pair((2001, 3000));
    let (expired, expired_key) = certificates.pair((2000, 2010));
    for (cert, key, reason) in [
        (cert.as_str(), expired_key.as_str(), "is not the key of"),
        (&expired, &expired_key, "expired on"),
        ("", "", "holds no certificate"),
    ] {
        certificates.put(cert, key);
        server.says(reason).await;
        assert_eq!(shown(&certificates, &server).await, first, "{reason}");
        certificates.unharmed(&server).await;
    }
    certificates.put(&cert, &key);
    until_shown(&certificates, &server, &cert).await;
    let log = server.says("the file has changed").await;
    for line in ["is not the key of", "expired on", "holds no certificate"] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
    assert!(log.contains("server.tls"), "{log}");
    assert!(!log.contains("PRIVATE KEY-----M"), "{log}");
}
