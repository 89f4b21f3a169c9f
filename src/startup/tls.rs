//! TLS of the listeners: the certificate and its key, checked before anything is bound, and read again
//! when their files change. A new pair that cannot serve leaves the old one in force.
//!
//! Only HTTP/1.1 is offered (ALPN): actix-http ends no HTTP/2 connection with GOAWAY, so a drain would cut
//! requests off, and counts its streams against no limit.

use super::StartError;
use crate::config;
use arc_swap::ArcSwap;
use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use x509_parser::{parse_x509_certificate, time::ASN1Time};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate that ends so soon is warned about once.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// The certificate in force, for all listeners.
pub(super) struct Tls {
    cert_file: PathBuf,
    key_file: PathBuf,
    held: Arc<ArcSwap<Pair>>,
}

/// A certificate with its key, as it was read.
#[derive(Debug)]
struct Pair {
    certified: Arc<CertifiedKey>,
    /// When the first of its certificates ends.
    until: ASN1Time,
    /// Of both files.
    digest: [u8; 32],
}

/// Reads the pair that the configuration names, if it names one.
///
/// # Errors
/// [`StartError::Config`] says what is wrong with which file, and what to do.
pub(super) fn read(config: &config::Tls) -> Result<Option<Tls>, StartError> {
    let (Some(cert_file), Some(key_file)) = (&config.cert_file, &config.key_file) else {
        return Ok(None);
    };
    let pair = Pair::read(cert_file, key_file).map_err(StartError::Config)?;
    Ok(Some(Tls {
        cert_file: cert_file.clone(),
        key_file: key_file.clone(),
        held: Arc::new(ArcSwap::from_pointee(pair)),
    }))
}

impl Tls {
    /// What a listener needs. `handshakes` grows with each that begins.
    pub(super) fn server_config(
        &self,
        handshakes: Arc<AtomicU64>,
    ) -> Result<ServerConfig, StartError> {
        let held = self.held.clone();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StartError::Internal(error.to_string()))?;
        let resolver = Arc::new(Resolver { held, handshakes });
        Ok(builder.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// Reads the files again whenever they have changed, for as long as the server runs. What is wrong with
    /// them is said once, and only when it lasts: two files are seldom replaced at the same moment.
    pub(super) async fn watch(self) {
        let (mut seen, mut said, mut warned) = (None, None, None);
        loop {
            actix_web::rt::time::sleep(LOOK).await;
            let files = (self.cert_file.clone(), self.key_file.clone());
            let held = self.held.load().digest;
            let read = actix_web::rt::task::spawn_blocking(move || Pair::changed(&files, held));
            let problem = match read.await {
                Ok(Ok(None)) => None,
                Ok(Ok(Some(pair))) => {
                    tracing::info!(until = %pair.until, "the certificate of server.tls has changed");
                    self.held.store(Arc::new(pair));
                    None
                }
                Ok(Err(reason)) => Some(reason),
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = problem
                .as_ref()
                .filter(|_| problem == seen && problem != said)
            {
                tracing::error!(%reason, "the certificate stays as it was");
                said.clone_from(&problem);
            }
            if problem.is_none() {
                said = None;
            }
            seen = problem;
            let until = self.held.load().until;
            if warned != Some(until) && ends_soon(until) {
                tracing::warn!(%until, "the certificate of server.tls ends soon; put a new one into its files");
                warned = Some(until);
            }
        }
    }
}

fn ends_soon(until: ASN1Time) -> bool {
    let left = until.timestamp() - ASN1Time::now().timestamp();
    u64::try_from(left).map_or(true, |left| left < SOON.as_secs())
}

impl Pair {
    fn read(cert_file: &Path, key_file: &Path) -> Result<Self, String> {
        Self::parse(
            (cert_file, &content("cert", cert_file)?),
            (key_file, &content("key", key_file)?),
        )
    }

    /// The pair, where the files hold another than the one with this digest.
    fn changed(files: &(PathBuf, PathBuf), digest: [u8; 32]) -> Result<Option<Self>, String> {
        let (cert, key) = (content("cert", &files.0)?, content("key", &files.1)?);
        if digest_of(&cert, &key) == digest {
            return Ok(None);
        }
        Self::parse((&files.0, &cert), (&files.1, &key)).map(Some)
    }

    /// A certificate and a key that can serve now.
    fn parse(cert: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, String> {
        let cert_file = format!("server.tls.cert_file: {}", cert.0.display());
        let key_file = format!("server.tls.key_file: {}", key.0.display());
        let chain = CertificateDer::pem_slice_iter(cert.1).collect::<Result<Vec<_>, _>>();
        let chain =
            chain.map_err(|error| format!("{cert_file}: {error}; it must be in PEM form"))?;
        if chain.is_empty() {
            return Err(format!(
                "{cert_file} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
            ));
        }
        let until = valid_until(&chain).map_err(|reason| format!("{cert_file}: {reason}"))?;
        let private = PrivateKeyDer::from_pem_slice(key.1).map_err(|_| {
            format!(
                "{key_file} holds no private key in PEM form without a password (-----BEGIN PRIVATE KEY-----)"
            )
        })?;
        let provider: CryptoProvider = ring::default_provider();
        let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "{key_file} is not the key of the certificate in {}: give the two that belong together",
                cert.0.display()
            ),
            error => format!("{key_file}: {error}; ECDSA, RSA and Ed25519 keys can serve"),
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            until,
            digest: digest_of(cert.1, key.1),
        })
    }
}

/// When the first of them ends; none may have ended, or not have begun.
fn valid_until(chain: &[CertificateDer<'_>]) -> Result<ASN1Time, String> {
    let mut until: Option<ASN1Time> = None;
    for (index, der) in chain.iter().enumerate() {
        let number = index + 1;
        let (_, parsed) = parse_x509_certificate(der)
            .map_err(|error| format!("certificate {number} cannot be read: {error}"))?;
        let validity = parsed.validity();
        let now = ASN1Time::now();
        if now > validity.not_after {
            let ended = validity.not_after;
            return Err(format!(
                "certificate {number} ended on {ended}: put a renewed one there"
            ));
        }
        if now < validity.not_before {
            let begins = validity.not_before;
            return Err(format!(
                "certificate {number} begins on {begins}: wait, or set this machine's clock right"
            ));
        }
        until = Some(until.map_or(validity.not_after, |until| until.min(validity.not_after)));
    }
    until.ok_or_else(|| "holds no certificate".to_owned())
}

fn content(which: &str, file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|reason| {
        format!(
            "server.tls.{which}_file: cannot read {}: {reason}",
            file.display()
        )
    })
}

fn digest_of(cert: &[u8], key: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(cert.len().to_be_bytes());
    hash.update(cert);
    hash.update(key);
    hash.finalize().into()
}

/// Gives each handshake the certificate that is in force.
#[derive(Debug)]
struct Resolver {
    held: Arc<ArcSwap<Pair>>,
    handshakes: Arc<AtomicU64>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        Some(self.held.load().certified.clone())
    }
}
