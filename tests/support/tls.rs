//! Certificates of a test's own, and connections to a server that speaks TLS, checked against them.

use super::PATIENCE;
use super::admin::write;
use super::caller::Caller;
use super::raw::response;
use super::server::Server;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// An authority, and the certificate and key that a server serves with.
pub(crate) struct Certificates {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    authority: String,
}

impl Certificates {
    /// A new authority, and a pair that is good for 127.0.0.1 alone.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "a test's authority");
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let certificates = Self {
            directory: TempDir::new().expect("a directory"),
            issuer: Issuer::new(params, key),
            authority,
        };
        write(&certificates.path("ca.pem"), &certificates.authority);
        let (cert, key) = certificates.pair((2000, 3000));
        certificates.put(&cert, &key);
        certificates
    }

    /// A certificate, valid in those years, and its key.
    pub(crate) fn pair(&self, years: (i32, i32)) -> (String, String) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Puts a pair where the server reads it.
    pub(crate) fn put(&self, cert: &str, key: &str) {
        write(&self.path("cert.pem"), cert);
        write(&self.path("key.pem"), key);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A server that serves with them.
    pub(crate) async fn server(&self, settings: &[(&str, &str)]) -> Server {
        let (cert, key) = (self.text("cert.pem"), self.text("key.pem"));
        let own = [
            ("server.tls.cert_file", cert.as_str()),
            ("server.tls.key_file", &key),
        ];
        let server = Server::start(&[&own, settings].concat()).await;
        assert!(
            server.base.starts_with("https://127.0.0.1:"),
            "{}",
            server.start_line
        );
        server
    }

    /// Trusts the authority alone.
    pub(crate) fn connector(&self, protocols: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let mut config = builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    /// A connection whose certificate was checked.
    pub(crate) async fn connect(&self, server: &Caller) -> std::io::Result<TlsStream<TcpStream>> {
        open(&self.connector(&[b"http/1.1"]), address(server)).await
    }

    /// `GET` on a connection of its own: the whole response.
    pub(crate) async fn get(&self, server: &Caller, path: &str) -> String {
        self.get_at(address(server), path).await
    }

    /// The same at another address of the server.
    pub(crate) async fn get_at(&self, address: &str, path: &str) -> String {
        let connector = self.connector(&[]);
        let stream = open(&connector, address).await;
        let mut stream = stream.unwrap_or_else(|error| panic!("{address}: {error}"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        response(&mut stream).await
    }

    /// It serves `test` without giving an id twice, and nothing in it panicked.
    pub(crate) async fn unharmed(&self, server: &Server) {
        let first = id(&self.get(server, "/alloc?biz_tag=test").await);
        let second = id(&self.get(server, "/alloc?biz_tag=test").await);
        assert!(second > first, "{first}, then {second}");
        let log = server.stderr();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// The id in a response to `/alloc`.
#[track_caller]
pub(crate) fn id(response: &str) -> i64 {
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{response}");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    body["id"].as_i64().expect("an id")
}

/// `127.0.0.1:PORT`.
pub(crate) fn address(server: &Caller) -> &str {
    let (_, address) = server.base.split_once("://").expect("a URL");
    address
}

/// A connection whose handshake is done.
pub(crate) async fn open(
    connector: &TlsConnector,
    address: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let shaking = connector.connect(name, stream);
    let done = tokio::time::timeout(PATIENCE, shaking).await;
    done.expect("an end of the handshake")
}
