//! SQLite: an embedded file.

mod errors;
mod inspect;
mod migrate;
mod opened;

use super::database::{Catalogue, Connection, Database, Found, Unacquired, wrong_url};
use super::dialect::{Dialect, Sql, Value};
use super::errors::{Place, SqlError};
use super::renewal::{Renewal, Verdict};
use crate::config;
use crate::storage::StoreError;
use async_trait::async_trait;
use opened::Opened;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, Sqlite as Driver,
};
use sea_orm::{DatabaseConnection, QueryResult, SqlxSqliteConnector};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A file.
struct Sqlite {
    options: SqliteConnectOptions,
    acquire_timeout: Duration,
    pool: SqlitePool,
    renewal: Renewal,
    opened: Arc<Opened>,
}

/// A file beside that of an embedded database, which stays where that is deleted: it is not made anew then.
pub(super) fn marker(file: &Path) -> PathBuf {
    let mut marker = file.as_os_str().to_owned();
    marker.push("-claimed");
    marker.into()
}

/// The file that the URL names, and where it is, for people.
pub(super) fn open(settings: &config::Database) -> Result<(Box<dyn Database>, Place), StoreError> {
    let url = settings.url.expose();
    let options: SqliteConnectOptions = url
        .parse()
        .map_err(|error| wrong_url(format!("{url}: {error}")))?;
    let file = options.get_filename().to_path_buf();
    let file = std::path::absolute(&file).unwrap_or(file);
    let place = Place {
        endpoint: format!("sqlite://{}", file.display()),
        table: settings.table.clone(),
        meaning: errors::meaning,
    };
    let options = match marker(&file).exists() {
        // Whoever opens a file that is gone would make an empty one.
        true => options.create_if_missing(false),
        false => options,
    };
    let options = options
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Less than the statement's bound, so that a held lock is told from a lost answer.
        .busy_timeout(settings.statement_timeout / 2)
        .disable_statement_logging();
    let renewal = Renewal::default();
    let opened = Arc::new(Opened::new(options.get_filename()));
    let sqlite = Sqlite {
        pool: pool(&options, settings.acquire_timeout, &renewal, Some(&opened)),
        options,
        acquire_timeout: settings.acquire_timeout,
        renewal,
        opened,
    };
    Ok((Box::new(sqlite), place))
}

/// SQLite has one writer at a time: a second connection would only poll for the lock.
fn pool(
    options: &SqliteConnectOptions,
    acquire_timeout: Duration,
    renewal: &Renewal,
    opened: Option<&Arc<Opened>>,
) -> SqlitePool {
    let (renewal, opened) = (renewal.clone(), opened.cloned());
    let used = renewal.clone();
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let verdict = used.verdict(Instant::now(), meta.age, meta.idle_for);
            Box::pin(async move {
                if verdict == Verdict::Ping {
                    connection.ping().await?;
                }
                Ok(verdict != Verdict::Close)
            })
        })
        .after_connect(move |connection, _| {
            renewal.count_connection();
            let opened = opened.clone();
            Box::pin(async move {
                // The first statement that reads opens the log.
                sqlx::query("SELECT COUNT(*) FROM sqlite_master")
                    .execute(&mut *connection)
                    .await?;
                if let Some(opened) = opened {
                    opened.connected();
                }
                Ok(())
            })
        })
        .connect_lazy_with(options.clone())
}

#[async_trait]
impl Database for Sqlite {
    fn dialect(&self) -> &'static Dialect {
        &WORDS
    }

    async fn acquire(&self) -> Result<Box<dyn Connection>, Unacquired> {
        // Without a look a new connection would make a new file where the old one was deleted.
        if let Some((fault, _)) = self.opened.fault() {
            return Err(changed(fault).into());
        }
        let mut lent = Lent {
            connection: Some(self.pool.acquire().await?),
            opened: self.opened.clone(),
        };
        lent.look()?;
        Ok(Box::new(lent))
    }

    fn file_fault(&self) -> Option<(String, bool)> {
        self.opened.fault()
    }

    async fn write_into_file(&self, statement: String) -> Result<u64, sqlx::Error> {
        self.opened.write(statement, self.acquire_timeout).await
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

    fn single(&self, wait: Duration) -> DatabaseConnection {
        let options = self.options.clone().busy_timeout(wait);
        let pool = pool(&options, self.acquire_timeout, &Renewal::default(), None);
        SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)
    }

    fn has_replicas(&self) -> bool {
        false
    }

    fn file(&self) -> Option<&Path> {
        Some(self.options.get_filename())
    }

    async fn look(&self, catalogue: &dyn Catalogue) -> Result<Found, SqlError> {
        inspect::look(catalogue).await
    }

    async fn migrate(
        &self,
        place: &Place,
        db: &DatabaseConnection,
    ) -> Result<Vec<String>, StoreError> {
        migrate::up(place, db).await
    }
}

fn query(sql: &Sql) -> Query<'_, Driver, SqliteArguments> {
    let query = sqlx::query(AssertSqlSafe(sql.text.clone()));
    sql.values.iter().fold(query, |query, value| match value {
        Value::Integer(number) => query.bind(number),
        Value::Text(text) => query.bind(text.as_str()),
    })
}

/// A connection out of the pool.
struct Lent {
    /// `None` once its file turned out not to be the one that is there.
    connection: Option<PoolConnection<Driver>>,
    opened: Arc<Opened>,
}

impl Lent {
    fn connection(&mut self) -> Result<&mut PoolConnection<Driver>, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Whether the file that it has open is the one that is there.
    fn look(&mut self) -> Result<(), sqlx::Error> {
        let Err(fault) = self.opened.look() else {
            return Ok(());
        };
        if let Some(connection) = self.connection.take() {
            // Not closed: that would write what its log holds into the file that took the place of the old one, or
            // take away the log of that.
            std::mem::forget(connection.detach());
        }
        Err(changed(fault))
    }
}

fn changed(fault: String) -> sqlx::Error {
    sqlx::Error::Configuration(fault.into())
}

#[async_trait]
impl Connection for Lent {
    async fn execute(&mut self, sql: &Sql) -> Result<u64, sqlx::Error> {
        let done = query(sql).execute(&mut **self.connection()?).await?;
        self.look()?;
        Ok(done.rows_affected())
    }

    async fn rows(&mut self, sql: &Sql) -> Result<Vec<QueryResult>, sqlx::Error> {
        let rows = query(sql).fetch_all(&mut **self.connection()?).await?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    /// To the end of the statement, as for all rows: on a full disk its first row comes before its failure.
    async fn claim(&mut self, sql: &Sql) -> Result<Option<u64>, sqlx::Error> {
        let rows = query(sql).fetch_all(&mut **self.connection()?).await?;
        self.look()?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let assigned: i64 = row.try_get(0)?;
        // A negative one leaves 63 bits, and is refused as such.
        Ok(Some(u64::try_from(assigned).unwrap_or(u64::MAX)))
    }

    fn end(mut self: Box<Self>) {
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
        }
    }
}

/// The dialect of SQLite.
static WORDS: Dialect = Dialect {
    quotes: ["\"", "\""],
    bytes: ["CAST(", " AS BLOB)"],
    binary: "BLOB",
    identity: ["", ""],
    bound_text: ["", ""],
    integer: ["", ""],
    begins: |sql, column, prefix| {
        let end = format!("{prefix}{}", char::MAX);
        let between = format!("{column} BETWEEN ? AND ?");
        sql.with(&between, [prefix.into(), end.as_str().into()])
    },
    first_bytes: ["SUBSTR(", ", 1, "],
    greatest: "MAX",
    least: "MIN",
    now: "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    div: "/",
    writable: "1 = 1",
    touched: ", update_time = CURRENT_TIMESTAMP",
    locking: "",
    returned: ["", ""],
    returning: Some(" RETURNING "),
};
