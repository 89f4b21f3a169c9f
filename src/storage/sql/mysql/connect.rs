//! The settings of each connection, and the pool of one that migrations use.

use super::ending::{SERVER, Thread};
use crate::storage::sql::renewal::Renewal;
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sea_orm::sqlx::{self, Row as _};
use std::time::Duration;

/// What bounds the waits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    /// For locks of the table (ALTER, a backup), in whole seconds.
    pub(super) lock_wait: Duration,
    /// For a statement as a whole, where the server knows that (MariaDB). The client gives up before and has it
    /// ended; this is for a client that is killed.
    pub(super) statement: Option<Duration>,
}

impl Session {
    /// What waits for a lock of the table gives up about when we do, and a statement a little later.
    pub(super) fn of_statements(timeout: Duration) -> Self {
        Self {
            lock_wait: timeout,
            statement: Some(timeout + Duration::from_millis(500)),
        }
    }

    /// The assignments of a SET. The comment is one for every server but MariaDB.
    fn assignments(&self) -> String {
        let lock_wait = self.lock_wait.as_secs().max(1);
        let statement = self.statement.map_or_else(String::new, |statement| {
            format!(
                " /*M! , max_statement_time = {:.3} */",
                statement.as_secs_f64()
            )
        });
        format!(
            "autocommit = 1, innodb_lock_wait_timeout = 1, lock_wait_timeout = {lock_wait}{statement}"
        )
    }
}

/// A lazy pool of one connection.
pub(super) fn single(
    options: &MySqlConnectOptions,
    acquire_timeout: Duration,
    session: Session,
) -> MySqlPool {
    MySqlPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(acquire_timeout)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let renewal = Renewal::default();
                prepare(connection, &session, &renewal).await.map(drop)
            })
        })
        .connect_lazy_with(options.clone())
}

/// With autocommit off, or in a transaction that a proxy or `init_connect` began, a claim would be rolled back
/// after its ids were handed out. The settings are read back: a proxy may swallow them.
pub(super) async fn prepare(
    connection: &mut sqlx::MySqlConnection,
    session: &Session,
    renewal: &Renewal,
) -> Result<Thread, sqlx::Error> {
    // Whatever completion_type says, none may follow. Vitess knows neither.
    let end = sqlx::raw_sql("ROLLBACK AND NO CHAIN");
    let ended = end.execute(&mut *connection).await;
    if matches!(ended, Err(sqlx::Error::Database(_))) {
        let end = sqlx::raw_sql("ROLLBACK");
        end.execute(&mut *connection).await?;
        if is_vtgate(connection).await? {
            return prepare_vtgate(connection, session).await;
        }
    } else {
        ended?;
    }
    let set = format!("SET {}", session.assignments());
    sqlx::query(sqlx::AssertSqlSafe(set))
        .execute(&mut *connection)
        .await?;
    // Locking reads go to the primary where a proxy splits reads from writes.
    let settings = format!(
        "SELECT CAST(@@autocommit AS SIGNED), CAST(@@innodb_lock_wait_timeout AS SIGNED), \
         CONVERT(@@sql_mode USING utf8mb4), CONVERT(@@binlog_format USING utf8mb4), \
         CAST(CONNECTION_ID() AS SIGNED), CONVERT({SERVER} USING utf8mb4) FOR UPDATE"
    );
    let (autocommit, wait, mode, binlog, id, server): (i64, i64, String, String, i64, String) =
        sqlx::query_as(sqlx::AssertSqlSafe(settings))
            .fetch_one(&mut *connection)
            .await?;
    renewal.note_settings(&binlog);
    if !mode.contains("STRICT_TRANS_TABLES") && !mode.contains("STRICT_ALL_TABLES") {
        // Else the server would cut off or replace what does not fit, and say nothing.
        sqlx::query("SET sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')")
            .execute(&mut *connection)
            .await?;
    }
    if (autocommit, wait) == (1, 1) {
        return Ok(Thread {
            id: id.unsigned_abs(),
            server,
        });
    }
    Err(sqlx::Error::Protocol(format!(
        "the connection refuses autocommit = 1 or innodb_lock_wait_timeout = 1 \
         (it says {autocommit} and {wait})"
    )))
}

/// Whether it is Vitess that answers. Asked of nobody else: a proxy may send such a question to a replica.
async fn is_vtgate(connection: &mut sqlx::MySqlConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql("SELECT @@version")
        .fetch_one(connection)
        .await?;
    let version: String = row.try_get(0)?;
    Ok(version.contains("Vitess"))
}

/// What vtgate keeps to itself. Any other setting it tries on the keyspace's first shard, and nothing could connect while
/// that one is gone. It takes care of strictness itself, and its `query_timeout` is what bounds waits for locks.
async fn prepare_vtgate(
    connection: &mut sqlx::MySqlConnection,
    session: &Session,
) -> Result<Thread, sqlx::Error> {
    let mut set = "SET autocommit = 1".to_owned();
    if let Some(statement) = session.statement {
        set += &format!(", query_timeout = {}", statement.as_millis());
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(set))
        .execute(&mut *connection)
        .await?;
    let row = sqlx::raw_sql("SELECT @@autocommit").fetch_one(connection);
    let autocommit: i64 = row.await?.try_get(0)?;
    if autocommit == 1 {
        return Ok(Thread::default());
    }
    Err(sqlx::Error::Protocol(format!(
        "vtgate refuses autocommit = 1 (it says {autocommit})"
    )))
}
