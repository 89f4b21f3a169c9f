//! The listeners: the API's, and those of `/metrics` and the admin API where they have one of their own.

use super::{StartError, gate::Gate, tls::Tls};
use crate::{
    actors::Allocation,
    config::Config,
    http::{self, Connections},
};
use actix_web::{App, HttpServer, dev::Server};
use std::{
    net::TcpListener,
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
    let (listeners, changes) = (vec![listener], gate.changes());
    if shared.settings.has_spans() {
        let routes = move || http::routes_with_spans(allocator(), shared.clone(), options.clone());
        listen_with(setup, workers, listeners, changes, routes)
    } else {
        let routes = move || http::routes(allocator(), shared.clone(), options.clone());
        listen_with(setup, workers, listeners, changes, routes)
    }
}

pub(super) fn serve_metrics(
    setup: &Setup<'_>,
    allocation: Allocation,
    shared: Arc<http::Shared>,
) -> Result<Option<Server>, StartError> {
    let Some(address) = &setup.config.telemetry.metrics_bind else {
        return Ok(None);
    };
    let app = move || {
        App::new().configure(|app| {
            http::metrics_route(app, allocation.allocator_beside(), shared.clone());
        })
    };
    let listeners = bind_all(address, "telemetry.metrics_bind")?;
    listen_with(setup, 1, listeners, Arc::default(), app).map(Some)
}

/// Serves with the limits that every listener has. `changes` grows with each connection that is opened or closed, and
/// each TLS handshake that begins.
pub(super) fn listen_with<F, A>(
    setup: &Setup<'_>,
    workers: usize,
    listeners: Vec<TcpListener>,
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
    let mut server = HttpServer::new(routes)
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
    for listener in listeners {
        server = match &tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls.clone()),
            None => server.listen(listener),
        }
        .map_err(|error| StartError::Internal(error.to_string()))?;
    }
    Ok(server.run())
}

/// A listener on the first address of `host`, and its port.
pub(super) fn bind(host: &str, port: u16) -> Result<(TcpListener, u16), StartError> {
    let failed = |error| StartError::Bind {
        address: format!("{}:{port}", bracketed(host)),
        keys: "server.host, server.port",
        error,
    };
    let listener = std::net::ToSocketAddrs::to_socket_addrs(&(host, port))
        .map_err(failed)?
        .next()
        .ok_or_else(|| failed(std::io::ErrorKind::AddrNotAvailable.into()))
        .and_then(|address| listen(address).map_err(failed))?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

fn listen(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    // As std does: a restart may bind while old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Listeners on all that `address` (`host:port`) stands for and that can be had; `keys` name it.
pub(super) fn bind_all(address: &str, keys: &'static str) -> Result<Vec<TcpListener>, StartError> {
    let failed = |error| StartError::Bind {
        address: address.to_owned(),
        keys,
        error,
    };
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(address).map_err(failed)?;
    let (mut listeners, mut refused) = (Vec::new(), Vec::new());
    for address in addresses {
        match listen(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => refused.push((address, error)),
        }
    }
    if listeners.is_empty() {
        let first = refused.into_iter().map(|(_, error)| error).next();
        let none = || std::io::ErrorKind::AddrNotAvailable.into();
        return Err(failed(first.unwrap_or_else(none)));
    }
    for (address, error) in refused {
        // As ::1 for "localhost" on a machine without IPv6.
        tracing::warn!(%address, %error, "{keys}: this address cannot be listened on");
    }
    Ok(listeners)
}

/// An IPv6 address as it stands in a URL.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
