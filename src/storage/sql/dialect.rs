//! The SQL of each database: what a claim needs. What administrators need stands in `edit.rs`.
//!
//! Values are always bound; only the table's name, checked at start to be `[A-Za-z0-9_$]`, is part of
//! the text, quoted.

use super::errors::{Kind, Place, SqlError};
use crate::domain::BizTag;
use crate::storage::{ClaimRequest, StoreError};
use sea_orm::{DbBackend, QueryResult, Statement, TryGetable, Value};

/// Which kind of database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    /// MySQL or MariaDB.
    MySql,
    /// An embedded file.
    Sqlite,
}

impl Backend {
    pub(super) fn statement(self, sql: impl Into<String>, values: Vec<Value>) -> Statement {
        let backend = match self {
            Self::MySql => DbBackend::MySql,
            Self::Sqlite => DbBackend::Sqlite,
        };
        Statement::from_sql_and_values(backend, sql, values)
    }
}

/// The identity of the server a statement runs on, evaluated inside that statement: bound from an
/// earlier read, it would name the old primary after a failover behind a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// An expression over the server's variables, made of constants of this program alone.
    Expression(&'static str),
    /// `database.server_identity`.
    Configured(String),
}

/// How claims are written on the table as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) backend: Backend,
    /// Quoted.
    pub(super) table: String,
    /// `None`: claims carry no guard.
    pub(super) identity: Option<Identity>,
    /// Whether the table has `retired_at`.
    pub(super) retirable: bool,
}

/// Whether a server may be written to. As a text, since `read_only` became an enumeration in MariaDB
/// (MDEV-36425): each of its names equals the number 0.
const WRITABLE: &str = "CONCAT(@@global.read_only) IN ('0', 'OFF')";

/// A text that is built together with its values, which so stay in order.
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
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

pub(super) fn quoted(table: &str, backend: Backend) -> String {
    match backend {
        Backend::MySql => format!("`{table}`"),
        Backend::Sqlite => format!("\"{table}\""),
    }
}

impl Dialect {
    pub(super) fn done(&self, sql: Sql) -> Statement {
        self.backend.statement(sql.text, sql.values)
    }

    /// The condition that finds the row by its exact bytes. The plain comparison in front uses the
    /// index; most collations make it match `TEST` or `tést` for `test` too.
    pub(super) fn exact(&self, sql: Sql, tag: &str) -> Sql {
        let sql = sql.text(" WHERE biz_tag = ").bind(tag);
        match self.backend {
            Backend::MySql => sql
                .text(" AND CAST(CONVERT(biz_tag USING utf8mb4) AS BINARY) = CAST(")
                .bind(tag)
                .text(" AS BINARY)"),
            Backend::Sqlite => sql
                .text(" AND CAST(biz_tag AS BLOB) = CAST(")
                .bind(tag)
                .text(" AS BLOB)"),
        }
    }

    pub(super) fn live(&self, sql: Sql) -> Sql {
        if self.retirable {
            sql.text(" AND retired_at IS NULL")
        } else {
            sql
        }
    }

    pub(super) fn identity(&self, sql: Sql, identity: &Identity) -> Sql {
        match (identity, self.backend) {
            (Identity::Expression(expression), Backend::MySql) => sql
                .text("LEFT(CONVERT(")
                .text(expression)
                .text(" USING utf8mb4), 255)"),
            (Identity::Expression(expression), Backend::Sqlite) => sql.text(expression),
            (Identity::Configured(name), Backend::MySql) => sql
                .text("CONVERT(")
                .bind(name.as_str())
                .text(" USING utf8mb4)"),
            (Identity::Configured(name), Backend::Sqlite) => sql.bind(name.as_str()),
        }
    }

    /// `claimed_on = <identity>`, as bytes: the collations of a column and of a system variable do
    /// not always go together.
    fn here(&self, sql: Sql, identity: &Identity) -> Sql {
        match self.backend {
            Backend::MySql => {
                let sql = sql.text("CAST(CONVERT(claimed_on USING utf8mb4) AS BINARY) = CAST(");
                self.identity(sql, identity).text(" AS BINARY)")
            }
            Backend::Sqlite => self.identity(sql.text("claimed_on = "), identity),
        }
    }

    fn greatest(&self) -> &'static str {
        match self.backend {
            Backend::MySql => "GREATEST",
            Backend::Sqlite => "MAX",
        }
    }

    /// Not on a primary that was demoted: with SUPER the write itself would pass.
    fn only_writable(&self, sql: Sql) -> Sql {
        match self.backend {
            Backend::MySql => sql.text(" AND ").text(WRITABLE),
            Backend::Sqlite => sql,
        }
    }

    /// The columns of the guard and whether the server may be written to, for a SELECT.
    pub(super) fn guard_columns(&self, mut sql: Sql) -> Sql {
        if let Some(identity) = &self.identity {
            sql = sql.text(", claimed_to, claimed_size, claimed_on, moves, (");
            sql = self.here(sql, identity).text(") AS here");
        }
        match (self.backend, &self.identity) {
            (Backend::MySql, Some(_)) => sql.text(&format!(", ({WRITABLE}) AS writable")),
            _ => sql.text(", 1 AS writable"),
        }
    }

    /// One more move, where moves are counted.
    fn moved(&self, sql: Sql) -> Sql {
        match self.identity {
            Some(_) => sql.text(", moves = moves + 1"),
            None => sql,
        }
    }

    /// SQLite has no `ON UPDATE CURRENT_TIMESTAMP`.
    pub(super) fn touched(&self, sql: Sql) -> Sql {
        match self.backend {
            Backend::MySql => sql,
            Backend::Sqlite => sql.text(", update_time = CURRENT_TIMESTAMP"),
        }
    }

    /// The claim of `n` ids where the row stands right. The order of the assignments matters: MySQL
    /// evaluates them from left to right, so `max_id` must come last.
    pub(super) fn claim(&self, request: &ClaimRequest, n: i64, step: i64, limit: i64) -> Statement {
        let mut sql = Sql::new(format!("UPDATE {} SET ", self.table));
        if let Some(identity) = &self.identity {
            sql = sql.text("claimed_to = max_id + ").bind(n);
            // Half of what was said before stays, so that a tag which rests, or another server that
            // sees less of it, does not make a replica forget how fast it can be.
            let (greatest, half) = match self.backend {
                Backend::MySql => ("GREATEST", "claimed_size DIV 2"),
                Backend::Sqlite => ("MAX", "claimed_size / 2"),
            };
            sql = sql.text(&format!(", claimed_size = {greatest}("));
            sql = sql
                .bind(request.expect.max(n))
                .text(&format!(", {half}), claimed_on = "));
            sql = self.identity(sql, identity).text(", ");
        }
        sql = match self.backend {
            Backend::MySql => sql
                .text("max_id = LAST_INSERT_ID(max_id + ")
                .bind(n)
                .text(")"),
            Backend::Sqlite => sql.text("max_id = max_id + ").bind(n),
        };
        sql = self.touched(sql);
        sql = self.live(self.exact(sql, request.tag.as_str()));
        sql = sql.text(" AND step = ").bind(step);
        if let Some(identity) = &self.identity {
            // A row on which no claim was made under the guard is adopted as it stands.
            sql = self.here(sql.text(" AND (claimed_on = '' OR "), identity);
            sql = sql.text(")");
        }
        sql = sql
            .text(" AND max_id BETWEEN ")
            .text(self.greatest())
            .text("(");
        if self.identity.is_some() {
            sql = sql.text("claimed_to, ");
        }
        sql = sql
            .bind(request.mark)
            .text(", 0) AND ")
            .bind(limit.saturating_sub(n));
        // Not in the plain claim: with binlog_format=STATEMENT a replica would evaluate it anew, find
        // itself read-only and apply nothing.
        if self.identity.is_some() {
            sql = self.only_writable(sql);
        }
        if self.backend == Backend::Sqlite {
            sql = sql.text(" RETURNING max_id");
        }
        self.done(sql)
    }

    /// The row of exactly this name. `FOR UPDATE` keeps a read/write-splitting proxy from asking a
    /// replica.
    pub(super) fn row(&self, tag: &BizTag) -> Statement {
        let mut sql = Sql::new(match self.backend {
            Backend::MySql => {
                "SELECT biz_tag, CAST(max_id AS SIGNED) AS max_id, CAST(step AS SIGNED) AS step, \
                 description, "
            }
            Backend::Sqlite => "SELECT biz_tag, max_id, step, description, ",
        });
        sql = sql.text(if self.retirable {
            "(retired_at IS NOT NULL) AS retired"
        } else {
            "0 AS retired"
        });
        sql = self.guard_columns(sql);
        sql = sql.text(&format!(" FROM {}", self.table));
        sql = self.exact(sql, tag.as_str());
        if self.backend == Backend::MySql {
            sql = sql.text(" FOR UPDATE");
        }
        self.done(sql)
    }

    /// Raises `max_id` to `target` if it still is what was read; `repair` counts it as a move.
    pub(super) fn raise(&self, tag: &BizTag, read: i64, target: i64, repair: bool) -> Statement {
        let mut sql = Sql::new(format!("UPDATE {} SET max_id = ", self.table)).bind(target);
        if repair {
            sql = self.moved(sql);
        }
        let sql = self.live(self.exact(self.touched(sql), tag.as_str()));
        self.done(sql.text(" AND max_id = ").bind(read))
    }

    /// Moves a row that still carries `old` and `read` to this server.
    pub(super) fn take_over(
        &self,
        tag: &BizTag,
        identity: &Identity,
        old: &str,
        read: i64,
        target: i64,
    ) -> Statement {
        let sql = Sql::new(format!("UPDATE {} SET max_id = ", self.table)).bind(target);
        let sql = self.moved(self.identity(sql.text(", claimed_on = "), identity));
        let sql = self.live(self.exact(self.touched(sql), tag.as_str()));
        let sql = sql
            .text(" AND max_id = ")
            .bind(read)
            .text(" AND claimed_on = ")
            .bind(old);
        self.done(self.only_writable(sql))
    }

    /// How many rows are not retired.
    pub(super) fn count(&self) -> Statement {
        let sql = Sql::new(format!(
            "SELECT COUNT(*) AS tags FROM {} WHERE 1 = 1",
            self.table
        ));
        self.done(self.live(sql))
    }
}

/// A value of a row, by the column's name.
pub(super) fn value<T: TryGetable>(
    row: &QueryResult,
    name: &str,
    place: &Place,
) -> Result<T, SqlError> {
    row.try_get::<T>("", name)
        .map_err(|error| super::errors::classify(&error, Kind::Read, place))
}

/// A text of a row by position; some servers call the texts of their catalogue binary.
pub(super) fn text_at(row: &QueryResult, index: usize) -> Result<String, StoreError> {
    if let Ok(text) = row.try_get_by_index::<Option<String>>(index) {
        return Ok(text.unwrap_or_default());
    }
    row.try_get_by_index::<Option<Vec<u8>>>(index)
        .map(|bytes| String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
        .map_err(|error| StoreError::Transient(format!("the catalogue cannot be read: {error}")))
}
