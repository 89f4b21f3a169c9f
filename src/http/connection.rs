//! Open connections: each is counted, and closed when its client has gone quiet.
//!
//! actix times the head of a connection's first request, and the pause between two requests. It does
//! not time a later request that stops half-way, nor a body that nobody reads, and it turns over the
//! requests of a client that never reads its answers. So each connection remembers when its newest
//! request began; one for which that is too long ago is shut down. What is sent and not taken in for
//! `server.write_timeout` the kernel gives up (`TCP_USER_TIMEOUT`). An encrypted connection comes here after
//! its handshake, which has a timeout of its own.

use actix_web::dev::Extensions;
use std::{
    cell::{Cell, RefCell},
    net::Shutdown,
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// How often a worker looks for quiet connections.
const LOOK: Duration = Duration::from_secs(1);

thread_local! {
    /// This worker's connections; `None` until the first, with which the looking begins.
    static OPEN: RefCell<Option<Vec<Weak<Connection>>>> = const { RefCell::new(None) };
}

/// What is done with each new connection.
#[derive(Debug, Clone)]
pub struct Connections {
    /// A connection whose newest request began so long ago is closed.
    pub quiet: Duration,
    /// How long answers may lie unread; zero for ever.
    pub write_timeout: Duration,
    /// Grows with each connection that is opened or closed.
    pub changes: Arc<AtomicU64>,
}

/// An open connection. Lives as long as actix keeps it.
pub(super) struct Connection {
    /// A second handle of the stream, to shut it down.
    socket: Option<socket2::Socket>,
    /// When its newest request began, or itself.
    pub(super) newest: Cell<Instant>,
    changes: Arc<AtomicU64>,
}

impl Connections {
    /// To be called by actix, on the worker's thread, with each connection.
    pub fn opened(&self, stream: &TcpStream, data: &mut Extensions) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        let stream = socket2::SockRef::from(stream);
        limit_unread(&stream, self.write_timeout);
        let connection = Rc::new(Connection {
            // Without a second handle, as when no more files may be opened, it is not watched.
            socket: stream.try_clone().ok(),
            newest: Cell::new(Instant::now()),
            changes: self.changes.clone(),
        });
        OPEN.with_borrow_mut(|open| {
            let open = open.get_or_insert_with(|| {
                actix_web::rt::spawn(watch(self.quiet));
                Vec::new()
            });
            open.push(Rc::downgrade(&connection));
        });
        data.insert(connection);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Shuts down connections that have gone quiet, until the worker ends.
async fn watch(quiet: Duration) {
    loop {
        actix_web::rt::time::sleep(LOOK).await;
        OPEN.with_borrow_mut(|open| {
            let Some(open) = open else { return };
            open.retain(|connection| {
                let Some(connection) = connection.upgrade() else {
                    return false;
                };
                if connection.newest.get().elapsed() > quiet
                    && let Some(socket) = &connection.socket
                {
                    // Both ends see it closed; actix then lets go of it. An error: it is closed already.
                    let _ = socket.shutdown(Shutdown::Both);
                }
                true
            });
        });
    }
}

#[cfg(target_os = "linux")]
fn limit_unread(stream: &socket2::Socket, after: Duration) {
    if let Err(error) = stream.set_tcp_user_timeout((!after.is_zero()).then_some(after)) {
        tracing::debug!(%error, "server.write_timeout is not set on a connection");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_unread(_: &socket2::Socket, _: Duration) {}
