//! The gate: the listener is closed without losing a request that was sent on an open connection.
//!
//! Closing a listening socket resets the connections which the kernel has accepted and the server has
//! not, and a server that stops drops those which it has accepted and not read yet: their callers had
//! a connection, sent a request and would get no answer. So first the kernel is told to let nobody in,
//! by a filter that drops each SYN; then what came before is served; then the server is stopped. Who
//! knocks meanwhile tries again after a second, as after any lost packet, and is then refused.

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What came before is served when no connection was opened or closed, and no TLS handshake begun, for so
/// long.
const QUIET: Duration = Duration::from_millis(200);

/// The same under TLS: a handshake that began ends after a round trip to its client.
const QUIET_TLS: Duration = Duration::from_millis(500);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);

/// The listener's second handle, and what its connections do.
pub(super) struct Gate {
    listener: TcpListener,
    /// Grows with each connection that is opened or closed.
    changes: Arc<AtomicU64>,
    quiet: Duration,
}

impl Gate {
    pub(super) fn new(listener: &TcpListener, tls: bool) -> io::Result<Self> {
        Ok(Self {
            listener: listener.try_clone()?,
            quiet: if tls { QUIET_TLS } else { QUIET },
            changes: Arc::default(),
        })
    }

    /// To be raised with each connection that is opened or closed.
    pub(super) fn changes(&self) -> Arc<AtomicU64> {
        self.changes.clone()
    }

    /// Lets nobody in any more, and waits until those who are in were served, at most `limit`.
    pub(super) async fn close(self, limit: Duration) {
        if let Err(error) = self.drop_syns() {
            tracing::debug!(%error, "the listener takes no filter and is closed at once");
            return;
        }
        let began = Instant::now();
        let (mut seen, mut since) = (self.changes.load(Ordering::Relaxed), began);
        while since.elapsed() < self.quiet && began.elapsed() < limit {
            actix_web::rt::time::sleep(LOOK).await;
            let now = self.changes.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }

    /// Only those that open a connection: a handshake under way is finished.
    #[cfg(target_os = "linux")]
    fn drop_syns(&self) -> io::Result<()> {
        use socket2::SockFilter;
        const FLAGS: u32 = 13;
        const SYN: u32 = 0x02;
        const ACK: u32 = 0x10;
        // Classic BPF on the TCP header: the flags' byte, masked, SYN alone? then 0 bytes, else all.
        let program = [
            SockFilter::new(0x30, 0, 0, FLAGS),
            SockFilter::new(0x54, 0, 0, SYN | ACK),
            SockFilter::new(0x15, 0, 1, SYN),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        socket2::SockRef::from(&self.listener).attach_filter(&program)
    }

    #[cfg(not(target_os = "linux"))]
    fn drop_syns(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
