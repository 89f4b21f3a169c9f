//! What the rest of the store knows of a database: a statement with its values, a connection, and the
//! traits that each kind of database implements in a folder of its own (`mysql/`, `sqlite/`).

use super::SqlStore;
use super::errors::{Kind, Place, SqlError};
use super::inspect::Inspection;
use super::pool::Renewal;
use crate::storage::{Finding, StoreError, Unusable};
use async_trait::async_trait;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DatabaseConnection, QueryResult, sqlx};
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

/// A value bound to a statement; none ever becomes part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Integer(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// A statement that is built together with its values, which so stay in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
        }
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.text.push('?');
        self.values.push(value.into());
        self
    }
}

/// One connection, out of the pool until it is dropped.
#[async_trait]
pub(super) trait Connection: Send {
    /// Runs a statement whose rows do not matter, and says how many rows it matched.
    async fn execute(&mut self, sql: &Sql) -> Result<u64, sqlx::Error>;

    /// Runs a statement to its end and returns all rows. A fetch of one row would return before a
    /// statement of SQLite is committed.
    async fn rows(&mut self, sql: &Sql) -> Result<Vec<QueryResult>, sqlx::Error>;

    /// Runs a statement that returns a value it assigned; `None` where no row matched.
    async fn claim(&mut self, sql: &Sql) -> Result<Option<u64>, sqlx::Error>;

    /// Closes the connection instead of giving it back. A statement may be under way.
    fn end(self: Box<Self>);
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Unacquired {
    /// The server has none left for us; what it said.
    Full(String),
    /// Whatever else.
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Unacquired {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// A kind of database: how it is reached, looked at and migrated.
#[async_trait]
pub(super) trait Database: Send + Sync {
    fn dialect(&self) -> &'static dyn Dialect;

    /// A connection of the pool, or a new one.
    async fn acquire(&self) -> Result<Box<dyn Connection>, Unacquired>;

    /// What decides whether a pooled connection is used again.
    fn renewal(&self) -> &Renewal;

    /// Connections: idle, and in use.
    fn connections(&self) -> (usize, usize);

    async fn close(&self);

    /// A pool of a single connection for migrations, which wait so long for a lock; the caller closes it.
    fn single(&self, wait: Duration) -> DatabaseConnection;

    /// What an error of the server means.
    fn meaning(&self, error: &dyn DatabaseError, kind: Kind, place: &Place) -> SqlError;

    /// Whether there may be replicas, which may be behind.
    fn has_replicas(&self) -> bool {
        true
    }

    /// Why the file of an embedded database is not the one that was opened, and whether there is one in its place.
    fn file_fault(&self) -> Option<(String, bool)> {
        None
    }

    /// Writes into the file that is there now, although it is not the one that was opened.
    async fn write_into_file(&self, _statement: String) -> Result<u64, sqlx::Error> {
        Err(sqlx::Error::PoolClosed)
    }

    /// The file of an embedded database.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Whether the table keeps ids unique, and how claims are written on it.
    async fn inspect(&self, store: &SqlStore) -> Result<Inspection, SqlError>;

    /// Everything about the table that would not keep ids unique, not only the first.
    async fn faults(&self, store: &SqlStore) -> Result<Vec<Finding>, SqlError>;

    /// Applies the migrations that are pending, while no other process does, and returns their names.
    async fn migrate(
        &self,
        store: &SqlStore,
        db: &DatabaseConnection,
    ) -> Result<Vec<String>, StoreError>;
}

/// The words in which the databases differ.
pub(super) trait Dialect: Debug + Send + Sync {
    /// A name as an identifier. Only checked names get here: `[A-Za-z0-9_$]`.
    fn quoted(&self, name: &str) -> String;

    /// A text expression as its bytes in UTF-8, whose order is that of the code points.
    fn bytes(&self, expression: &str) -> String;

    /// The type of bytes, for `CAST(? AS …)`.
    fn binary(&self) -> &'static str;

    /// An expression over the server's variables as a text that `claimed_on` can hold.
    fn identity(&self, expression: &str) -> String;

    /// What stands before and after a bound text so that it is one in the server's eyes too.
    fn bound_text(&self) -> [&'static str; 2];

    /// An integer column as a signed number.
    fn integer(&self, column: &str) -> String;

    /// A condition that the key helps with, and that each text in the column that begins so fulfils.
    fn begins(&self, sql: Sql, column: &str, prefix: &str) -> Sql;

    /// The first bytes of a key, as many as the value that is bound next says: `LEFT(key, `.
    fn first_bytes(&self, key: &str) -> String;

    /// The function that returns the greatest of its arguments.
    fn greatest(&self) -> &'static str;

    /// The function that returns the least of its arguments.
    fn least(&self) -> &'static str;

    /// The database's clock in microseconds, the same throughout a statement.
    fn now(&self) -> &'static str;

    /// The operator of integer division.
    fn div(&self) -> &'static str;

    /// A condition that only a server which may be written to fulfils.
    fn writable(&self) -> &'static str;

    /// What an UPDATE has to set beside the rest, so that `update_time` is right.
    fn touched(&self) -> &'static str;

    /// What makes a SELECT a write for a read/write-splitting proxy, which else asks a replica.
    fn locking(&self) -> &'static str;

    /// What stands before and after an assigned expression so that its value comes back with the answer.
    fn returned(&self) -> [&'static str; 2];

    /// What ends such a statement, where the value comes as a row.
    fn returning(&self, column: &str) -> String;
}

/// A mistake in `database.url`.
pub(super) fn wrong_url(text: impl Into<String>) -> StoreError {
    Unusable::WrongDatabase(text.into()).into()
}
