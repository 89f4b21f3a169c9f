//! The statements that read a row and put it right, and the parts that all share, in the words of the database at hand.
//! The claim itself stands in `claim_statement.rs`, what administrators need in `edit.rs`.
//!
//! Values are always bound; only the table's name, checked at start to be `[A-Za-z0-9_$]`, is part of
//! the text, quoted.

use super::decide::Row;
use super::dialect::{Dialect, Identity, Sql, around};
use crate::domain::BizTag;
use crate::domain::allowance::{AHEAD, Allowance, Change};

/// How claims are written on the table as it is.
#[derive(Debug, Clone)]
pub(super) struct Statements {
    pub(super) dialect: &'static Dialect,
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

impl Statements {
    /// `UPDATE <table> SET `
    pub(super) fn update(&self) -> Sql {
        Sql::new(format!("UPDATE {} SET ", self.table))
    }

    /// The end of the assignments, and the condition that finds the live row of exactly this name.
    pub(super) fn of_live(&self, sql: Sql, tag: &BizTag) -> Sql {
        self.live(self.exact(sql.text(self.dialect.touched), tag.as_str()))
    }

    /// The condition that finds the row by its exact bytes. The plain comparison in front uses the
    /// index; most collations make it match `TEST` or `tést` for `test` too.
    pub(super) fn exact(&self, sql: Sql, tag: &str) -> Sql {
        let key = self.dialect.bytes("biz_tag");
        let sql = sql.text(" WHERE biz_tag = ").bind(tag);
        self.bound_bytes(sql.text(&format!(" AND {key} = ")), tag)
    }

    /// A text as its bytes.
    pub(super) fn bound_bytes(&self, sql: Sql, text: &str) -> Sql {
        let cast = format!("CAST(? AS {})", self.dialect.binary);
        sql.with(&cast, [text.into()])
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
            Identity::Expression(expression) => {
                sql.text(&around(self.dialect.identity, expression))
            }
            Identity::Configured(name) => {
                let name = name.as_str().into();
                sql.with(&around(self.dialect.bound_text, "?"), [name])
            }
        }
    }

    /// `<column> = <identity>`, as bytes: the collations of a column and of a system variable do
    /// not always go together.
    pub(super) fn here(&self, sql: Sql, column: &str, identity: &Identity) -> Sql {
        let column = self.dialect.bytes(column);
        let sql = self.identity(sql.text(&format!("{column} = CAST(")), identity);
        sql.text(&format!(" AS {})", self.dialect.binary))
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
        sql.text(" AND ").text(self.dialect.writable)
    }

    /// Whether the row is retired, its limit, the columns of the guard, and whether the server may be written to, for a SELECT.
    fn guard_columns(&self, sql: Sql) -> Sql {
        let mut sql = sql.text(match self.retirable {
            true => ", (retired_at IS NOT NULL) AS retired",
            false => ", 0 AS retired",
        });
        sql = sql.text(match self.limited {
            true => ", id_limit",
            false => ", 0 AS id_limit",
        });
        if let Some(identity) = &self.identity {
            sql = sql.text(", claimed_to, claimed_size, claimed_on, moves, (");
            sql = self.here(sql, "claimed_on", identity).text(") AS here");
        }
        if self.counted {
            let now = self.dialect.now;
            sql = sql.text(&format!(
                ", allowance, allowance_before, allowance_at, needed_at, paid_until, lineage, \
                 advance_to, advance_at, {now} AS clock"
            ));
            sql = self.primary_name(sql);
        }
        match &self.identity {
            Some(_) => sql.text(&format!(", ({}) AS writable", self.dialect.writable)),
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
        let now = self.dialect.now;
        let sql = self.update().with(
            "allowance = ?, allowance_before = ?, allowance_at = ",
            [change.ids.into(), change.before.into()],
        );
        let sql = match change.since {
            Some(since) => sql.bind(since),
            None => sql.text(now),
        };
        let sql = self.of_live(sql.text(&format!(", needed_at = {now}")), tag);
        let mut sql = sql.with(
            " AND allowance = ? AND allowance_at = ?",
            [read.ids.into(), read.written_at.into()],
        );
        if change.ids < read.ids {
            // A claim has needed it since.
            sql = sql.with(" AND needed_at = ?", [read.needed_at.into()]);
        }
        self.only_writable(sql)
    }

    /// Brings the times of a row that a clock ahead of this one wrote back to the present.
    pub(super) fn heed_clock(&self, tag: &BizTag) -> Sql {
        let (now, least) = (self.dialect.now, self.dialect.least);
        let sql = self.update().text(&format!(
            "paid_until = {least}(paid_until, {now} + {AHEAD}), \
             allowance_at = {least}(allowance_at, {now}), needed_at = {least}(needed_at, {now})"
        ));
        self.only_writable(self.of_live(sql, tag))
    }

    /// Binds a row on which no claim was made under the guard to this primary's lineage.
    pub(super) fn adopt(&self, tag: &BizTag, lineage: i64) -> Sql {
        let sql = self.update().with("lineage = ?", [lineage.into()]);
        let sql = self.of_live(sql, tag);
        self.only_writable(sql.with(" AND claimed_on = '' AND lineage < ?", [lineage.into()]))
    }

    /// The row of exactly this name.
    pub(super) fn row(&self, tag: &BizTag) -> Sql {
        let words = self.dialect;
        let (max_id, step) = (words.integer("max_id"), words.integer("step"));
        let numbers = format!("{max_id} AS max_id, {step} AS step");
        let sql = self.columns(&numbers);
        self.exact(sql, tag.as_str()).text(words.locking)
    }

    /// What is said of a row in a list.
    pub(super) fn listed(&self) -> Sql {
        self.columns("max_id, step")
    }

    fn columns(&self, numbers: &str) -> Sql {
        let sql = Sql::new(format!("SELECT biz_tag, {numbers}, description"));
        let sql = self.guard_columns(sql);
        sql.text(&format!(" FROM {}", self.table))
    }

    /// Raises `max_id` to `target` if it still is what was read; `repair` counts it as a move.
    pub(super) fn raise(&self, tag: &BizTag, read: i64, target: i64, repair: bool) -> Sql {
        let mut sql = self.update().with("max_id = ?", [target.into()]);
        if repair {
            sql = self.moved(sql);
        }
        self.of_live(sql, tag)
            .with(" AND max_id = ?", [read.into()])
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
        let sql = self.update();
        let sql = sql.with("max_id = ?, claimed_on = ", [target.into()]);
        let mut sql = self.moved(self.identity(sql, identity));
        if self.counted {
            sql = sql.text(&format!(", paid_until = {}", self.dialect.now));
            if let Some(lineage) = lineage {
                sql = sql.with(", lineage = ?", [lineage.into()]);
            }
        }
        let sql = self.of_live(sql, tag);
        let mut sql = sql.with(" AND max_id = ?", [row.max_id.into()]);
        if let Some(guard) = &row.guard {
            sql = sql.with(" AND claimed_on = ?", [guard.claimed_on.as_str().into()]);
        }
        if let Some(account) = &row.account {
            sql = sql.with(" AND lineage = ?", [account.lineage.into()]);
        }
        self.only_writable(sql)
    }
}
