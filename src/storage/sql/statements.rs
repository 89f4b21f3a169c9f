//! The statements that read a row and put it right, and the parts that all share, in the words of the database at hand.
//! The claim itself stands in `claim_statement.rs`, what administrators need in `edit.rs`.
//!
//! Values are always bound; only the table's name, checked at start to be `[A-Za-z0-9_$]`, is part of
//! the text, quoted.

use super::decide::Row;
use super::dialect::{Dialect, Identity, Sql};
use crate::domain::BizTag;
use crate::domain::allowance::{AHEAD, Allowance, Change};

/// How claims are written on the table as it is.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) dialect: &'static dyn Dialect,
    /// Quoted.
    pub(super) table: String,
    /// `None`: claims carry no guard.
    pub(super) identity: Option<Identity>,
    /// What the server says it is, whatever is configured; `None` without the guard.
    pub(super) primary: Option<Identity>,
    /// Whether the table has `retired_at`.
    pub(super) retirable: bool,
    /// Whether rows say where the tag's ids end (`id_limit`).
    pub(super) limited: bool,
    /// Whether rows say how much may be claimed of them. With the guard alone.
    pub(super) counted: bool,
    /// The heartbeat's table, quoted; `None` where it cannot be used.
    pub(super) heartbeat: Option<String>,
}

/// So many rows are counted by each check: of millions it takes seconds.
pub(super) const COUNTED: i64 = 100_000;

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

    /// `<column> = <identity>`, as bytes: the collations of a column and of a system variable do
    /// not always go together.
    pub(super) fn here(&self, sql: Sql, column: &str, identity: &Identity) -> Sql {
        let column = self.dialect.bytes(column);
        let sql = sql.text(&format!("{column} = CAST("));
        let kind = self.dialect.binary();
        self.identity(sql, identity).text(&format!(" AS {kind})"))
    }

    /// What the server says it is, for a SELECT.
    pub(super) fn primary_name(&self, sql: Sql) -> Sql {
        match &self.primary {
            Some(primary) => self
                .identity(sql.text(", "), primary)
                .text(" AS primary_name"),
            None => sql.text(", '' AS primary_name"),
        }
    }

    /// Not on a primary that was demoted: with SUPER the write itself would pass.
    pub(super) fn only_writable(&self, sql: Sql) -> Sql {
        sql.text(" AND ").text(self.dialect.writable())
    }

    /// The row's limit, the columns of the guard, and whether the server may be written to, for a SELECT.
    pub(super) fn guard_columns(&self, sql: Sql) -> Sql {
        let mut sql = sql.text(match self.limited {
            true => ", id_limit",
            false => ", 0 AS id_limit",
        });
        if let Some(identity) = &self.identity {
            sql = sql.text(", claimed_to, claimed_size, claimed_on, moves, (");
            sql = self.here(sql, "claimed_on", identity).text(") AS here");
        }
        if self.counted {
            let now = self.dialect.now();
            sql = sql.text(&format!(
                ", allowance, allowance_before, allowance_at, needed_at, paid_until, lineage, \
                 advance_to, advance_at, {now} AS clock"
            ));
            sql = self.primary_name(sql);
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

    /// Writes another allowance, unless somebody did so since it was read.
    pub(super) fn allow(&self, tag: &BizTag, read: &Allowance, change: Change) -> Sql {
        let now = self.dialect.now();
        let sql = Sql::new(format!("UPDATE {} SET allowance = ", self.table));
        let sql = sql.bind(change.ids).text(", allowance_before = ");
        let sql = sql.bind(change.before).text(", allowance_at = ");
        let sql = match change.since {
            Some(since) => sql.bind(since),
            None => sql.text(now),
        };
        let sql = sql.text(&format!(", needed_at = {now}{}", self.dialect.touched()));
        let sql = self.live(self.exact(sql, tag.as_str()));
        let sql = sql.text(" AND allowance = ").bind(read.ids);
        let mut sql = sql.text(" AND allowance_at = ").bind(read.written_at);
        if change.ids < read.ids {
            // A claim has needed it since.
            sql = sql.text(" AND needed_at = ").bind(read.needed_at);
        }
        self.only_writable(sql)
    }

    /// Brings the times of a row that a clock ahead of this one wrote back to the present.
    pub(super) fn heed_clock(&self, tag: &BizTag) -> Sql {
        let (now, least) = (self.dialect.now(), self.dialect.least());
        let sql = Sql::new(format!(
            "UPDATE {} SET paid_until = {least}(paid_until, {now} + {AHEAD}), \
             allowance_at = {least}(allowance_at, {now}), needed_at = {least}(needed_at, {now}){}",
            self.table,
            self.dialect.touched()
        ));
        self.only_writable(self.live(self.exact(sql, tag.as_str())))
    }

    /// Binds a row on which no claim was made under the guard to this primary's lineage.
    pub(super) fn adopt(&self, tag: &BizTag, lineage: i64) -> Sql {
        let sql = Sql::new(format!("UPDATE {} SET lineage = ", self.table)).bind(lineage);
        let sql = sql.text(self.dialect.touched());
        let sql = self.live(self.exact(sql, tag.as_str()));
        self.only_writable(
            sql.text(" AND claimed_on = '' AND lineage < ")
                .bind(lineage),
        )
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

    /// Moves a row that still is what was read to this server and its lineage.
    pub(super) fn take_over(
        &self,
        tag: &BizTag,
        identity: &Identity,
        row: &Row,
        lineage: Option<i64>,
        target: i64,
    ) -> Sql {
        let sql = Sql::new(format!("UPDATE {} SET max_id = ", self.table)).bind(target);
        let mut sql = self.moved(self.identity(sql.text(", claimed_on = "), identity));
        if self.counted {
            sql = sql.text(&format!(", paid_until = {}", self.dialect.now()));
            if let Some(lineage) = lineage {
                sql = sql.text(", lineage = ").bind(lineage);
            }
        }
        let sql = sql.text(self.dialect.touched());
        let sql = self.live(self.exact(sql, tag.as_str()));
        let mut sql = sql.text(" AND max_id = ").bind(row.max_id);
        if let Some(guard) = &row.guard {
            sql = sql
                .text(" AND claimed_on = ")
                .bind(guard.claimed_on.as_str());
        }
        if let Some(account) = &row.account {
            sql = sql.text(" AND lineage = ").bind(account.lineage);
        }
        self.only_writable(sql)
    }

    /// How many of the first rows are not retired, and how many were looked at.
    pub(super) fn count(&self) -> Sql {
        let retired_at = if self.retirable { "retired_at" } else { "NULL" };
        let sql = Sql::new(format!(
            "SELECT COUNT(*) AS looked_at, COUNT(CASE WHEN retired_at IS NULL THEN 1 END) AS tags \
             FROM (SELECT {retired_at} AS retired_at FROM {} LIMIT ",
            self.table
        ));
        sql.bind(COUNTED).text(") AS sample")
    }
}
