//! TLS of the listeners: the certificate and its key, checked before anything is bound, and read again
//! when their files change. A new pair that cannot serve leaves the old one in force.
//!
//! Only HTTP/1.1 is offered (ALPN): actix-http ends no HTTP/2 connection with GOAWAY, so a drain would cut
//! requests off, and counts its streams against no limit.

use super::StartError;
use crate::{
    auth::{Content, Watched},
    config,
};
use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use webpki::{EndEntityCert, KeyUsage};

const KEYS: &str = "server.tls.cert_file, server.tls.key_file";

/// A certificate that ends so soon is warned about once.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// The certificate in force, for all listeners.
pub(super) struct Tls(Arc<Watched<Pair>>);

/// A certificate with its key that could serve when it was read.
#[derive(Debug)]
struct Pair {
    certified: Arc<CertifiedKey>,
    /// When the first of its certificates ends.
    until: UnixTime,
}

/// Reads the pair that the configuration names, if it names one.
pub(super) fn read(config: &config::Tls) -> Result<Option<Tls>, StartError> {
    let (Some(cert_file), Some(key_file)) = (&config.cert_file, &config.key_file) else {
        return Ok(None);
    };
    let files = vec![cert_file.clone(), key_file.clone()];
    let pair = Watched::read(KEYS, files);
    let wrong = |reason| StartError::Config(format!("{KEYS}: {reason}"));
    pair.map(|pair| Some(Tls(pair))).map_err(wrong)
}

impl Tls {
    /// What a listener needs. `handshakes` grows with each that begins.
    pub(super) fn server_config(
        &self,
        handshakes: Arc<AtomicU64>,
    ) -> Result<ServerConfig, StartError> {
        let pair = self.0.clone();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StartError::Internal(error.to_string()))?;
        let resolver = Arc::new(Resolver { pair, handshakes });
        Ok(builder.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// Goes on reading the files, and warns when the certificate ends soon.
    pub(super) async fn watch(self) {
        let mut warned = None;
        let ends = |pair: &Pair| {
            let left = pair
                .until
                .as_secs()
                .saturating_sub(UnixTime::now().as_secs());
            if left < SOON.as_secs() && warned != Some(pair.until) {
                let until = date(pair.until);
                tracing::warn!(%until, "the certificate in server.tls expires soon; replace it in its files");
                warned = Some(pair.until);
            }
        };
        self.0.watch(ends).await;
    }
}

impl Content for Pair {
    fn parse(files: &[(PathBuf, Vec<u8>)]) -> Result<Self, String> {
        match files {
            [(cert_file, cert), (key_file, key)] => pair((cert_file, cert), (key_file, key)),
            _ => Err("a certificate and its key are two files".to_owned()),
        }
    }
}

/// A certificate and a key that can serve now.
fn pair(cert: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Pair, String> {
    let (cert_file, key_file) = (cert.0.display(), key.0.display());
    let chain = CertificateDer::pem_slice_iter(cert.1).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("{cert_file}: {error}; it must be in PEM form"))?;
    if chain.is_empty() {
        return Err(format!(
            "{cert_file} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ));
    }
    let mut until = UnixTime::since_unix_epoch(Duration::MAX);
    for (index, der) in chain.iter().enumerate() {
        let number = index + 1;
        let wrong = |reason| format!("{cert_file}: certificate {number} {reason}");
        until = until.min(valid_until(der).map_err(wrong)?);
    }
    let private = PrivateKeyDer::from_pem_slice(key.1).map_err(|_| {
        format!(
            "{key_file} holds no private key in PEM form without a password (-----BEGIN PRIVATE KEY-----)"
        )
    })?;
    let provider: CryptoProvider = ring::default_provider();
    let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
            "{key_file} is not the key of the certificate in {cert_file}: give the two that belong together"
        ),
        error => format!("{key_file}: {error}; use an ECDSA, RSA or Ed25519 key"),
    })?;
    Ok(Pair {
        certified: Arc::new(certified),
        until,
    })
}

/// When a certificate ends; it may not have ended, or not have begun. webpki has no accessor for the two dates: it
/// looks at them before anything else and names them in its error. With no authority to trust, there always is one.
fn valid_until(der: &CertificateDer<'_>) -> Result<UnixTime, String> {
    let unreadable = |error: webpki::Error| format!("cannot be read: {error}");
    let cert = EndEntityCert::try_from(der).map_err(unreadable)?;
    let at = |time| {
        let usage = KeyUsage::server_auth();
        cert.verify_for_usage(&[], &[], &[], time, usage, None, None)
            .err()
    };
    match at(UnixTime::now()) {
        Some(webpki::Error::CertExpired { not_after, .. }) => {
            return Err(format!(
                "expired on {}: put a renewed one there",
                date(not_after)
            ));
        }
        Some(webpki::Error::CertNotValidYet { not_before, .. }) => {
            let begins = date(not_before);
            return Err(format!(
                "is not valid before {begins}: wait, or correct this machine's clock"
            ));
        }
        _ => {}
    }
    match at(UnixTime::since_unix_epoch(Duration::MAX)) {
        Some(webpki::Error::CertExpired { not_after, .. }) => Ok(not_after),
        Some(error) => Err(unreadable(error)),
        None => Err("has no end".to_owned()),
    }
}

fn date(time: UnixTime) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Gives each handshake the certificate that is in force.
#[derive(Debug)]
struct Resolver {
    pair: Arc<Watched<Pair>>,
    handshakes: Arc<AtomicU64>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        Some(self.pair.get().certified.clone())
    }
}
