//! The listeners: the API's, and those of `/metrics` and the admin API where they have one of their own.

use super::{StartError, gate::Gate, tls::Tls};
use crate::{
    actors::Allocation,
    config::Config,
    http::{self, Connections},
};
use actix_web::{App, HttpServer, dev::Server};
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
    let server = HttpServer::new(routes)
        .on_connect(move |stream, data| connections.opened(stream, data))
        .workers(workers)
        .max_connections(keys.max_connections)
        .keep_alive(keys.keep_alive)
        // actix-tls lets in no one while 256 handshakes are under way, or so many as said here; they are
        // bounded as connections are, and in time.
        .max_connection_rate(keys.max_connections)
        .tls_handshake_timeout(keys.header_timeout)
        .client_request_timeout(keys.header_timeout)
        // In whole seconds, and never before those still waiting have been refused.
        .shutdown_timeout(keys.grace_period.as_secs() + 1)
        // Signals are handled in `cli`, which drains first.
        .disable_signals();
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls),
        None => server.listen(listener),
    };
    let server = server.map_err(|error| StartError::Internal(error.to_string()))?;
    Ok(server.run())
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
