//! The statement of a claim: it counts, pays and moves `max_id` in one, where the row stands right.

use super::dialect::Sql;
use super::statements::Statements;
use crate::domain::ClaimRequest;
use crate::domain::allowance::{
    AHEAD, Allowance, DELAY, DOUBLINGS, LARGEST_CLAIM, MOST, NEEDED, QUIET, WINDOW,
};

/// A claim whose size is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct PreparedClaim<'a> {
    pub(super) request: &'a ClaimRequest,
    /// How many ids are claimed.
    pub(super) n: i64,
    /// What the row's step has to be.
    pub(super) step: i64,
    /// No `max_id` is moved beyond it.
    pub(super) limit: i64,
    /// The lineage in which claims are made; `None` where no heartbeat tells.
    pub(super) lineage: Option<i64>,
    /// What `max_id` has to be, where the answer to the statement cannot be relied on.
    pub(super) read: Option<i64>,
}

impl Statements {
    /// The claim of `n` ids where the row stands right, in the lineage that is known. The order of the
    /// assignments matters: MySQL evaluates them from left to right, so each comes before what it reads.
    pub(super) fn claim(&self, claim: &PreparedClaim<'_>) -> Sql {
        let PreparedClaim { request, n, .. } = *claim;
        let words = self.dialect;
        let mut sql = Sql::new(format!("UPDATE {} SET ", self.table));
        if self.counted {
            sql = self.pay(sql, n);
        }
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
        let [before, after] = words.returned();
        sql = sql.text(&format!("max_id = {before}max_id + ")).bind(n);
        sql = sql.text(after).text(words.touched());
        sql = self.live(self.exact(sql, request.tag.as_str()));
        sql = sql.text(" AND step = ").bind(claim.step);
        if let Some(identity) = &self.identity {
            // A row on which no claim was made under the guard is adopted as it stands.
            sql = self.here(
                sql.text(" AND (claimed_on = '' OR "),
                "claimed_on",
                identity,
            );
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
            .bind(claim.limit.saturating_sub(n));
        if let Some(read) = claim.read {
            sql = sql.text(" AND max_id = ").bind(read);
        }
        if self.limited {
            sql = sql.text(" AND (id_limit <= 0 OR max_id <= id_limit - ");
            sql = sql.bind(n).text(")");
        }
        if self.counted {
            sql = self.only_within_allowance(sql, claim);
        }
        // Not in the plain claim: with binlog_format=STATEMENT a replica would evaluate it anew, find
        // itself read-only and apply nothing.
        if self.identity.is_some() {
            sql = self.only_writable(sql);
        }
        sql.text(&words.returning("max_id"))
    }

    /// Up to when everything is paid for after a claim of `n` ids: [`Allowance::pay`], in SQL.
    fn paid_after(&self, sql: Sql, n: i64) -> Sql {
        let (now, div) = (self.dialect.now(), self.dialect.div());
        let (greatest, least) = (self.dialect.greatest(), self.dialect.least());
        // What was in force before, doubled for each of the delays that have passed: `Allowance::in_force`.
        let in_force = format!(
            "{greatest}({least}(CASE WHEN {now} >= allowance_at + {} THEN allowance \
             ELSE {least}(allowance, {greatest}({least}(allowance_before, {MOST}), 1) * \
             CAST(1 << {greatest}(({now} - allowance_at) {div} {DELAY}, 0) AS SIGNED)) END, {MOST}), 1)",
            (DOUBLINGS + 1) * DELAY
        );
        let price = n.clamp(0, LARGEST_CLAIM) * WINDOW - 1;
        sql.text(&format!("({greatest}(paid_until, {now}) + ("))
            .bind(price)
            .text(&format!(" + {in_force}) {div} {in_force})"))
    }

    /// The assignments that pay for a claim.
    fn pay(&self, sql: Sql, n: i64) -> Sql {
        let now = self.dialect.now();
        let sql = self.paid_after(sql.text("needed_at = CASE WHEN "), n);
        let sql = sql.text(&format!(
            " > {now} + {NEEDED} THEN {now} ELSE needed_at END, paid_until = "
        ));
        self.paid_after(sql, n).text(", ")
    }

    /// Only in this lineage, where the allowance permits it, no advance is due, and the allowance is not
    /// to be lowered first.
    fn only_within_allowance(&self, mut sql: Sql, claim: &PreparedClaim<'_>) -> Sql {
        let (now, div) = (self.dialect.now(), self.dialect.div());
        if let Some(lineage) = claim.lineage {
            sql = sql.text(" AND lineage = ").bind(lineage);
        }
        sql = self.paid_after(sql.text(" AND allowance > 0 AND "), claim.n);
        sql = sql.text(&format!(
            " <= {now} + {AHEAD} AND (advance_to <= max_id OR advance_at > {now} - {DELAY}) \
             AND (allowance {div} 2 < "
        ));
        sql = sql
            .bind(Allowance::least(claim.step))
            .text(&format!(" OR needed_at >= {now} - {QUIET} OR "));
        sql = self.paid_after(sql, claim.n);
        sql.text(&format!(" > {now} + {NEEDED})"))
    }
}
