//! MySQL and MariaDB.

mod connect;
mod connections;
mod ending;
mod errors;
mod inspect;
mod migrate;

use super::database::{Catalogue, Connection, Database, Found, Unacquired, wrong_url};
use super::dialect::{Dialect, Sql, Value};
use super::errors::{Kind, Meaning, Place, SqlError};
use super::migrating::Migration;
use super::renewal::Renewal;
use crate::config;
use crate::storage::StoreError;
use async_trait::async_trait;
use connect::Session;
use connections::Connections;
use ending::Endings;
pub(super) use errors::{DEADLOCK, SHARDED, UNKNOWN_COLUMN, UNKNOWN_ERROR};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::{MySqlArguments, MySqlConnectOptions};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, MySql as Driver};
use sea_orm::{DatabaseConnection, SqlxMySqlConnector};
use std::time::Duration;

/// A server reached over a network or a socket.
struct MySql {
    options: MySqlConnectOptions,
    acquire_timeout: Duration,
    connections: Connections,
    renewal: Renewal,
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
    let renewal = Renewal::default();
    let connections = Connections::new(
        &options,
        settings.max_connections,
        settings.acquire_timeout,
        Session::of_statements(settings.statement_timeout),
        &renewal,
    );
    let mysql = MySql {
        connections: connections.map_err(wrong_url)?,
        options,
        acquire_timeout: settings.acquire_timeout,
        renewal,
    };
    Ok((Box::new(mysql), endpoint))
}

impl Meaning for MySql {
    fn meaning(&self, error: &dyn DatabaseError, kind: Kind, place: &Place) -> SqlError {
        errors::meaning(error, kind, place)
    }
}

#[async_trait]
impl Database for MySql {
    fn dialect(&self) -> &'static dyn Dialect {
        &Words
    }

    async fn acquire(&self) -> Result<Box<dyn Connection>, Unacquired> {
        Ok(Box::new(self.connections.acquire().await?))
    }

    async fn reach(&self) -> Result<(), Unacquired> {
        self.connections.reach().await
    }

    fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    fn connections(&self) -> (usize, usize) {
        self.connections.count()
    }

    async fn close(&self) {
        self.connections.close().await;
    }

    fn single(&self, _wait: Duration) -> DatabaseConnection {
        let session = Session {
            lock_wait: migrate::LOCK_PATIENCE,
            statement: None,
        };
        let pool = connect::single(&self.options, self.acquire_timeout, session);
        SqlxMySqlConnector::from_sqlx_mysql_pool(pool)
    }

    async fn look(&self, catalogue: &dyn Catalogue) -> Result<Found, SqlError> {
        inspect::look(catalogue).await
    }

    async fn migrate(
        &self,
        place: &Place,
        db: &DatabaseConnection,
    ) -> Result<Vec<String>, StoreError> {
        let migration = Migration {
            place,
            meaning: self,
        };
        let endings = Endings::new(self.options.clone(), self.acquire_timeout);
        migrate::up(&migration, db, &endings).await
    }
}

fn query(sql: &Sql) -> Query<'_, Driver, MySqlArguments> {
    let query = sqlx::query(AssertSqlSafe(sql.text.clone()));
    sql.values.iter().fold(query, |query, value| match value {
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text.as_str()),
    })
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

    fn begins(&self, sql: Sql, column: &str, prefix: &str) -> Sql {
        let mut pattern = String::with_capacity(prefix.len() + 1);
        for letter in prefix.chars() {
            if matches!(letter, '%' | '_' | '|') {
                pattern.push('|');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        let sql = sql.text(column).text(" LIKE ").bind(pattern.as_str());
        sql.text(" ESCAPE '|'")
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
