//! Ends statements that were given up. A client that goes away ends nothing: the server notices once the
//! statement is done, so one that waits for a lock stays, with its connection and its memory, and each
//! attempt after it adds another.
//!
//! The connection is kept until its statement has answered, and another one asks the server to end it
//! (`KILL QUERY`). Where that is not possible (Vitess refuses it) only the first is done, for a while.

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, Row as _};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The first and the longest pause between two looks at a statement.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// After so long a connection whose statement neither answers nor can be ended is let go.
const LONGEST: Duration = Duration::from_secs(60);
/// A connection that is closed does not hold anybody up.
const CLOSING: Duration = Duration::from_secs(1);

/// What a server calls a connection. The default is that of a server which ends no statement for others.
#[derive(Debug, Clone, Default)]
pub(super) struct Thread {
    pub(super) id: u64,
    /// Which server that is: another one, after a failover, has a connection of this number too.
    pub(super) server: String,
}

/// See the module's documentation.
pub(super) struct Endings {
    options: MySqlConnectOptions,
    /// How long another connection may take.
    patience: Duration,
    /// Whoever has another connection open for this; there is one at a time.
    turn: Mutex<()>,
}

impl Endings {
    pub(super) fn new(options: MySqlConnectOptions, patience: Duration) -> Self {
        Self {
            options,
            patience,
            turn: Mutex::default(),
        }
    }

    /// Returns once the connection's statement is over.
    pub(super) async fn end(&self, mut raw: MySqlConnection, thread: &Thread) {
        if !self.is_over(&mut raw, thread).await {
            tracing::debug!(
                thread.id,
                "a statement that was given up can neither be ended nor waited for"
            );
        }
        let _ = tokio::time::timeout(CLOSING, raw.close()).await;
    }

    /// Ends the statement of a connection that is somebody else's to wait for.
    pub(super) async fn end_other(&self, thread: &Thread) {
        let began = Instant::now();
        while began.elapsed() < LONGEST && !self.kill(thread).await {
            tokio::time::sleep(PAUSES.1).await;
        }
    }

    async fn is_over(&self, raw: &mut MySqlConnection, thread: &Thread) -> bool {
        let began = Instant::now();
        // Answered, whatever with, after the statement before it.
        let answered = raw.ping();
        tokio::pin!(answered);
        let mut pause = PAUSES.0;
        while began.elapsed() < LONGEST {
            tokio::select! {
                biased;
                _ = &mut answered => return true,
                is_over = self.kill(thread) => if is_over { return true },
            }
            tokio::select! {
                biased;
                _ = &mut answered => return true,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
            }
        }
        false
    }

    /// Has the server end the statement, if it is still there. Whether it is over, or nobody can tell: then no more are
    /// left behind either.
    async fn kill(&self, thread: &Thread) -> bool {
        if thread.server.is_empty() {
            return false;
        }
        let _turn = self.turn.lock().await;
        let asked = tokio::time::timeout(self.patience, self.try_kill(thread)).await;
        match asked {
            Ok(Ok(is_over)) => is_over,
            // The server is there: it has no connection left, or does not let it be ended.
            Ok(Err(error @ sqlx::Error::Database(_))) => {
                tracing::debug!(%error, "a statement that was given up is not ended");
                false
            }
            // It cannot be reached, so nothing new is left behind there.
            Ok(Err(_)) | Err(_) => true,
        }
    }

    async fn try_kill(&self, thread: &Thread) -> Result<bool, sqlx::Error> {
        let mut other = self.options.connect().await?;
        let looked = Self::kill_through(&mut other, thread).await;
        let _ = other.close().await;
        looked
    }

    async fn kill_through(
        other: &mut MySqlConnection,
        thread: &Thread,
    ) -> Result<bool, sqlx::Error> {
        let id = thread.id;
        let look = format!(
            "SELECT CONVERT({SERVER} USING utf8mb4), \
             CAST((SELECT COUNT(*) FROM information_schema.PROCESSLIST \
             WHERE ID = {id} AND COMMAND <> 'Sleep') AS SIGNED)"
        );
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(look));
        let row = row.fetch_one(&mut *other).await?;
        let (server, running): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        if server != thread.server || running == 0 {
            return Ok(true);
        }
        let kill = format!("KILL QUERY {id}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(kill))
            .execute(other)
            .await?;
        Ok(false)
    }
}

/// Which server answers.
pub(super) const SERVER: &str = "CONCAT(@@hostname, ':', @@port)";
