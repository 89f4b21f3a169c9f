//! The statements of the heartbeat.

use super::dialect::{Identity, Sql, around};
use super::heart::SILENCE;
use super::lineage::{Heartbeat, Known};
use super::statements::Statements;
use crate::domain::allowance::{MARGIN, SECOND, UNKNOWN_LAG};

/// A heartbeat younger than this is not renewed: another server just did.
pub(super) const RENEWED: i64 = 3 * SECOND / 2;

/// See the module's documentation.
pub(super) struct Words<'a> {
    pub(super) statements: &'a Statements,
    /// Quoted.
    pub(super) table: &'a str,
    /// What the server says it is.
    pub(super) identity: &'a Identity,
}

impl Words<'_> {
    /// Renews it where it goes on as it is known, and somebody did so lately.
    pub(super) fn renew(&self, known: &Known) -> Sql {
        let words = self.statements.dialect;
        let now = words.now;
        let renewed = format!(
            "UPDATE {} SET beat = {} WHERE id = 1 AND lineage = ? AND beat BETWEEN ? AND {now} - {RENEWED} \
             AND beat > {now} - {SILENCE} AND ",
            self.table,
            around(words.returned, now)
        );
        let sql = Sql::of(&renewed, [known.lineage.into(), known.beat.into()]);
        let sql = self.statements.here(sql, "identity", self.identity);
        let sql = self.statements.only_writable(sql);
        sql.text(&words.returning("beat"))
    }

    pub(super) fn read(&self) -> Sql {
        let words = self.statements.dialect;
        let sql = Sql::new("SELECT beat, identity, lineage, (");
        let sql = self.statements.here(sql, "identity", self.identity);
        let sql = sql.text(&format!(
            ") AS here, ({}) AS writable, {} AS clock",
            words.writable, words.now
        ));
        let from = format!(" FROM {} WHERE id = 1{}", self.table, words.locking);
        self.statements.primary_name(sql).text(&from)
    }

    /// The row, where somebody took it away: beyond what any tag says.
    pub(super) fn make(&self, known: i64) -> Sql {
        let words = self.statements.dialect;
        let made = format!(
            "INSERT INTO {} (id, beat, identity, lineage) \
             SELECT 1, {}, '', {}(COALESCE(MAX(lineage), 0), ?) + {} FROM {}",
            self.table,
            words.now,
            words.greatest,
            MARGIN + UNKNOWN_LAG,
            self.statements.table
        );
        Sql::of(&made, [known.into()])
    }

    /// Begins a lineage on this primary, where the heartbeat still is what was read.
    pub(super) fn begin(&self, read: &Heartbeat, lineage: i64) -> Sql {
        let now = self.statements.dialect.now;
        let begun = format!(
            "UPDATE {} SET beat = {now}, lineage = ?, identity = ",
            self.table
        );
        let sql = Sql::of(&begun, [lineage.into()]);
        let sql = self.statements.identity(sql, self.identity);
        let sql = sql.with(
            " WHERE id = 1 AND beat = ? AND lineage = ? AND identity = ?",
            [
                read.beat.into(),
                read.lineage.into(),
                read.identity.as_str().into(),
            ],
        );
        self.statements.only_writable(sql)
    }
}
