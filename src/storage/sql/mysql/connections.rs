//! The connections to a server: who waits for one, and which are closed.
//!
//! The newest idle one is used first, so that what a server does not need stays idle, and is closed within
//! seconds: other servers need it. A connection that the server refuses because it has none left
//! ([`Unacquired::Full`]) is waited for, as one of the own ones is: who waits has the next one before those who come
//! later, or who takes one again as soon as it has given it back would keep the others out.

use super::connect::{Session, prepare};
use super::ending::{Endings, Thread};
use super::errors::{is_full, is_of_a_shard};
use crate::storage::sql::database::{Connection, Unacquired};
use crate::storage::sql::dialect::Sql;
use crate::storage::sql::renewal::{Renewal, Verdict};
use async_trait::async_trait;
use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult, WeakPool,
};
use sea_orm::QueryResult;
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A connection that nobody used for so long is closed.
const UNUSED: Duration = Duration::from_secs(5);
/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// How long one that is used again may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_millis(300);
/// No connection lives longer: addresses change, and servers hold memory per connection.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A server that had no connection left is asked again after this time at the earliest, by one at a time.
const FULL: Duration = Duration::from_millis(100);
/// Who is first of those that wait for such a server looks so often whether one of the own connections is free.
const FREE: Duration = Duration::from_millis(2);
/// The first and the longest pause of who waits for a connection that could not be made.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
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

/// See the module's documentation.
pub(super) struct Connections {
    pool: Pool<Maker>,
    acquire_timeout: Duration,
    closed: AtomicBool,
    /// Whoever is first of those for whom the server had no connection left.
    first: tokio::sync::Mutex<()>,
    /// How many those are.
    queued: AtomicUsize,
}

/// One of those for whom the server had no connection left, counted until it is dropped.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn new(queued: &'a AtomicUsize) -> Self {
        queued.fetch_add(1, Ordering::AcqRel);
        Self(queued)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Held by whoever is first of them.
type First<'a> = (Queued<'a>, tokio::sync::MutexGuard<'a, ()>);

impl Connections {
    pub(super) fn new(
        options: &MySqlConnectOptions,
        most: u32,
        acquire_timeout: Duration,
        session: Session,
        renewal: &Renewal,
    ) -> Result<Self, String> {
        let maker = Maker {
            options: options.clone(),
            session,
            renewal: renewal.clone(),
            endings: Arc::new(Endings::new(options.clone(), acquire_timeout)),
            full: Mutex::default(),
        };
        let pool = Pool::builder(maker)
            .max_size(most as usize)
            .queue_mode(deadpool::managed::QueueMode::Lifo)
            .build();
        let pool: Pool<Maker> = pool.map_err(|error| error.to_string())?;
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(close_unused(pool.weak()));
        }
        Ok(Self {
            pool,
            acquire_timeout,
            closed: AtomicBool::new(false),
            first: tokio::sync::Mutex::default(),
            queued: AtomicUsize::new(0),
        })
    }

    /// A connection that is idle, or a new one. Where none can be made it waits until one is free or can be.
    pub(super) async fn acquire(&self) -> Result<Slot, Unacquired> {
        if self.closed.load(Ordering::Acquire) {
            return Err(sqlx::Error::PoolClosed.into());
        }
        let deadline = Instant::now() + self.acquire_timeout;
        let (mut pause, mut why) = (PAUSES.0, None);
        let mut first = None;
        loop {
            if first.is_none() && self.queued.load(Ordering::Acquire) > 0 {
                first = Some(self.queue(deadline).await.ok_or_else(|| self.none_left())?);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let got = tokio::time::timeout(left, self.pool.get()).await;
            let error = match got {
                Ok(Ok(slot)) => return Ok(slot),
                Ok(Err(PoolError::Backend(error))) => error,
                Ok(Err(PoolError::Closed)) => return Err(sqlx::Error::PoolClosed.into()),
                Ok(Err(_)) | Err(_) => return Err(why.unwrap_or_else(|| self.none_in_time())),
            };
            let may_pass = match &error {
                Unacquired::Full(_) => true,
                Unacquired::Failed(sqlx::Error::Io(error)) => {
                    error.kind() == std::io::ErrorKind::ConnectionRefused
                }
                Unacquired::Failed(sqlx::Error::Database(error)) => is_of_a_shard(&**error),
                Unacquired::Failed(_) => false,
            };
            if !may_pass || Instant::now() + pause >= deadline {
                return Err(error);
            }
            if let Unacquired::Full(_) = &error {
                if first.is_none() {
                    first = Some(self.queue(deadline).await.ok_or(error)?);
                } else {
                    why = Some(error);
                    tokio::time::sleep(FREE).await;
                }
                continue;
            }
            why = Some(error);
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Waits until it is first of those for whom the server had no connection left; `None` where that takes too long.
    async fn queue(&self, deadline: Instant) -> Option<First<'_>> {
        let queued = Queued::new(&self.queued);
        let first = tokio::time::timeout_at(deadline.into(), self.first.lock()).await;
        Some((queued, first.ok()?))
    }

    /// Why those who queue get no connection.
    fn none_left(&self) -> Unacquired {
        match &*self.pool.manager().full() {
            Some((_, said)) => Unacquired::Full(said.clone()),
            None => self.none_in_time(),
        }
    }

    /// Why no connection came in time, where no attempt to make one failed.
    fn none_in_time(&self) -> Unacquired {
        let status = self.pool.status();
        if status.size >= status.max_size {
            return sqlx::Error::PoolTimedOut.into();
        }
        let seconds = self.acquire_timeout.as_secs_f64();
        let why = format!("no answer within {seconds} s (database.acquire_timeout)");
        sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why)).into()
    }

    /// Makes a connection and closes it.
    pub(super) async fn reach(&self) -> Result<(), Unacquired> {
        let slot = self.acquire().await?;
        Slot::take(slot).close().await;
        Ok(())
    }

    /// Connections: idle, and in use.
    pub(super) fn count(&self) -> (usize, usize) {
        let status = self.pool.status();
        (
            status.available,
            status.size.saturating_sub(status.available),
        )
    }

    /// Closes what is idle at once and the others as they are given back.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        loop {
            close_all(self.pool.retain(|_, _| false).removed).await;
            if self.pool.status().size == 0 {
                break;
            }
            tokio::time::sleep(PAUSES.0).await;
        }
        self.pool.close();
    }
}

async fn close_all(connections: Vec<Live>) {
    for mut connection in connections {
        connection.close().await;
    }
}

/// Closes connections that were not used for a while, as long as there is a pool.
async fn close_unused(pool: WeakPool<Maker>) {
    while let Some(pool) = pool.upgrade() {
        let unused = pool.retain(|live, _| live.raw.is_some() && live.used.elapsed() < UNUSED);
        drop(pool);
        close_all(unused.removed).await;
        tokio::time::sleep(SWEEP).await;
    }
}

impl Live {
    async fn close(&mut self) {
        if let Some(raw) = self.raw.take() {
            let _ = tokio::time::timeout(CLOSING, raw.close()).await;
        }
    }

    fn raw(&mut self) -> Result<&mut MySqlConnection, sqlx::Error> {
        self.raw.as_mut().ok_or(sqlx::Error::PoolClosed)
    }
}

impl Maker {
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
        let verdict = self
            .renewal
            .verdict(Instant::now(), age, live.used.elapsed());
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
