//! One connection to a server: how it is made, when it is used again, and its statements.

use super::connect::{Session, prepare};
use super::ending::{Endings, Thread};
use super::errors::is_full;
use crate::storage::sql::database::{Connection, Unacquired};
use crate::storage::sql::dialect::Sql;
use crate::storage::sql::renewal::{Renewal, Verdict};
use async_trait::async_trait;
use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};
use sea_orm::QueryResult;
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one that is used again may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_millis(300);
/// No connection lives longer: addresses change, and servers hold memory per connection.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A server that had no connection left is asked again after this time at the earliest, by one at a time.
const FULL: Duration = Duration::from_millis(100);
/// A connection that is closed does not hold anybody up.
const CLOSING: Duration = Duration::from_secs(1);

/// A connection and its place among those that may be open.
pub(super) type Slot = Object<Maker>;

/// An open connection.
pub(super) struct Live {
    /// `None` once it is closed or being ended.
    raw: Option<MySqlConnection>,
    /// What the server calls it.
    thread: Thread,
    used: Instant,
    endings: Arc<Endings>,
}

/// Makes connections, and decides whether one is used again.
pub(super) struct Maker {
    options: MySqlConnectOptions,
    session: Session,
    renewal: Renewal,
    endings: Arc<Endings>,
    /// When the server had no connection left, and what it said.
    full: Mutex<Option<(Instant, String)>>,
}

impl Live {
    pub(super) fn is_open(&self) -> bool {
        self.raw.is_some()
    }

    /// How long nobody has used it.
    pub(super) fn rested(&self) -> Duration {
        self.used.elapsed()
    }

    pub(super) async fn close(&mut self) {
        if let Some(raw) = self.raw.take() {
            let _ = tokio::time::timeout(CLOSING, raw.close()).await;
        }
    }

    fn raw(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        self.raw.as_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

impl Maker {
    pub(super) fn new(
        options: &MySqlConnectOptions,
        acquire_timeout: Duration,
        session: Session,
        renewal: &Renewal,
    ) -> Self {
        Self {
            options: options.clone(),
            session,
            renewal: renewal.clone(),
            endings: Arc::new(Endings::new(options.clone(), acquire_timeout)),
            full: Mutex::default(),
        }
    }

    /// What the server said when it had no connection left, until it has one again.
    pub(super) fn said_full(&self) -> Option<String> {
        let full = self.full();
        full.as_ref().map(|(_, said)| said.clone())
    }

    fn full(&self) -> std::sync::MutexGuard<'_, Option<(Instant, String)>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Live, sqlx::Error> {
        let mut raw = self.options.connect().await?;
        self.renewal.count_connection();
        match prepare(&mut raw, &self.session, &self.renewal).await {
            Ok(thread) => Ok(Live {
                raw: Some(raw),
                thread,
                used: Instant::now(),
                endings: self.endings.clone(),
            }),
            Err(error) => {
                let _ = raw.close_hard().await;
                Err(error)
            }
        }
    }
}

impl Manager for Maker {
    type Type = Live;
    type Error = Unacquired;

    async fn create(&self) -> Result<Live, Unacquired> {
        {
            let mut full = self.full();
            if let Some((until, said)) = &mut *full {
                if Instant::now() < *until {
                    return Err(Unacquired::Full(said.clone()));
                }
                // The others wait for what this attempt finds.
                *until = Instant::now() + FULL;
            }
        }
        let made = self.connect().await;
        let mut full = self.full();
        match made {
            Ok(live) => {
                *full = None;
                Ok(live)
            }
            Err(sqlx::Error::Database(error)) if is_full(&*error) => {
                let said = error.to_string();
                *full = Some((Instant::now() + FULL, said.clone()));
                Err(Unacquired::Full(said))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn recycle(&self, live: &mut Live, metrics: &Metrics) -> RecycleResult<Unacquired> {
        let gone = || RecycleError::message("closed");
        let age = metrics.age();
        let verdict = self.renewal.verdict(Instant::now(), age, live.rested());
        if verdict == Verdict::Close || age >= LIFETIME {
            live.close().await;
            return Err(gone());
        }
        let raw = live.raw.as_mut().ok_or_else(gone)?;
        if verdict == Verdict::Ping {
            // One that was cut without a word never answers; another is made in its stead.
            let answer = tokio::time::timeout(PING_TIMEOUT, raw.ping()).await;
            if !matches!(answer, Ok(Ok(()))) {
                live.raw = None;
                return Err(gone());
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Connection for Slot {
    async fn execute(&mut self, sql: &Sql) -> Result<u64, sqlx::Error> {
        let done = super::query(sql).execute(self.raw()?).await?;
        self.used = Instant::now();
        Ok(done.rows_affected())
    }

    async fn rows(&mut self, sql: &Sql) -> Result<Vec<QueryResult>, sqlx::Error> {
        let rows = super::query(sql).fetch_all(self.raw()?).await?;
        self.used = Instant::now();
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    /// The value comes in the answer to this very statement: a second one could reach another connection.
    async fn claim(&mut self, sql: &Sql) -> Result<Option<u64>, sqlx::Error> {
        let done = super::query(sql).execute(self.raw()?).await?;
        self.used = Instant::now();
        Ok((done.rows_affected() > 0).then(|| done.last_insert_id()))
    }

    /// The slot stays taken until the server has ended the statement.
    fn end(mut self: Box<Self>) {
        let (raw, thread) = (self.raw.take(), self.thread.clone());
        let endings = self.endings.clone();
        let Some(raw) = raw else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                endings.end(raw, &thread).await;
                drop(Slot::take(*self));
            });
        }
    }
}
