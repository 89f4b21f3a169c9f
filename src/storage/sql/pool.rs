//! Connections, and the bound on each statement.
//!
//! A connection whose statement timed out, or was dropped before its answer came, is closed and never
//! used again: its answer is still to come. The others stay. Those that were made before something
//! broke are pinged before use; those that may lead to yesterday's primary are made anew ([`Pool::renew`]).

use super::database::{Connection, Database, Dialect, Sql, Unacquired};
use super::errors::{Kind, Place, SqlError, classify, timed_out};
use super::inspect::Inspection;
use super::{mysql, sqlite};
use crate::config::{self, DatabaseKind};
use crate::storage::StoreError;
use arc_swap::ArcSwapOption;
use sea_orm::QueryResult;
use sea_orm::sqlx::pool::{PoolConnectionMetadata, PoolOptions};
use sea_orm::sqlx::{self, Connection as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections to a read-only server are made anew at most once in this time.
const CALM: Duration = Duration::from_millis(500);

/// Connections that were made anew so lately lead to where new ones would.
const LATELY: Duration = Duration::from_secs(5);

/// A connection idle for so long is pinged before use: the database may have been restarted, or something between may
/// have cut a connection that was idle.
const PING_AFTER: Duration = Duration::from_secs(1);

/// sqlx bounds the acquiring itself; so much more only catches it should it not.
const ACQUIRE_SLACK: Duration = Duration::from_secs(1);

/// Which pooled connections are still good for use. Shared with the hooks of the pool.
#[derive(Debug, Clone, Default)]
pub(super) struct Renewal {
    marks: Arc<Mutex<Marks>>,
    /// Connections made so far.
    made: Arc<AtomicU64>,
    /// How often the connections were made anew.
    epoch: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Marks {
    /// Connections made before this are closed.
    renewed: Option<Instant>,
    /// Connections made before this are pinged.
    doubted: Option<Instant>,
    /// The settings that new connections had last, as far as statements depend on them.
    settings: Option<String>,
}

/// What is to be done with a pooled connection before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Use,
    Ping,
    Close,
}

impl Renewal {
    fn marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections made so far. A new one may lead to another server than those before.
    pub(super) fn connections_made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    pub(super) fn count_connection(&self) {
        self.made.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes the settings of a new connection. Where they are others than before, all connections are made
    /// anew, and what was found out about the server is looked at again.
    pub(super) fn note_settings(&self, settings: &str) {
        let before = self.marks().settings.replace(settings.to_owned());
        if before.is_some_and(|before| before != settings) {
            self.renew(self.epoch.load(Ordering::Acquire));
        }
    }

    /// Has every connection made anew: none that is there by now is used for another statement. Does
    /// nothing where somebody did so since `epoch`.
    fn renew(&self, epoch: u64) {
        let next = epoch + 1;
        let (done, seen) = (Ordering::AcqRel, Ordering::Acquire);
        if self.epoch.compare_exchange(epoch, next, done, seen).is_ok() {
            tracing::debug!("database connections are made anew");
            self.marks().renewed = Some(Instant::now());
        }
    }

    pub(super) fn verdict(&self, now: Instant, age: Duration, idle: Duration) -> Verdict {
        let marks = self.marks();
        let is_older = |mark: Option<Instant>| {
            mark.is_some_and(|mark| now.saturating_duration_since(mark) < age)
        };
        if is_older(marks.renewed) {
            Verdict::Close
        } else if is_older(marks.doubted) || idle >= PING_AFTER {
            Verdict::Ping
        } else {
            Verdict::Use
        }
    }
}

/// The pool's options that all kinds of databases share.
pub(super) fn pool_options<D: sqlx::Database>(
    connections: u32,
    acquire_timeout: Duration,
    renewal: &Renewal,
) -> PoolOptions<D> {
    let renewal = renewal.clone();
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(
            move |connection: &mut D::Connection, meta: PoolConnectionMetadata| {
                let verdict = renewal.verdict(Instant::now(), meta.age, meta.idle_for);
                Box::pin(async move {
                    if verdict == Verdict::Ping {
                        connection.ping().await?;
                    }
                    Ok(verdict != Verdict::Close)
                })
            },
        )
}

/// What connects, and what statements run through.
pub(super) struct Pool {
    pub(super) database: Box<dyn Database>,
    pub(super) place: Place,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    /// What was found out about server and table, and in which epoch. Looked at by the first claim or
    /// check, and anew in each epoch, which may reach another server.
    inspection: ArcSwapOption<(u64, Arc<Inspection>)>,
    /// Whoever looks at server and table; the others wait for what is found. When the last look failed, and why.
    pub(super) inspecting: tokio::sync::Mutex<Option<(Instant, StoreError)>>,
}

impl Pool {
    pub(super) fn new(settings: &config::Database) -> Result<Self, StoreError> {
        let (database, endpoint) = match settings.url.kind() {
            DatabaseKind::MySql => mysql::open(settings)?,
            DatabaseKind::Sqlite { .. } => sqlite::open(settings)?,
        };
        Ok(Self {
            database,
            place: Place {
                endpoint,
                table: settings.table.clone(),
            },
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
            inspection: ArcSwapOption::empty(),
            inspecting: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn dialect(&self) -> &'static dyn Dialect {
        self.database.dialect()
    }

    /// What was found out in this epoch.
    pub(super) fn inspection(&self) -> Option<Arc<Inspection>> {
        let known = self.inspection.load();
        let (epoch, found) = known.as_deref()?;
        (*epoch == self.epoch()).then(|| found.clone())
    }

    /// Keeps what was found by a look that began in this epoch.
    pub(super) fn inspected(&self, epoch: u64, found: Option<Arc<Inspection>>) {
        let known = found.map(|found| Arc::new((epoch, found)));
        self.inspection.store(known);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.database.renewal().epoch.load(Ordering::Acquire)
    }

    /// Leaves a server that turned out to be read-only. Not more often than [`CALM`]: until another is
    /// primary the new connections lead there again.
    pub(super) fn leave(&self) {
        let renewed = self.database.renewal().marks().renewed;
        if renewed.is_none_or(|renewed| renewed.elapsed() >= CALM) {
            self.renew(self.epoch());
        }
    }

    /// Has every connection made anew, unless somebody did so since `epoch`.
    pub(super) fn renew(&self, epoch: u64) {
        self.database.renewal().renew(epoch);
    }

    /// Whether every connection was made anew a moment ago, this one of the epoch too.
    pub(super) fn is_renewed(&self, epoch: u64) -> bool {
        let renewed = self.database.renewal().marks().renewed;
        self.epoch() == epoch && renewed.is_some_and(|renewed| renewed.elapsed() < LATELY)
    }

    /// Closes the connections; what comes later fails as transient.
    pub(super) async fn close(&self) {
        let closing = self.database.close();
        if tokio::time::timeout(self.statement_timeout, closing)
            .await
            .is_err()
        {
            tracing::warn!("database connections did not close in time");
        }
    }

    /// A connection for one or more statements.
    pub(super) async fn acquire(&self) -> Result<Lease<'_>, SqlError> {
        let bound = self.acquire_timeout + ACQUIRE_SLACK;
        let acquired = tokio::time::timeout(bound, self.database.acquire()).await;
        match acquired {
            Ok(Ok(connection)) => Ok(Lease {
                pool: self,
                connection: Some(connection),
                is_broken: false,
            }),
            Ok(Err(Unacquired::Full(said))) => {
                let endpoint = &self.place.endpoint;
                let text = format!(
                    "{endpoint} has no connection left for this server: {said}; allow more, or lower \
                     database.max_connections on each server"
                );
                Err(StoreError::NoConnection(text).into())
            }
            Ok(Err(Unacquired::Failed(error))) => {
                Err(classify(&error, None, &*self.database, &self.place))
            }
            Err(_) => Err(timed_out(None, &self.place)),
        }
    }

    /// Runs a statement whose rows do not matter on a connection of its own, and says how many rows it
    /// matched.
    pub(super) async fn execute(&self, sql: &Sql) -> Result<u64, SqlError> {
        self.acquire().await?.execute(sql).await
    }

    /// Runs a statement that changes nothing on a connection of its own.
    pub(super) async fn rows(&self, sql: &Sql) -> Result<Vec<QueryResult>, SqlError> {
        self.acquire().await?.rows(sql).await
    }
}

/// A connection out of the pool. Dropped while a statement is under way, as after a timeout, it is closed.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    /// There until it is dropped.
    connection: Option<Box<dyn Connection>>,
    /// A statement is under way or failed in a way after which nothing is known of the connection.
    is_broken: bool,
}

impl Lease<'_> {
    /// Runs a statement whose rows do not matter, and says how many rows it matched.
    pub(super) async fn execute(&mut self, sql: &Sql) -> Result<u64, SqlError> {
        self.is_broken = true;
        let work = live(&mut self.connection)?.execute(sql);
        let ended = tokio::time::timeout(self.pool.statement_timeout, work).await;
        self.ended(Kind::Write, ended)
    }

    /// Runs a statement that changes nothing.
    pub(super) async fn rows(&mut self, sql: &Sql) -> Result<Vec<QueryResult>, SqlError> {
        self.is_broken = true;
        let work = live(&mut self.connection)?.rows(sql);
        let ended = tokio::time::timeout(self.pool.statement_timeout, work).await;
        self.ended(Kind::Read, ended)
    }

    /// Runs a statement that returns a value it assigned; `None` where no row matched.
    pub(super) async fn claim(&mut self, sql: &Sql) -> Result<Option<u64>, SqlError> {
        self.is_broken = true;
        let work = live(&mut self.connection)?.claim(sql);
        let ended = tokio::time::timeout(self.pool.statement_timeout, work).await;
        self.ended(Kind::Write, ended)
    }

    fn ended<T>(
        &mut self,
        kind: Kind,
        ended: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, SqlError> {
        let pool = self.pool;
        let error = match ended {
            Ok(Ok(value)) => {
                self.is_broken = false;
                return Ok(value);
            }
            Ok(Err(error)) => classify(&error, Some(kind), &*pool.database, &pool.place),
            Err(_) => timed_out(Some(kind), &pool.place),
        };
        self.is_broken = error.broken;
        if matches!(error.store, StoreError::ReadOnly(_)) {
            pool.leave();
        } else if error.broken {
            pool.database.renewal().marks().doubted = Some(Instant::now());
        }
        Err(error)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.is_broken
            && let Some(connection) = self.connection.take()
        {
            connection.end();
        }
    }
}

fn live(connection: &mut Option<Box<dyn Connection>>) -> Result<&mut dyn Connection, SqlError> {
    match connection {
        Some(connection) => Ok(connection.as_mut()),
        None => Err(StoreError::Transient("the connection is closed".to_owned()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_used_pinged_or_closed_by_when_it_was_made() {
        let (renewal, start) = (Renewal::default(), Instant::now());
        let second = Duration::from_secs(1);
        let verdict = |at: u32, age: u32, idle: u32| {
            renewal.verdict(start + at * second, age * second, idle * second)
        };
        assert_eq!(verdict(20, 20, 0), Verdict::Use);
        assert_eq!(verdict(20, 20, 1), Verdict::Ping);
        renewal.marks().doubted = Some(start + 10 * second);
        assert_eq!(verdict(20, 11, 0), Verdict::Ping);
        assert_eq!(verdict(20, 9, 0), Verdict::Use);
        renewal.marks().renewed = Some(start + 15 * second);
        assert_eq!(verdict(20, 9, 0), Verdict::Close);
        assert_eq!(verdict(20, 4, 0), Verdict::Use);
    }
}
