//! The connections to a server: who waits for one, and which are closed.
//!
//! The newest idle one is used first, so that what a server does not need stays idle, and is closed within
//! seconds: other servers need it. A connection that the server refuses because it has none left
//! ([`Unacquired::Full`]) is waited for, as one of the own ones is: who waits has the next one before those who come
//! later, or who takes one again as soon as it has given it back would keep the others out.

use super::connect::Session;
use super::errors::is_of_a_shard;
use super::live::{Live, Maker, Slot};
use crate::storage::sql::database::Unacquired;
use crate::storage::sql::renewal::Renewal;
use deadpool::managed::{Pool, PoolError, WeakPool};
use sea_orm::sqlx;
use sea_orm::sqlx::mysql::MySqlConnectOptions;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A connection that nobody used for so long is closed.
const UNUSED: Duration = Duration::from_secs(5);
/// How often idle connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// Who is first of those that wait for such a server looks so often whether one of the own connections is free.
const FREE: Duration = Duration::from_millis(2);
/// The first and the longest pause of who waits for a connection that could not be made.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
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
        let maker = Maker::new(options, acquire_timeout, session, renewal);
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
        let said = self.pool.manager().said_full();
        said.map_or_else(|| self.none_in_time(), Unacquired::Full)
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
        let unused = pool.retain(|live, _| live.is_open() && live.rested() < UNUSED);
        drop(pool);
        close_all(unused.removed).await;
        tokio::time::sleep(SWEEP).await;
    }
}
