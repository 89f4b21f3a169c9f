//! The listener for Redis' clients (`wire.redis.bind`), with workers, TLS and draining as those of HTTP.

use super::{
    StartError,
    drain::Listener,
    gate::Gate,
    listen::{Setup, bind},
};
use crate::{
    actors::Allocation,
    auth::{AllocToken, Tokens},
    http,
    redis::{self, Service},
};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{ServiceFactoryExt as _, fn_service};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use std::{sync::Arc, time::Instant};
use tokio::net::TcpStream;

/// Connections past `wire.redis.max_connections`, each of which is told that there are too many.
const TOO_MANY: usize = 1024;

/// Binds `wire.redis.bind`, where that is set.
pub(super) fn listen(
    setup: &Setup<'_>,
    workers: usize,
    allocation: &Allocation,
    shared: Arc<http::Shared>,
    tokens: Option<Arc<Tokens<AllocToken>>>,
) -> Result<Option<Listener>, StartError> {
    let (keys, redis) = (&setup.config.server, &setup.config.wire.redis);
    let Some(address) = redis.bind else {
        return Ok(None);
    };
    let internal = |error: std::io::Error| StartError::Internal(error.to_string());
    let listener = bind(address, "wire.redis.bind")?;
    let address = listener.local_addr().map_err(internal)?;
    let gate = Gate::new(&listener, setup.tls.is_some()).map_err(internal)?;
    let tls = setup.tls(gate.changes())?;
    let (most, too_many) = setup.redis_connections(redis.max_connections, TOO_MANY);
    // A worker that has its part takes no more, and the next one does.
    let each = (most + too_many).div_ceil(workers.max(1));
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(each)
        // As of HTTP.
        .shutdown_timeout(keys.grace_period.as_secs() + 1)
        .disable_signals();
    let service = Arc::new(Service {
        allocator: allocation.allocator(),
        shared,
        tokens,
        port: address.port(),
        began: Instant::now(),
        most,
        open: Default::default(),
        seen: Default::default(),
        changes: gate.changes(),
    });
    let closing = server.graceful_shutdown_signal();
    let server = match tls {
        None => server.listen("redis", listener, move || {
            let (service, closing) = (service.clone(), closing.clone());
            fn_service(move |stream: TcpStream| {
                note_failure(stream.set_nodelay(true));
                serve(stream, service.clone(), closing.clone())
            })
        }),
        Some(tls) => {
            let mut acceptor = Acceptor::new(tls);
            acceptor.set_handshake_timeout(keys.header_timeout);
            server.listen("redis", listener, move || {
                let (service, closing) = (service.clone(), closing.clone());
                let serve = fn_service(move |stream: TlsStream<TcpStream>| {
                    note_failure(stream.get_ref().0.set_nodelay(true));
                    serve(stream, service.clone(), closing.clone())
                });
                acceptor.clone().map_err(drop).and_then(serve)
            })
        }
    };
    let server = server.map_err(internal)?.run();
    tracing::info!(%address, "Redis' clients are served");
    Ok(Some(Listener { server, gate }))
}

async fn serve(
    stream: impl redis::Stream,
    service: Arc<Service>,
    closing: GracefulShutdownSignal,
) -> Result<(), ()> {
    redis::serve(stream, service, async move { closing.notified().await }).await;
    Ok(())
}

/// Answers then only come a little later.
fn note_failure(set: std::io::Result<()>) {
    if let Err(error) = set {
        tracing::debug!(%error, "TCP_NODELAY is not set on a connection");
    }
}
