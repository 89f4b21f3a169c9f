//! The pool of connections, and the bound on each statement.
//!
//! The pool stands behind a *generation*: [`Pool::renew`] replaces it whole, once per generation. That is
//! how a connection whose statement timed out is never used again: its pool is closed before the
//! statement is dropped, and what comes back to a closed pool is closed.

use super::SqlSettings;
use super::dialect::Backend;
use super::errors::{Kind, Place, SqlError, classify, timed_out};
use super::inspect::Inspection;
use super::options::{ACQUIRED, Options, SetupError, connect, parse};
use crate::storage::StoreError;
use arc_swap::{ArcSwap, ArcSwapOption};
use sea_orm::sqlx::{self, Database};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, ExecResult, QueryResult, Statement};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Connections to a read-only server are made anew at most once in this time.
const CALM: Duration = Duration::from_millis(500);

/// One pool and what was found out about its server.
pub(super) struct Generation {
    number: u64,
    made: Instant,
    pub(super) db: DatabaseConnection,
    /// Looked at by the first claim or check; anew in each generation, which may reach another server.
    pub(super) inspection: ArcSwapOption<Inspection>,
}

/// What connects, and what statements run through.
pub(super) struct Pool {
    options: Options,
    max_connections: u32,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    pub(super) backend: Backend,
    pub(super) place: Place,
    current: ArcSwap<Generation>,
    renewing: Mutex<()>,
    /// Why the newest connection was given up while it was set up; sqlx only logs it.
    setup_error: SetupError,
}

impl Pool {
    pub(super) fn new(settings: &SqlSettings) -> Result<Self, StoreError> {
        let (options, endpoint) = parse(settings)?;
        let (backend, max_connections) = match options {
            Options::MySql(_) => (Backend::MySql, settings.max_connections.max(1)),
            // SQLite has one writer at a time: a second connection would only poll for the lock.
            Options::Sqlite(_) => (Backend::Sqlite, 1),
        };
        let setup_error = Arc::default();
        let db = connect(
            &options,
            max_connections,
            settings.acquire_timeout,
            &setup_error,
        );
        Ok(Self {
            options,
            max_connections,
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
            backend,
            place: Place {
                endpoint,
                table: settings.table.clone(),
            },
            current: ArcSwap::from_pointee(generation(1, db)),
            renewing: Mutex::new(()),
            setup_error,
        })
    }

    pub(super) fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Connections of the current pool: idle, and in use.
    pub(super) fn connections(&self) -> (usize, usize) {
        let current = self.current.load();
        let (size, idle) = match self.backend {
            Backend::MySql => {
                let pool = current.db.get_mysql_connection_pool();
                (pool.size(), pool.num_idle())
            }
            Backend::Sqlite => {
                let pool = current.db.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            }
        };
        (idle, (size as usize).saturating_sub(idle))
    }

    /// The SQLite file; `None` on a server.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match &self.options {
            Options::MySql(_) => None,
            Options::Sqlite(options) => Some(options.get_filename().to_path_buf()),
        }
    }

    /// A pool of a single connection, for work that must stay on one; the caller closes it.
    pub(super) fn single(&self, wait: Duration) -> DatabaseConnection {
        let mut options = self.options.clone();
        if let Options::Sqlite(sqlite) = options {
            options = Options::Sqlite(sqlite.busy_timeout(wait));
        }
        connect(&options, 1, self.acquire_timeout, &self.setup_error)
    }

    /// Leaves a server that turned out to be read-only. Not more often than [`CALM`]: until another is
    /// primary the new connections lead there again.
    pub(super) fn leave(&self, seen: &Generation) {
        if seen.made.elapsed() >= CALM {
            self.renew(seen);
        }
    }

    /// Replaces the pool, unless another did so since `seen` was loaded.
    pub(super) fn renew(&self, seen: &Generation) {
        let _one = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.current.load().number != seen.number {
            return;
        }
        tracing::debug!(
            generation = seen.number + 1,
            "database connections are made anew"
        );
        let db = connect(
            &self.options,
            self.max_connections,
            self.acquire_timeout,
            &self.setup_error,
        );
        let old = self.current.swap(Arc::new(generation(seen.number + 1, db)));
        match self.backend {
            Backend::MySql => retire(old.db.get_mysql_connection_pool()),
            Backend::Sqlite => retire(old.db.get_sqlite_connection_pool()),
        }
    }

    /// Closes the connections; what comes later fails as transient.
    pub(super) async fn close(&self) {
        let current = self.current();
        let closing = current.db.close_by_ref();
        if tokio::time::timeout(self.statement_timeout, closing)
            .await
            .is_err()
        {
            tracing::warn!("database connections did not close in time");
        }
    }

    /// Runs a statement whose rows do not matter.
    pub(super) async fn execute(
        &self,
        on: &Generation,
        kind: Kind,
        statement: Statement,
    ) -> Result<ExecResult, SqlError> {
        self.bounded(on, kind, on.db.execute_raw(statement)).await
    }

    /// Runs a statement to its end and returns all rows. The single-row fetch would return before a
    /// SQLite statement is committed.
    pub(super) async fn rows(
        &self,
        on: &Generation,
        kind: Kind,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, SqlError> {
        self.bounded(on, kind, on.db.query_all_raw(statement)).await
    }

    async fn bounded<T>(
        &self,
        on: &Generation,
        kind: Kind,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, SqlError> {
        let here = Arc::new(Notify::new());
        let mut work = std::pin::pin!(ACQUIRED.scope(here.clone(), work));
        // Made after `work`, so dropped before it.
        let mut unfinished = Unfinished {
            pool: self,
            on: Some(on),
        };
        // sqlx bounds the acquiring itself; the second on top only catches it should it not.
        let acquire_bound = self.acquire_timeout + Duration::from_secs(1);
        let early = tokio::select! {
            biased;
            result = &mut work => Some(Ok(result)),
            () = here.notified() => None,
            () = tokio::time::sleep(acquire_bound) => Some(Err(false)),
        };
        let outcome = match early {
            Some(outcome) => outcome,
            None => tokio::time::timeout(self.statement_timeout, &mut work)
                .await
                .map_err(|_| true),
        };
        unfinished.on = None;
        let mut error = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => classify(&error, kind, &self.place),
            Err(sent) => {
                let mut error = timed_out(kind, sent, &self.place);
                error.broken = true;
                error
            }
        };
        if matches!(error.store, StoreError::ReadOnly(_)) {
            self.leave(on);
        } else if error.broken {
            // Before `work` is dropped, so that its connection comes back to a closed pool.
            self.renew(on);
        } else if let StoreError::Transient(text) = &mut error.store
            && error.mysql.is_none()
        {
            let why = match self.take_setup_error() {
                Some(why) => Some(why),
                None => refused(&self.options).await,
            };
            if let Some(why) = why {
                text.push_str(": ");
                text.push_str(&why);
            }
        }
        Err(error)
    }

    fn take_setup_error(&self) -> Option<String> {
        let mut slot = self
            .setup_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }
}

/// Why nothing listens where the database should be. sqlx tries a refused connection again until its
/// time is over and then tells of the time alone.
async fn refused(options: &Options) -> Option<String> {
    let Options::MySql(options) = options else {
        return None;
    };
    let connecting = async {
        match options.get_socket() {
            Some(path) => tokio::net::UnixStream::connect(path).await.err(),
            None => {
                let address = (options.get_host(), options.get_port());
                tokio::net::TcpStream::connect(address).await.err()
            }
        }
    };
    let error = tokio::time::timeout(REFUSED, connecting).await.ok()??;
    Some(error.to_string())
}

/// A refusal comes at once; what does not is a network that swallows packets.
const REFUSED: Duration = Duration::from_millis(200);

/// A statement under way. Where the caller drops it, its answer is still to come: as after a timeout,
/// the connection must not be used again.
struct Unfinished<'a> {
    pool: &'a Pool,
    /// `None` once it has ended.
    on: Option<&'a Generation>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // Without a runtime, which ends, there is nobody to use the connection.
        if let Some(on) = self.on.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            self.pool.renew(on);
        }
    }
}

/// Closes a pool in the background.
fn retire<D: Database>(pool: &sqlx::Pool<D>) {
    // The call marks it closed at once; awaiting it only waits for the connections.
    drop(pool.close());
    let pool = pool.clone();
    tokio::spawn(async move { pool.close().await });
}

fn generation(number: u64, db: DatabaseConnection) -> Generation {
    Generation {
        number,
        made: Instant::now(),
        db,
        inspection: ArcSwapOption::empty(),
    }
}
