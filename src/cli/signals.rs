//! Signals: SIGTERM and SIGINT stop the server; those that programs are sent to reopen logs or to read their
//! configuration again do nothing, and above all do not kill it.

use super::Exit;
use crate::startup::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask the server to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on none is missed, and those that are ignored are.
    pub(super) fn listen() -> Result<Self, Exit> {
        let listen = |kind| signal(kind).map_err(|error| Exit::internal(error.to_string()));
        // They would end a process that does not handle them.
        for (name, kind) in [
            ("SIGHUP", SignalKind::hangup()),
            ("SIGUSR1", SignalKind::user_defined1()),
            ("SIGUSR2", SignalKind::user_defined2()),
            ("SIGALRM", SignalKind::alarm()),
        ] {
            let mut ignored = listen(kind)?;
            actix_web::rt::spawn(async move {
                while ignored.recv().await.is_some() {
                    tracing::info!(
                        "{name} is ignored: files of tokens and certificates are read again when they change"
                    );
                }
            });
        }
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn stop(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Drain,
            _ = self.interrupt.recv() => Stop::Now,
        }
    }
}
