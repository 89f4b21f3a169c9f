//! What counts: connections while they are open, and commands, added to the metrics once for all that came together.

use super::{Service, command::Command, refusal::Refused};
use crate::metrics::Interface;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

/// The label of commands that are not served.
const OTHER: &str = "_other";

/// A connection that counts as open for as long as this lives.
pub(super) struct Open(Arc<Service>);

impl Open {
    /// `None` where there are as many as may be.
    pub(super) fn new(service: &Arc<Service>) -> Option<Self> {
        let before = service.open.fetch_add(1, Ordering::Relaxed);
        service.changes.fetch_add(1, Ordering::Relaxed);
        service.shared.metrics.redis.connections.inc();
        // Dropped, it counts no more.
        let open = Self(service.clone());
        (before < service.most).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
        self.0.shared.metrics.redis.connections.dec();
    }
}

/// Commands that came together.
pub(super) struct Tally {
    pub(super) began: Instant,
    /// By the place of the command in [`Command::ALL`].
    answered: [u64; Command::ALL.len()],
    others: u64,
    /// Ids in answers.
    pub(super) ids: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            answered: [0; Command::ALL.len()],
            others: 0,
            ids: 0,
        }
    }

    pub(super) fn answered(&mut self, command: Option<Command>) {
        match command {
            Some(command) => self.answered[command as usize] += 1,
            None => self.others += 1,
        }
    }

    /// Counts and logs a refusal; of each kind of failure a line a second.
    pub(super) fn refused(&self, service: &Service, command: Option<Command>, refused: &Refused) {
        let (shared, code) = (&service.shared, refused.code());
        shared.metrics.http.rejected(code);
        if refused.is_failure()
            && let Some(more) = shared.admits_line(code)
        {
            let (command, took) = (command.map_or(OTHER, Command::name), self.began.elapsed());
            tracing::warn!(route = "redis", command, code, text = %refused, ?took, more, "request failed");
        }
    }

    pub(super) fn end(self, service: &Service) {
        let (shared, took) = (&service.shared, self.began.elapsed());
        let redis = &shared.metrics.redis;
        for (command, count) in Command::ALL.iter().zip(self.answered) {
            if count > 0 {
                redis.answered(command.name(), count);
            }
        }
        if self.others > 0 {
            redis.answered(OTHER, self.others);
        }
        if self.ids > 0 {
            shared.metrics.http.ids(Interface::Redis).inc_by(self.ids);
        }
        redis.duration.observe(took.as_secs_f64());
        if took >= shared.telemetry.slow_request
            && let Some(more) = shared.admits_line("slow")
        {
            tracing::warn!(route = "redis", ?took, more, "slow request");
        }
    }
}
