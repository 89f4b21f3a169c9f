//! MySQL and MariaDB.

mod connect;
mod connections;
mod ending;
mod errors;
mod inspect;
mod live;
mod migrate;
mod table;

use super::database::{Catalogue, Connection, Database, Found, Unacquired, wrong_url};
use super::dialect::{Dialect, Sql, Value};
use super::errors::{Place, SqlError};
use super::renewal::Renewal;
use crate::config;
use crate::storage::StoreError;
use async_trait::async_trait;
use connect::Session;
use connections::Connections;
use ending::Endings;
pub(super) use errors::{DEADLOCK, SHARDED, UNKNOWN_ERROR};
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

/// The database that the URL names, and where it is, for people.
pub(super) fn open(settings: &config::Database) -> Result<(Box<dyn Database>, Place), StoreError> {
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
    let place = Place {
        endpoint: format!("mysql://{}@{at}/{database}", options.get_username()),
        table: settings.table.clone(),
        meaning: errors::meaning,
    };
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
    Ok((Box::new(mysql), place))
}

#[async_trait]
impl Database for MySql {
    fn dialect(&self) -> &'static Dialect {
        &WORDS
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
        let endings = Endings::new(self.options.clone(), self.acquire_timeout);
        migrate::up(place, db, &endings).await
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
static WORDS: Dialect = Dialect {
    quotes: ["`", "`"],
    bytes: ["CAST(CONVERT(", " USING utf8mb4) AS BINARY)"],
    binary: "BINARY",
    identity: ["LEFT(CONVERT(", " USING utf8mb4), 255)"],
    bound_text: ["CONVERT(", " USING utf8mb4)"],
    integer: ["CAST(", " AS SIGNED)"],
    begins,
    first_bytes: ["LEFT(", ", "],
    greatest: "GREATEST",
    least: "LEAST",
    now: "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
    div: "DIV",
    // As a text, since `read_only` became an enumeration in MariaDB (MDEV-36425): each of its names equals the number 0.
    writable: "CONCAT(@@global.read_only) IN ('0', 'OFF')",
    touched: "",
    locking: " FOR UPDATE",
    returned: ["LAST_INSERT_ID(", ")"],
    returning: None,
};

fn begins(sql: Sql, column: &str, prefix: &str) -> Sql {
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
