//! Connections, and the bound on each statement.
//!
//! A connection whose statement timed out, or was dropped before its answer came, is closed and never
//! used again: its answer is still to come. The others stay. Those that were made before something
//! broke are pinged before use; those that may lead to yesterday's primary are made anew ([`Renewal`]).

use super::database::{Catalogue, Connection, Database, Unacquired};
use super::dialect::{Dialect, Sql};
use super::errors::{Kind, Place, SqlError, classify, timed_out};
use super::inspection::Inspection;
use super::renewal::Renewal;
use super::row::{Fetched, texts};
use super::{mysql, shards, sqlite};
use crate::config::{self, DatabaseKind};
use crate::storage::StoreError;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use sea_orm::sqlx;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{error::Elapsed, timeout};

/// sqlx bounds the acquiring itself; so much more only catches it should it not.
const ACQUIRE_SLACK: Duration = Duration::from_secs(1);

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
        let (database, place) = match settings.url.kind() {
            DatabaseKind::MySql => mysql::open(settings)?,
            DatabaseKind::Sqlite { .. } => sqlite::open(settings)?,
        };
        Ok(Self {
            database,
            place,
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
            inspection: ArcSwapOption::empty(),
            inspecting: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn dialect(&self) -> &'static Dialect {
        self.database.dialect()
    }

    /// What was found out in this epoch.
    pub(super) fn inspection(&self) -> Option<Arc<Inspection>> {
        let known = self.inspection.load();
        let (epoch, found) = known.as_deref()?;
        (*epoch == self.renewal().epoch()).then(|| found.clone())
    }

    /// Keeps what was found by a look that began in this epoch.
    pub(super) fn inspected(&self, epoch: u64, found: Option<Arc<Inspection>>) {
        let known = found.map(|found| Arc::new((epoch, found)));
        self.inspection.store(known);
    }

    /// What decides which connections are used again.
    pub(super) fn renewal(&self) -> &Renewal {
        self.database.renewal()
    }

    /// Closes the connections; what comes later fails as transient.
    pub(super) async fn close(&self) {
        let closing = self.database.close();
        if timeout(self.statement_timeout, closing).await.is_err() {
            tracing::warn!("database connections did not close in time");
        }
    }

    /// A connection for one or more statements.
    pub(super) async fn acquire(&self) -> Result<Lease<'_>, SqlError> {
        let bound = self.acquire_timeout + ACQUIRE_SLACK;
        let acquired = timeout(bound, self.database.acquire()).await;
        match acquired {
            Ok(Ok(connection)) => Ok(Lease {
                pool: self,
                connection: Some(connection),
                is_broken: false,
            }),
            Ok(Err(why)) => Err(self.unacquired(why)),
            Err(_) => Err(timed_out(None, &self.place)),
        }
    }

    fn unacquired(&self, why: Unacquired) -> SqlError {
        match why {
            Unacquired::Full(said) => {
                let endpoint = &self.place.endpoint;
                let text = format!(
                    "{endpoint} has no connection left for this server: {said}; allow more, or lower \
                     database.max_connections on each server"
                );
                StoreError::NoConnection(text).into()
            }
            Unacquired::Failed(error) => classify(&error, None, &self.place),
        }
    }

    /// Whether the database can be reached. The pool of one connection that migrations use would only say that its
    /// time was over.
    pub(super) async fn reach(&self) -> Result<(), StoreError> {
        let reached = self.database.reach().await;
        reached.map_err(|why| self.unacquired(why).store)
    }

    /// Runs a statement whose rows do not matter on a connection of its own, and says how many rows it
    /// matched.
    pub(super) async fn execute(&self, sql: &Sql) -> Result<u64, SqlError> {
        self.acquire().await?.execute(sql).await
    }

    /// Runs a statement that changes nothing on a connection of its own.
    pub(super) async fn rows(&self, sql: &Sql) -> Result<Vec<Fetched<'_>>, SqlError> {
        self.acquire().await?.rows(sql).await
    }
}

#[async_trait]
impl Catalogue for Pool {
    fn table(&self) -> &str {
        &self.place.table
    }

    async fn texts(&self, sql: Sql) -> Result<Vec<Vec<String>>, SqlError> {
        let rows = shards::any(|_| self.rows(&sql)).await?;
        let texts = |row: &Fetched<'_>| texts(&row.row).map_err(SqlError::from);
        rows.iter().map(texts).collect()
    }

    async fn reach_table(&self) -> Result<(), SqlError> {
        let table = self.dialect().quoted(&self.place.table);
        let touch = Sql::new(format!("SELECT 1 FROM {table} LIMIT 0"));
        self.rows(&touch).await.map(drop)
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

impl<'a> Lease<'a> {
    /// Runs a statement whose rows do not matter, and says how many rows it matched.
    pub(super) async fn execute(&mut self, sql: &Sql) -> Result<u64, SqlError> {
        let (connection, bound) = self.begin()?;
        let ended = timeout(bound, connection.execute(sql)).await;
        self.ended(Kind::Write, ended)
    }

    /// Runs a statement that changes nothing.
    pub(super) async fn rows(&mut self, sql: &Sql) -> Result<Vec<Fetched<'a>>, SqlError> {
        let (connection, bound) = self.begin()?;
        let ended = timeout(bound, connection.rows(sql)).await;
        let rows = self.ended(Kind::Read, ended)?.into_iter();
        let place = &self.pool.place;
        Ok(rows.map(|row| Fetched { row, place }).collect())
    }

    /// Runs a statement that returns a value it assigned; `None` where no row matched.
    pub(super) async fn claim(&mut self, sql: &Sql) -> Result<Option<u64>, SqlError> {
        let (connection, bound) = self.begin()?;
        let ended = timeout(bound, connection.claim(sql)).await;
        self.ended(Kind::Write, ended)
    }

    /// Until the statement has ended the connection counts as broken.
    fn begin(&mut self) -> Result<(&mut dyn Connection, Duration), SqlError> {
        self.is_broken = true;
        match &mut self.connection {
            Some(connection) => Ok((connection.as_mut(), self.pool.statement_timeout)),
            None => Err(StoreError::Transient("the connection is closed".to_owned()).into()),
        }
    }

    fn ended<T>(
        &mut self,
        kind: Kind,
        ended: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, SqlError> {
        let pool = self.pool;
        let error = match ended {
            Ok(Ok(value)) => {
                self.is_broken = false;
                return Ok(value);
            }
            Ok(Err(error)) => classify(&error, Some(kind), &pool.place),
            Err(_) => timed_out(Some(kind), &pool.place),
        };
        self.is_broken = error.broken;
        if matches!(error.store, StoreError::ReadOnly(_)) {
            pool.renewal().leave();
        } else if error.broken {
            pool.renewal().doubt();
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
