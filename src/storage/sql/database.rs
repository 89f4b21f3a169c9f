//! What the rest of the store knows of a database: a connection, what it says of itself, and the traits that each
//! kind of database implements in a folder of its own (`mysql/`, `sqlite/`).

use super::columns::Columns;
use super::dialect::{Dialect, Identity, Sql};
use super::errors::{Place, SqlError};
use super::renewal::Renewal;
use crate::storage::{Finding, StoreError, Unusable};
use async_trait::async_trait;
use sea_orm::{DatabaseConnection, QueryResult, sqlx};
use std::path::Path;
use std::time::Duration;

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

/// Whom a database asks about itself and the table.
#[async_trait]
pub(super) trait Catalogue: Send + Sync {
    /// The table's name.
    fn table(&self) -> &str;

    /// The rows of a question to the catalogue, as texts.
    async fn texts(&self, sql: Sql) -> Result<Vec<Vec<String>>, SqlError>;

    /// Whether the table can be reached.
    async fn reach_table(&self) -> Result<(), SqlError>;
}

/// What a database says of itself and of the table.
pub(super) struct Found {
    /// For people: `MariaDB 10.11.6`; empty where the endpoint says it.
    pub(super) product: String,
    pub(super) columns: Columns,
    /// Everything about the table that would not keep ids unique, and what is good to know.
    pub(super) findings: Vec<Finding>,
    /// What the server says it is.
    pub(super) primary: Identity,
    /// Why it allows no guard.
    pub(super) refusal: Option<&'static str>,
    /// Whether triggers run with each claim.
    pub(super) has_triggers: bool,
    pub(super) warnings: Vec<String>,
}

/// A kind of database: how it is reached, looked at and migrated.
#[async_trait]
pub(super) trait Database: Send + Sync {
    fn dialect(&self) -> &'static Dialect;

    /// A connection of the pool, or a new one.
    async fn acquire(&self) -> Result<Box<dyn Connection>, Unacquired>;

    /// Makes a connection and closes it: why none can be made.
    async fn reach(&self) -> Result<(), Unacquired> {
        Ok(())
    }

    /// What decides whether a pooled connection is used again.
    fn renewal(&self) -> &Renewal;

    /// Connections: idle, and in use.
    fn connections(&self) -> (usize, usize);

    async fn close(&self);

    /// A pool of a single connection for migrations, which wait so long for a lock; the caller closes it.
    fn single(&self, wait: Duration) -> DatabaseConnection;

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

    /// What server and table are.
    async fn look(&self, catalogue: &dyn Catalogue) -> Result<Found, SqlError>;

    /// Applies the migrations that are pending, while no other process does, and returns their names.
    async fn migrate(
        &self,
        place: &Place,
        db: &DatabaseConnection,
    ) -> Result<Vec<String>, StoreError>;
}

/// A mistake in `database.url`.
pub(super) fn wrong_url(text: impl Into<String>) -> StoreError {
    Unusable::WrongDatabase(text.into()).into()
}
