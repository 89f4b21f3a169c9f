//! How many connections are let in where few files may be open: as many as leave files for the database and all else.

use super::listen::Setup;

/// An open connection of HTTP, and the second handle by which it is closed.
const FILES_PER_CONNECTION: usize = 2;

/// Fewer connections are worth a warning, unless they were configured.
const SCARCE: usize = 1000;

/// Files for all but connections: listeners, logs, the embedded database, files of tokens that are read again, those
/// that the threads have of their own.
const RESERVE: u64 = 64;

impl Setup<'_> {
    /// Open connections per worker of a listener for HTTP: as many as are wanted, or as the files allow that this
    /// process may open.
    pub(super) fn connections(&self, workers: usize, wanted: usize) -> usize {
        let each = FILES_PER_CONNECTION * workers.max(1);
        let allowed = self.files().map(|files| (files / each).max(1));
        at_most(allowed, wanted, "per worker")
    }

    /// Open connections of Redis' clients in all, and how many more may be told that there are too many.
    pub(super) fn redis_connections(&self, wanted: usize, too_many: usize) -> (usize, usize) {
        let Some(files) = self.files() else {
            return (wanted, too_many);
        };
        let too_many = too_many.min(files / 4).max(1);
        let allowed = files.saturating_sub(too_many).max(1);
        let allowed = at_most(Some(allowed), wanted, "of Redis' clients");
        (allowed, too_many)
    }

    /// The files that connections of a listener may take, so that some are left for all else.
    fn files(&self) -> Option<usize> {
        let config = self.config;
        let listeners = 1
            + u64::from(config.telemetry.metrics_bind.is_some())
            + u64::from(config.admin.bind.is_some())
            + u64::from(config.wire.redis.bind.is_some());
        let database = u64::from(config.database.max_connections) * 2;
        let files = self.files?.saturating_sub(database + RESERVE) / listeners;
        Some(usize::try_from(files).unwrap_or(usize::MAX))
    }
}

/// As many connections as are wanted, or as are allowed.
fn at_most(allowed: Option<usize>, wanted: usize, whose: &str) -> usize {
    match allowed {
        Some(allowed) if allowed < wanted.min(SCARCE) => {
            tracing::warn!(
                allowed,
                "few connections {whose} are let in, since the limit on open files is low; raise it (LimitNOFILE, \
                 ulimit -n)"
            );
            allowed
        }
        Some(allowed) => allowed.min(wanted),
        None => wanted,
    }
}
