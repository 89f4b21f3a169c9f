//! From the URL to a pool: the settings of each connection.
//!
//! sea-orm's `after_connect` runs once per pool, so the sqlx pool is made here and handed to it.

use super::SqlSettings;
use crate::storage::{StoreError, Unusable};
use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions, Connection, Database};
use sea_orm::{DatabaseConnection, SqlxMySqlConnector, SqlxSqliteConnector};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Why the newest connection was given up while it was set up.
pub(super) type SetupError = Arc<Mutex<Option<String>>>;

/// A connection idle for so long is pinged before use: after a restart of the database it is dead.
const PING_AFTER: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// Told when the statement's connection is there, so that each phase has its own bound. sqlx runs
    /// its hooks in the task that acquires.
    pub(super) static ACQUIRED: Arc<Notify>;
}

fn acquired() {
    let _ = ACQUIRED.try_with(|acquired| acquired.notify_one());
}

/// What the URL says, for sqlx.
#[derive(Clone)]
pub(super) enum Options {
    MySql(MySqlConnectOptions),
    Sqlite(SqliteConnectOptions),
}

fn wrong(text: impl Into<String>) -> StoreError {
    Unusable::WrongDatabase(text.into()).into()
}

/// The connect options of the URL, and the URL for people.
pub(super) fn parse(settings: &SqlSettings) -> Result<(Options, String), StoreError> {
    let url = settings.url.as_str();
    if url.starts_with("mysql://") || url.starts_with("mariadb://") {
        // The parser's own error could quote the URL, which holds the password.
        let options: MySqlConnectOptions = url
            .parse()
            .map_err(|_| wrong("database.url is no mysql://user:password@host:port/db"))?;
        let database = options.get_database().filter(|name| !name.is_empty());
        let Some(database) = database.map(str::to_owned) else {
            return Err(wrong(
                "database.url names no database: mysql://user@host:port/db",
            ));
        };
        let at = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |socket| socket.display().to_string(),
        );
        let endpoint = format!("mysql://{}@{at}/{database}", options.get_username());
        let options = options
            .charset("utf8mb4")
            .timezone(None::<String>)
            .disable_statement_logging();
        Ok((Options::MySql(options), endpoint))
    } else if url.starts_with("sqlite:") {
        let options: SqliteConnectOptions = url
            .parse()
            .map_err(|error| wrong(format!("{url}: {error}")))?;
        let file = options.get_filename().to_path_buf();
        if url.contains(":memory:") || url.contains("mode=memory") || file.as_os_str().is_empty() {
            return Err(wrong(
                "database.url: an in-memory SQLite database forgets what was claimed; name a file",
            ));
        }
        let file = std::path::absolute(&file).unwrap_or(file);
        let endpoint = format!("sqlite://{}", file.display());
        let options = options
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // Less than the statement's bound, so that a held lock is told from a lost answer.
            .busy_timeout(settings.statement_timeout / 2)
            .disable_statement_logging();
        Ok((Options::Sqlite(options), endpoint))
    } else {
        Err(wrong("database.url must begin with mysql:// or sqlite://"))
    }
}

fn pool_options<D: Database>(connections: u32, acquire_timeout: Duration) -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut D::Connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= PING_AFTER {
                    connection.ping().await?;
                }
                acquired();
                Ok(true)
            })
        })
}

/// A lazy pool with the settings on each of its connections.
pub(super) fn connect(
    options: &Options,
    connections: u32,
    acquire_timeout: Duration,
    setup_error: &SetupError,
) -> DatabaseConnection {
    match options.clone() {
        Options::MySql(options) => {
            let setup_error = setup_error.clone();
            let pool: MySqlPoolOptions = pool_options(connections, acquire_timeout);
            let pool = pool.after_connect(move |connection, _| {
                let setup_error = setup_error.clone();
                Box::pin(async move {
                    let result = prepare_mysql(connection).await;
                    // A good connection clears it, or a later error would name a cause that is gone.
                    *setup_error.lock().unwrap_or_else(PoisonError::into_inner) =
                        result.as_ref().err().map(ToString::to_string);
                    acquired();
                    result
                })
            });
            SqlxMySqlConnector::from_sqlx_mysql_pool(pool.connect_lazy_with(options))
        }
        Options::Sqlite(options) => {
            let pool: SqlitePoolOptions = pool_options(connections, acquire_timeout);
            let pool = pool.after_connect(|_, _| {
                Box::pin(async {
                    acquired();
                    Ok(())
                })
            });
            SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.connect_lazy_with(options))
        }
    }
}

/// With autocommit off a claim would be rolled back after its ids were handed out, so the setting is
/// read back: a proxy may swallow it.
async fn prepare_mysql(connection: &mut sqlx::MySqlConnection) -> Result<(), sqlx::Error> {
    // Outside strict mode the server would cut off or replace what does not fit, and say nothing.
    sqlx::query(
        "SET autocommit = 1, innodb_lock_wait_timeout = 1, \
         sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
    )
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
