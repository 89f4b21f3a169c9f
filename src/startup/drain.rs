//! Runs a server that was built, and drains it: no request that was sent before is lost.

use super::{Application, StartError, gate::Gate, heartbeat};
use crate::{actors::Allocation, storage::SegmentStore as _};
use actix_web::dev::{Server, ServerHandle};
use futures_util::future::{join_all, select_all};
use std::time::Duration;

/// How long connections to the database may take to close at the end.
const CLOSING: Duration = Duration::from_secs(1);

/// What the stop signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Answer for `server.drain_delay` more, so that load balancers notice (SIGTERM).
    Drain,
    /// Finish what runs and end (SIGINT).
    Now,
}

/// What hands out ids.
pub(super) struct Listener {
    pub(super) server: Server,
    /// Shut before the server is stopped.
    pub(super) gate: Gate,
}

impl Application {
    /// Serves until `stop` gives the first signal, then drains. The next one ends the drain, and lets running requests
    /// finish; one more ends those too.
    ///
    /// # Errors
    /// [`StartError::Internal`] where a listener ended by itself.
    pub async fn run_until_stopped(
        self,
        mut stop: impl AsyncFnMut() -> Stop,
    ) -> Result<(), StartError> {
        let (mut handles, mut gates, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for Listener { server, gate } in self.listeners {
            handles.push(server.handle());
            gates.push(gate);
            tasks.push(actix_web::rt::spawn(server));
        }
        let mut beside = Vec::new();
        for server in self.beside {
            beside.push(server.handle());
            actix_web::rt::spawn(server);
        }
        let first = tokio::select! {
            first = stop() => first,
            (ended, ..) = select_all(&mut tasks) => {
                return Err(StartError::Internal(format!("a listener ended by itself: {ended:?}")));
            }
        };
        self.allocation.drain();
        if first == Stop::Drain {
            tracing::info!(delay = ?self.drain_delay, "draining: /health answers 503 from now on");
            tokio::select! {
                () = tokio::time::sleep(self.drain_delay) => {}
                _ = stop() => tracing::info!("a second signal: the drain is cut short"),
            }
        }
        let grace_period = self.grace_period;
        let finished = async {
            let limit = grace_period.mul_f64(0.2);
            join_all(gates.into_iter().map(|gate| gate.close(limit))).await;
            finish(&handles, &self.allocation, grace_period).await;
        };
        tokio::select! {
            () = finished => {}
            _ = stop() => {
                tracing::warn!("another signal: running requests are not waited for");
                join_all(handles.iter().map(|handle| handle.stop(false))).await;
            }
        }
        join_all(tasks).await;
        join_all(beside.iter().map(|handle| handle.stop(false))).await;
        self.heartbeat.abort();
        heartbeat::goodbye(&self.store, &self.me).await;
        // One that does not answer has a connection that takes long to close.
        if tokio::time::timeout(CLOSING, self.store.close())
            .await
            .is_err()
        {
            tracing::info!("the database did not close its connections in time");
        }
        let unused_ids = self.allocation.left();
        tracing::info!(unused_ids, "stopped; the ids that were in memory are a gap");
        Ok(())
    }
}

/// Closes the listeners and lets running requests finish; near the end of the grace period those who
/// still wait for ids are refused, so that each gets an answer.
async fn finish(handles: &[ServerHandle], allocation: &Allocation, grace_period: Duration) {
    let mut stopped = join_all(handles.iter().map(|handle| handle.stop(true)));
    if tokio::time::timeout(grace_period.mul_f64(0.6), &mut stopped)
        .await
        .is_err()
    {
        allocation.close();
        stopped.await;
    }
}
