//! The statements of a claim, in the words of the database at hand. What administrators need stands in
//! `edit.rs`.
//!
//! Values are always bound; only the table's name, checked at start to be `[A-Za-z0-9_$]`, is part of
//! the text, quoted.

use super::database::{Dialect, Sql};
use super::errors::{Place, SqlError, unexpected};
use crate::domain::BizTag;
use crate::storage::{ClaimRequest, StoreError};
use sea_orm::{QueryResult, TryGetable};

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
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) dialect: &'static dyn Dialect,
    /// Quoted.
    pub(super) table: String,
    /// `None`: claims carry no guard.
    pub(super) identity: Option<Identity>,
    /// Whether the table has `retired_at`.
    pub(super) retirable: bool,
}

impl Statements {
    /// The condition that finds the row by its exact bytes. The plain comparison in front uses the
    /// index; most collations make it match `TEST` or `tést` for `test` too.
    pub(super) fn exact(&self, sql: Sql, tag: &str) -> Sql {
        let key = self.dialect.bytes("biz_tag");
        let sql = sql.text(" WHERE biz_tag = ").bind(tag);
        self.bound_bytes(sql.text(&format!(" AND {key} = ")), tag)
    }

    /// A text as its bytes.
    pub(super) fn bound_bytes(&self, sql: Sql, text: &str) -> Sql {
        let kind = self.dialect.binary();
        sql.text("CAST(").bind(text).text(&format!(" AS {kind})"))
    }

    pub(super) fn live(&self, sql: Sql) -> Sql {
        if self.retirable {
            sql.text(" AND retired_at IS NULL")
        } else {
            sql
        }
    }

    pub(super) fn identity(&self, sql: Sql, identity: &Identity) -> Sql {
        match identity {
            Identity::Expression(expression) => sql.text(&self.dialect.identity(expression)),
            Identity::Configured(name) => {
                let [before, after] = self.dialect.bound_text();
                sql.text(before).bind(name.as_str()).text(after)
            }
        }
    }

    /// `claimed_on = <identity>`, as bytes: the collations of a column and of a system variable do
    /// not always go together.
    fn here(&self, sql: Sql, identity: &Identity) -> Sql {
        let claimed_on = self.dialect.bytes("claimed_on");
        let sql = sql.text(&format!("{claimed_on} = CAST("));
        let kind = self.dialect.binary();
        self.identity(sql, identity).text(&format!(" AS {kind})"))
    }

    /// Not on a primary that was demoted: with SUPER the write itself would pass.
    fn only_writable(&self, sql: Sql) -> Sql {
        sql.text(" AND ").text(self.dialect.writable())
    }

    /// The columns of the guard and whether the server may be written to, for a SELECT.
    pub(super) fn guard_columns(&self, mut sql: Sql) -> Sql {
        if let Some(identity) = &self.identity {
            sql = sql.text(", claimed_to, claimed_size, claimed_on, moves, (");
            sql = self.here(sql, identity).text(") AS here");
        }
        match &self.identity {
            Some(_) => sql.text(&format!(", ({}) AS writable", self.dialect.writable())),
            None => sql.text(", 1 AS writable"),
        }
    }

    /// One more move, where moves are counted.
    fn moved(&self, sql: Sql) -> Sql {
        match self.identity {
            Some(_) => sql.text(", moves = moves + 1"),
            None => sql,
        }
    }

    /// The claim of `n` ids where the row stands right. The order of the assignments matters: MySQL
    /// evaluates them from left to right, so `max_id` must come last.
    pub(super) fn claim(&self, request: &ClaimRequest, n: i64, step: i64, limit: i64) -> Sql {
        let words = self.dialect;
        let mut sql = Sql::new(format!("UPDATE {} SET ", self.table));
        if let Some(identity) = &self.identity {
            sql = sql.text("claimed_to = max_id + ").bind(n);
            // Half of what was said before stays, so that a tag which rests, or another server that
            // sees less of it, does not make a replica forget how fast it can be.
            let (greatest, div) = (words.greatest(), words.div());
            sql = sql.text(&format!(", claimed_size = {greatest}("));
            sql = sql
                .bind(request.expect.max(n))
                .text(&format!(", claimed_size {div} 2), claimed_on = "));
            sql = self.identity(sql, identity).text(", ");
        }
        let (before, after) = words.move_max_id();
        sql = sql.text(before).bind(n).text(after).text(words.touched());
        sql = self.live(self.exact(sql, request.tag.as_str()));
        sql = sql.text(" AND step = ").bind(step);
        if let Some(identity) = &self.identity {
            // A row on which no claim was made under the guard is adopted as it stands.
            sql = self.here(sql.text(" AND (claimed_on = '' OR "), identity);
            sql = sql.text(")");
        }
        sql = sql
            .text(" AND max_id BETWEEN ")
            .text(words.greatest())
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
        sql.text(words.returning())
    }

    /// The row of exactly this name.
    pub(super) fn row(&self, tag: &BizTag) -> Sql {
        let words = self.dialect;
        let (max_id, step) = (words.integer("max_id"), words.integer("step"));
        let mut sql = Sql::new(format!(
            "SELECT biz_tag, {max_id} AS max_id, {step} AS step, description, "
        ));
        sql = sql.text(if self.retirable {
            "(retired_at IS NOT NULL) AS retired"
        } else {
            "0 AS retired"
        });
        sql = self.guard_columns(sql);
        sql = sql.text(&format!(" FROM {}", self.table));
        self.exact(sql, tag.as_str()).text(words.locking())
    }

    /// Raises `max_id` to `target` if it still is what was read; `repair` counts it as a move.
    pub(super) fn raise(&self, tag: &BizTag, read: i64, target: i64, repair: bool) -> Sql {
        let mut sql = Sql::new(format!("UPDATE {} SET max_id = ", self.table)).bind(target);
        if repair {
            sql = self.moved(sql);
        }
        let sql = self.live(self.exact(sql.text(self.dialect.touched()), tag.as_str()));
        sql.text(" AND max_id = ").bind(read)
    }

    /// Moves a row that still carries `old` and `read` to this server.
    pub(super) fn take_over(
        &self,
        tag: &BizTag,
        identity: &Identity,
        old: &str,
        read: i64,
        target: i64,
    ) -> Sql {
        let sql = Sql::new(format!("UPDATE {} SET max_id = ", self.table)).bind(target);
        let sql = self.moved(self.identity(sql.text(", claimed_on = "), identity));
        let sql = self.live(self.exact(sql.text(self.dialect.touched()), tag.as_str()));
        let sql = sql
            .text(" AND max_id = ")
            .bind(read)
            .text(" AND claimed_on = ")
            .bind(old);
        self.only_writable(sql)
    }

    /// How many rows are not retired.
    pub(super) fn count(&self) -> Sql {
        let sql = Sql::new(format!(
            "SELECT COUNT(*) AS tags FROM {} WHERE 1 = 1",
            self.table
        ));
        self.live(sql)
    }
}

/// A value of a row, by the column's name.
pub(super) fn value<T: TryGetable>(
    row: &QueryResult,
    name: &str,
    place: &Place,
) -> Result<T, SqlError> {
    row.try_get::<T>("", name)
        .map_err(|error| unexpected(place, &error))
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
