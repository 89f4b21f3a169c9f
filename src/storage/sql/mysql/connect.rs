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
            let setup_error = setup_error.clone();
            Box::pin(async move {
                let result = prepare(connection, statement_timeout).await;
                // A good connection clears it, or a later error would name a cause that is gone.
                *setup_error.lock().unwrap_or_else(PoisonError::into_inner) =
                    result.as_ref().err().map(ToString::to_string);
                result
            })
        })
        .connect_lazy_with(options.clone())
}

/// With autocommit off a claim would be rolled back after its ids were handed out, so the setting is
/// read back: a proxy may swallow it.
async fn prepare(
    connection: &mut sqlx::MySqlConnection,
    statement_timeout: Duration,
) -> Result<(), sqlx::Error> {
    // What waits for a lock of the table (ALTER, a backup) gives up about when we do: else each statement
    // that timed out here would go on waiting there, with its connection.
    let lock_wait = statement_timeout.as_secs().max(1);
    // Outside strict mode the server would cut off or replace what does not fit, and say nothing.
    let set = format!(
        "SET autocommit = 1, innodb_lock_wait_timeout = 1, lock_wait_timeout = {lock_wait}, \
         sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')"
    );
    sqlx::query(sqlx::AssertSqlSafe(set))
        .execute(&mut *connection)
        .await?;
    let (autocommit, wait): (i64, i64) = sqlx::query_as(
        "SELECT CAST(@@autocommit AS SIGNED), CAST(@@innodb_lock_wait_timeout AS SIGNED)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if (autocommit, wait) == (1, 1) {
        return Ok(());
    }
    Err(sqlx::Error::Protocol(format!(
        "the connection refuses autocommit = 1 or innodb_lock_wait_timeout = 1 \
         (it says {autocommit} and {wait})"
    )))
}
