//! The statements of the heartbeat.

use super::dialect::{Identity, Sql};
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
        let (now, [before, after]) = (words.now(), words.returned());
        let sql = Sql::new(format!(
            "UPDATE {} SET beat = {before}{now}{after} WHERE id = 1 AND lineage = ",
            self.table
        ));
        let sql = sql.bind(known.lineage).text(" AND beat BETWEEN ");
        let sql = sql.bind(known.beat).text(&format!(
            " AND {now} - {RENEWED} AND beat > {now} - {SILENCE} AND "
        ));
        let sql = self.statements.here(sql, "identity", self.identity);
        self.statements
            .only_writable(sql)
            .text(&words.returning("beat"))
    }

    pub(super) fn read(&self) -> Sql {
        let words = self.statements.dialect;
        let sql = self.statements.here(
            Sql::new("SELECT beat, identity, lineage, ("),
            "identity",
            self.identity,
        );
        let sql = sql.text(&format!(
            ") AS here, ({}) AS writable, {} AS clock",
            words.writable(),
            words.now()
        ));
        let from = format!(" FROM {} WHERE id = 1{}", self.table, words.locking());
        self.statements.primary_name(sql).text(&from)
    }

    /// The row, where somebody took it away: beyond what any tag says.
    pub(super) fn make(&self, known: i64) -> Sql {
        let words = self.statements.dialect;
        let sql = Sql::new(format!(
            "INSERT INTO {} (id, beat, identity, lineage) SELECT 1, {}, '', {}(COALESCE(MAX(lineage), 0), ",
            self.table,
            words.now(),
            words.greatest()
        ));
        let lost = MARGIN + UNKNOWN_LAG;
        sql.bind(known)
            .text(&format!(") + {lost} FROM {}", self.statements.table))
    }

    /// Begins a lineage on this primary, where the heartbeat still is what was read.
    pub(super) fn begin(&self, read: &Heartbeat, lineage: i64) -> Sql {
        let now = self.statements.dialect.now();
        let sql = Sql::new(format!(
            "UPDATE {} SET beat = {now}, lineage = ",
            self.table
        ));
        let sql = sql.bind(lineage).text(", identity = ");
        let sql = self.statements.identity(sql, self.identity);
        let sql = sql.text(" WHERE id = 1 AND beat = ").bind(read.beat);
        let sql = sql.text(" AND lineage = ").bind(read.lineage);
        let sql = sql.text(" AND identity = ").bind(read.identity.as_str());
        self.statements.only_writable(sql)
    }
}
