//! TLS for `https://` addresses, with the certificates that the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! others).

use crate::{IdAllocError, server::Server};

#[cfg(feature = "tls")]
mod implementation {
    use super::{IdAllocError, Server};
    use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
    use std::{io, sync::Arc};
    use tokio::net::TcpStream;
    use tokio_rustls::{TlsConnector, client::TlsStream};

    pub(crate) struct Tls(Option<TlsConnector>);

    impl Tls {
        /// Reads certificates only if a server needs them.
        pub(crate) fn for_servers(servers: &[Server]) -> Result<Self, IdAllocError> {
            if !servers.iter().any(|server| server.is_https) {
                return Ok(Self(None));
            }
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                let why = found.errors.first().map(|error| format!(": {error}"));
                return Err(IdAllocError::Options(format!(
                    "no certificates to trust were found{}; install ca-certificates, or name a file with SSL_CERT_FILE",
                    why.unwrap_or_default()
                )));
            }
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| IdAllocError::Options(format!("TLS cannot be used: {error}")))?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(Self(Some(TlsConnector::from(Arc::new(config)))))
        }

        pub(crate) async fn connect(
            &self,
            host: &str,
            stream: TcpStream,
        ) -> io::Result<TlsStream<TcpStream>> {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            let connector = self.0.as_ref().ok_or(io::ErrorKind::Unsupported)?;
            connector.connect(name, stream).await
        }
    }
}

#[cfg(not(feature = "tls"))]
mod implementation {
    use super::{IdAllocError, Server};
    use std::io;
    use tokio::net::TcpStream;

    pub(crate) struct Tls;

    impl Tls {
        pub(crate) fn for_servers(servers: &[Server]) -> Result<Self, IdAllocError> {
            match servers.iter().find(|server| server.is_https) {
                None => Ok(Self),
                Some(server) => Err(IdAllocError::Options(format!(
                    "server address {:?}: https needs the cargo feature `tls` of id-alloc-client",
                    server.name
                ))),
            }
        }

        pub(crate) async fn connect(&self, _: &str, _: TcpStream) -> io::Result<TcpStream> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

pub(crate) use implementation::Tls;
