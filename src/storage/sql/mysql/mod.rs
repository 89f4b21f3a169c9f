//! MySQL and MariaDB.

mod connect;
mod errors;
mod inspect;
mod migrate;

use super::SqlStore;
use super::database::{Connection, Database, Dialect, Sql, Value, wrong_url};
use super::errors::{Kind, Place, SqlError};
use super::inspect::Inspection;
use super::pool::Renewal;
use crate::config;
use crate::storage::StoreError;
use async_trait::async_trait;
use connect::{SetupError, pool};
pub(super) use errors::{DEADLOCK, UNKNOWN_COLUMN};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlPool};
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, MySql as Driver};
use sea_orm::{DatabaseConnection, QueryResult, SqlxMySqlConnector};
use std::sync::PoisonError;
use std::time::Duration;

/// A refusal comes at once; what does not is a network that swallows packets.
const REFUSED: Duration = Duration::from_millis(200);

/// A server reached over a network or a socket.
struct MySql {
    options: MySqlConnectOptions,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    pool: MySqlPool,
    renewal: Renewal,
    /// Why the newest connection was given up while it was set up; sqlx only logs it.
    setup_error: SetupError,
}

/// The database that the URL names, and the URL for people.
pub(super) fn open(settings: &config::Database) -> Result<(Box<dyn Database>, String), StoreError> {
    // The parser's own error could quote the URL, which holds the password.
    let options: MySqlConnectOptions = settings.url.expose().parse().map_err(|_| {
        wrong_url("database.url is not of the form mysql://user:password@host:port/db")
    })?;
    // The URL's brackets round an IPv6 address are no part of it.
    let host = options.get_host();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let (bracketed, bare) = (host.to_owned(), bare.map(str::to_owned));
    let options = match bare {
        Some(bare) => options.host(&bare),
        None => options,
    };
    let database = options.get_database().unwrap_or_default();
    let at = options.get_socket().map_or_else(
        || format!("{bracketed}:{}", options.get_port()),
        |socket| socket.display().to_string(),
    );
    let endpoint = format!("mysql://{}@{at}/{database}", options.get_username());
    // The driver sends nothing but SET NAMES by itself: what else it would change, Vitess refuses and a
    // connection pool in between would have to undo.
    let options = options
        .charset("utf8mb4")
        .timezone(None::<String>)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    let (renewal, setup_error) = (Renewal::default(), SetupError::default());
    let mysql = MySql {
        pool: pool(
            &options,
            settings.max_connections,
            settings.acquire_timeout,
            settings.statement_timeout,
            &renewal,
            &setup_error,
        ),
        options,
        acquire_timeout: settings.acquire_timeout,
        statement_timeout: settings.statement_timeout,
        renewal,
        setup_error,
    };
    Ok((Box::new(mysql), endpoint))
}

#[async_trait]
impl Database for MySql {
    fn dialect(&self) -> &'static dyn Dialect {
        &Words
    }

    async fn acquire(&self) -> Result<Box<dyn Connection>, sqlx::Error> {
        Ok(Box::new(self.pool.acquire().await?))
    }

    fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    fn connections(&self) -> (usize, usize) {
        let idle = self.pool.num_idle();
        (idle, (self.pool.size() as usize).saturating_sub(idle))
    }

    async fn close(&self) {
        self.pool.close().await;
    }

    fn single(&self, _wait: Duration) -> DatabaseConnection {
        SqlxMySqlConnector::from_sqlx_mysql_pool(pool(
            &self.options,
            1,
            self.acquire_timeout,
            self.statement_timeout,
            &Renewal::default(),
            &self.setup_error,
        ))
    }

    fn meaning(&self, error: &dyn DatabaseError, kind: Kind, place: &Place) -> SqlError {
        errors::meaning(error, kind, place)
    }

    /// Why a connection that was made could not be set up, or why nothing listens. sqlx tries a refused
    /// connection again until its time is over and then tells of the time alone.
    async fn why_unreachable(&self) -> Option<String> {
        let setup = self
            .setup_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if setup.is_some() {
            return setup;
        }
        let connecting = async {
            match self.options.get_socket() {
                Some(path) => tokio::net::UnixStream::connect(path).await.err(),
                None => {
                    let address = (self.options.get_host(), self.options.get_port());
                    tokio::net::TcpStream::connect(address).await.err()
                }
            }
        };
        let error = tokio::time::timeout(REFUSED, connecting).await.ok()??;
        Some(error.to_string())
    }

    async fn inspect(&self, store: &SqlStore) -> Result<Inspection, SqlError> {
        inspect::inspect(store).await
    }

    async fn migrate(
        &self,
        store: &SqlStore,
        db: &DatabaseConnection,
    ) -> Result<Vec<String>, StoreError> {
        migrate::up(store, db).await
    }
}

fn query(sql: &Sql) -> Query<'_, Driver, MySqlArguments> {
    let query = sqlx::query(AssertSqlSafe(sql.text.clone()));
    sql.values.iter().fold(query, |query, value| match value {
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text.as_str()),
    })
}

#[async_trait]
impl Connection for PoolConnection<Driver> {
    async fn execute(&mut self, sql: &Sql) -> Result<u64, sqlx::Error> {
        let done = query(sql).execute(&mut **self).await?;
        Ok(done.rows_affected())
    }

    async fn rows(&mut self, sql: &Sql) -> Result<Vec<QueryResult>, sqlx::Error> {
        let rows = query(sql).fetch_all(&mut **self).await?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    /// The value comes in the answer to this very statement: a second one could reach another connection.
    async fn claim(&mut self, sql: &Sql) -> Result<Option<u64>, sqlx::Error> {
        let done = query(sql).execute(&mut **self).await?;
        Ok((done.rows_affected() > 0).then(|| done.last_insert_id()))
    }

    fn close(&mut self) {
        self.close_on_drop();
    }
}

/// The dialect of MySQL and MariaDB.
#[derive(Debug)]
struct Words;

impl Dialect for Words {
    fn quoted(&self, name: &str) -> String {
        format!("`{name}`")
    }

    fn bytes(&self, expression: &str) -> String {
        format!("CAST(CONVERT({expression} USING utf8mb4) AS BINARY)")
    }

    fn binary(&self) -> &'static str {
        "BINARY"
    }

    fn identity(&self, expression: &str) -> String {
        format!("LEFT(CONVERT({expression} USING utf8mb4), 255)")
    }

    fn bound_text(&self) -> [&'static str; 2] {
        ["CONVERT(", " USING utf8mb4)"]
    }

    fn integer(&self, column: &str) -> String {
        format!("CAST({column} AS SIGNED)")
    }

    fn first_bytes(&self, key: &str) -> String {
        format!("LEFT({key}, ")
    }

    fn greatest(&self) -> &'static str {
        "GREATEST"
    }

    fn least(&self) -> &'static str {
        "LEAST"
    }

    fn now(&self) -> &'static str {
        "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
    }

    fn div(&self) -> &'static str {
        "DIV"
    }

    /// As a text, since `read_only` became an enumeration in MariaDB (MDEV-36425): each of its names
    /// equals the number 0.
    fn writable(&self) -> &'static str {
        "CONCAT(@@global.read_only) IN ('0', 'OFF')"
    }

    fn touched(&self) -> &'static str {
        ""
    }

    fn locking(&self) -> &'static str {
        " FOR UPDATE"
    }

    fn returned(&self) -> [&'static str; 2] {
        ["LAST_INSERT_ID(", ")"]
    }

    fn returning(&self, _column: &str) -> String {
        String::new()
    }
}
