//! The pool of connections to a server, and the settings of each.

use crate::storage::sql::pool::{Renewal, pool_options};
use sea_orm::sqlx;
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlPool};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Why the newest connection was given up while it was set up.
pub(super) type SetupError = Arc<Mutex<Option<String>>>;

/// A lazy pool with the settings on each of its connections.
pub(super) fn pool(
    options: &MySqlConnectOptions,
    connections: u32,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    renewal: &Renewal,
    setup_error: &SetupError,
) -> MySqlPool {
    let (setup_error, renewal) = (setup_error.clone(), renewal.clone());
    pool_options(connections, acquire_timeout, &renewal)
        .after_connect(move |connection, _| {
            renewal.count_connection();
            let (setup_error, renewal) = (setup_error.clone(), renewal.clone());
            Box::pin(async move {
                let result = prepare(connection, statement_timeout, &renewal).await;
                // A good connection clears it, or a later error would name a cause that is gone.
                *setup_error.lock().unwrap_or_else(PoisonError::into_inner) =
                    result.as_ref().err().map(ToString::to_string);
                result
            })
        })
        .connect_lazy_with(options.clone())
}

/// What a connection has to say after it was set up. Locking reads go to the primary where a proxy splits
/// reads from writes.
const SETTINGS: &str = "SELECT CAST(@@autocommit AS SIGNED), CAST(@@innodb_lock_wait_timeout AS SIGNED), \
     CONVERT(@@sql_mode USING utf8mb4), CONVERT(@@binlog_format USING utf8mb4) FOR UPDATE";

/// With autocommit off, or in a transaction that a proxy or `init_connect` began, a claim would be rolled back
/// after its ids were handed out. The settings are read back: a proxy may swallow them.
async fn prepare(
    connection: &mut sqlx::MySqlConnection,
    statement_timeout: Duration,
    renewal: &Renewal,
) -> Result<(), sqlx::Error> {
    // Whatever completion_type says, none may follow.
    sqlx::raw_sql("ROLLBACK AND NO CHAIN")
        .execute(&mut *connection)
        .await?;
    // What waits for a lock of the table (ALTER, a backup) gives up about when we do: else each statement
    // that timed out here would go on waiting there, with its connection.
    let lock_wait = statement_timeout.as_secs().max(1);
    let set = format!(
        "SET autocommit = 1, innodb_lock_wait_timeout = 1, lock_wait_timeout = {lock_wait}"
    );
    sqlx::query(sqlx::AssertSqlSafe(set))
        .execute(&mut *connection)
        .await?;
    let (autocommit, wait, mode, binlog): (i64, i64, String, String) =
        sqlx::query_as(SETTINGS).fetch_one(&mut *connection).await?;
    renewal.note_settings(&binlog);
    if !mode.contains("STRICT_TRANS_TABLES") && !mode.contains("STRICT_ALL_TABLES") {
        // Else the server would cut off or replace what does not fit, and say nothing.
        sqlx::query("SET sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')")
            .execute(&mut *connection)
            .await?;
    }
    if (autocommit, wait) == (1, 1) {
        return Ok(());
    }
    Err(sqlx::Error::Protocol(format!(
        "the connection refuses autocommit = 1 or innodb_lock_wait_timeout = 1 \
         (it says {autocommit} and {wait})"
    )))
}
