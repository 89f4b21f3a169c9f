//! The listeners: the API's, and those of `/metrics` and the admin API where they have one of their own.

use super::{StartError, gate::Gate, tls::Tls};
use crate::{
    actors::Allocation,
    config::Config,
    http::{self, Connections, PlainHttp},
};
use actix_http::HttpService;
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::{
    App,
    dev::AppConfig,
    rt::net::{ActixStream, TcpStream},
};
use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;

/// What all listeners have in common.
pub(super) struct Setup<'a> {
    pub(super) config: &'a Config,
    /// `None`: they speak plain HTTP.
    pub(super) tls: Option<&'a Tls>,
    /// How many files the process may open, where that is known.
    pub(super) files: Option<u64>,
}

impl Setup<'_> {
    /// TLS for one listener. `handshakes` grows with each that begins.
    pub(super) fn tls(
        &self,
        handshakes: Arc<AtomicU64>,
    ) -> Result<Option<rustls::ServerConfig>, StartError> {
        let tls = self.tls.map(|tls| tls.server_config(handshakes));
        tls.transpose()
    }
}

pub(super) fn serve(
    setup: &Setup<'_>,
    workers: usize,
    listener: TcpListener,
    gate: &Gate,
    allocation: Allocation,
    shared: Arc<http::Shared>,
    options: http::Options,
) -> Result<Server, StartError> {
    let allocator = move || allocation.allocator();
    let changes = gate.changes();
    if shared.telemetry.has_spans() {
        let routes = move || http::routes_with_spans(allocator(), shared.clone(), options.clone());
        listen_with(setup, workers, listener, changes, routes)
    } else {
        let routes = move || http::routes(allocator(), shared.clone(), options.clone());
        listen_with(setup, workers, listener, changes, routes)
    }
}

pub(super) fn serve_metrics(
    setup: &Setup<'_>,
    allocation: Allocation,
    shared: Arc<http::Shared>,
) -> Result<Option<Server>, StartError> {
    let Some(address) = setup.config.telemetry.metrics_bind else {
        return Ok(None);
    };
    let app = move || {
        App::new().configure(|app| {
            http::metrics_route(app, allocation.allocator(), shared.clone());
        })
    };
    let listener = bind(address, "telemetry.metrics_bind")?;
    listen_with(setup, 1, listener, Arc::default(), app).map(Some)
}

/// Serves with the limits that every listener has. `changes` grows with each connection that is opened or closed, and
/// each TLS handshake that begins.
///
/// As `actix_web::HttpServer` does, which takes no other stream than a socket or TLS on it.
pub(super) fn listen_with<F, A>(
    setup: &Setup<'_>,
    workers: usize,
    listener: TcpListener,
    changes: Arc<AtomicU64>,
    routes: F,
) -> Result<Server, StartError>
where
    F: Fn() -> App<A> + Send + Clone + 'static,
    A: http::AppFactory + 'static,
{
    let (config, keys) = (setup.config, &setup.config.server);
    let connections = Connections {
        // The longest that one request may take from its first byte, after the longest pause.
        quiet: keys.keep_alive
            + keys.header_timeout * 2
            + config.limits.request_deadline
            + Duration::from_secs(1),
        write_timeout: keys.write_timeout,
        changes: changes.clone(),
    };
    let tls = setup.tls(changes)?;
    // actix-tls lets in no one while 256 handshakes are under way, or so many as said here; they are
    // bounded as connections are, and in time.
    let max_connections = setup.connections(workers, keys.max_connections);
    actix_tls::accept::max_concurrent_tls_connect(max_connections);
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(max_connections)
        // In whole seconds, and never before those still waiting have been refused.
        .shutdown_timeout(keys.grace_period.as_secs() + 1)
        // Signals are handled in `cli`, which drains first.
        .disable_signals();
    let http1 = Http1 {
        keep_alive: keys.keep_alive,
        header_timeout: keys.header_timeout,
        connections,
        stopping: server.graceful_shutdown_signal(),
        routes,
    };
    let server = match tls {
        Some(mut tls) => {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            let handshake_timeout = keys.header_timeout;
            server.listen(NAME, listener, move || {
                let mut acceptor = Acceptor::new(tls.clone());
                acceptor.set_handshake_timeout(handshake_timeout);
                // What fails on one connection is nobody else's business.
                let handshake = acceptor.map_err(drop);
                handshake.and_then(http1.service())
            })
        }
        None => server.listen(NAME, listener, move || http1.service()),
    };
    let server = server.map_err(|error| StartError::Internal(error.to_string()))?;
    Ok(server.run())
}

/// What actix calls a listener in its log.
const NAME: &str = "http";

/// Speaks HTTP/1.1 on streams.
#[derive(Clone)]
struct Http1<F> {
    keep_alive: Duration,
    header_timeout: Duration,
    connections: Connections,
    /// Resolves as the server stops.
    stopping: GracefulShutdownSignal,
    routes: F,
}

impl<F> Http1<F> {
    fn service<T, A>(
        &self,
    ) -> impl ServiceFactory<T, Config = (), Response = (), Error = (), InitError = ()> + use<F, T, A>
    where
        T: ActixStream + Socket + 'static,
        F: Fn() -> App<A>,
        A: http::AppFactory + 'static,
    {
        let (connections, stopping) = (self.connections.clone(), self.stopping.clone());
        let routes = (self.routes)()
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(self.keep_alive)
            .client_request_timeout(self.header_timeout)
            .client_disconnect_timeout(DISCONNECT)
            .on_connect_ext(move |stream: &PlainHttp<T>, data| {
                connections.opened(stream.get_ref().socket(), data);
            })
            .h1(map_config(routes, |()| AppConfig::default()))
            .map_err(drop);
        let stream = fn_service(|stream: T| async move {
            let socket = stream.socket();
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY is not set on a connection");
            }
            let client = socket.peer_addr().ok();
            Ok((PlainHttp::new(stream), client))
        });
        stream.and_then(http)
    }
}

/// How long a client whose body is not read on may take to close its side.
const DISCONNECT: Duration = Duration::from_secs(1);

/// A stream over TCP.
trait Socket {
    fn socket(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A listener on the first address of `host`.
pub(super) fn bind_host(host: &str, port: u16) -> Result<TcpListener, StartError> {
    let failed = |error| StartError::Bind {
        address: format!("{}:{port}", bracketed(host)),
        keys: "server.host, server.port",
        error,
    };
    (host, port)
        .to_socket_addrs()
        .map_err(failed)?
        .next()
        .ok_or_else(|| failed(io::ErrorKind::AddrNotAvailable.into()))
        .and_then(|address| listen(address).map_err(failed))
}

/// A listener on the address of a key.
pub(super) fn bind(address: SocketAddr, keys: &'static str) -> Result<TcpListener, StartError> {
    listen(address).map_err(|error| StartError::Bind {
        address: address.to_string(),
        keys,
        error,
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    // As std does: a restart may bind while old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// An IPv6 address as it stands in a URL.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
