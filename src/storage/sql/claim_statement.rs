//! The statement of a claim: it counts, pays and moves `max_id` in one, where the row stands right.

use super::dialect::{Sql, around};
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
        let (greatest, div) = (words.greatest, words.div);
        let mut sql = self.update();
        if self.counted {
            sql = self.pay(sql, n);
        }
        if let Some(identity) = &self.identity {
            // Half of what was said before stays, so that a tag which rests, or another server that
            // sees less of it, does not make a replica forget how fast it can be.
            let claimed = format!(
                "claimed_to = max_id + ?, claimed_size = {greatest}(?, claimed_size {div} 2), claimed_on = "
            );
            sql = sql.with(&claimed, [n.into(), request.expect.max(n).into()]);
            sql = self.identity(sql, identity).text(", ");
        }
        let moved = around(words.returned, "max_id + ?");
        sql = sql.with(&format!("max_id = {moved}"), [n.into()]);
        sql = self.of_live(sql, &request.tag);
        sql = sql.with(" AND step = ?", [claim.step.into()]);
        let mut claimed_to = "";
        if let Some(identity) = &self.identity {
            claimed_to = "claimed_to, ";
            // A row on which no claim was made under the guard is adopted as it stands.
            sql = sql.text(" AND (claimed_on = '' OR ");
            sql = self.here(sql, "claimed_on", identity).text(")");
        }
        sql = sql.with(
            &format!(" AND max_id BETWEEN {greatest}({claimed_to}?, 0) AND ?"),
            [request.mark.into(), claim.limit.saturating_sub(n).into()],
        );
        if let Some(read) = claim.read {
            sql = sql.with(" AND max_id = ?", [read.into()]);
        }
        if self.limited {
            let within = " AND (id_limit <= 0 OR max_id <= id_limit - ?)";
            sql = sql.with(within, [n.into()]);
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
        let (now, div) = (self.dialect.now, self.dialect.div);
        let (greatest, least) = (self.dialect.greatest, self.dialect.least);
        // What was in force before, doubled for each of the delays that have passed: `Allowance::in_force`.
        let in_force = format!(
            "{greatest}({least}(CASE WHEN {now} >= allowance_at + {} THEN allowance \
             ELSE {least}(allowance, {greatest}({least}(allowance_before, {MOST}), 1) * \
             CAST(1 << {greatest}(({now} - allowance_at) {div} {DELAY}, 0) AS SIGNED)) END, {MOST}), 1)",
            (DOUBLINGS + 1) * DELAY
        );
        let price = n.clamp(0, LARGEST_CLAIM) * WINDOW - 1;
        let paid = format!("({greatest}(paid_until, {now}) + (? + {in_force}) {div} {in_force})");
        sql.with(&paid, [price.into()])
    }

    /// The assignments that pay for a claim.
    fn pay(&self, sql: Sql, n: i64) -> Sql {
        let now = self.dialect.now;
        let sql = self.paid_after(sql.text("needed_at = CASE WHEN "), n);
        let sql = sql.text(&format!(
            " > {now} + {NEEDED} THEN {now} ELSE needed_at END, paid_until = "
        ));
        self.paid_after(sql, n).text(", ")
    }

    /// Only in this lineage, where the allowance permits it, no advance is due, and the allowance is not
    /// to be lowered first.
    fn only_within_allowance(&self, mut sql: Sql, claim: &PreparedClaim<'_>) -> Sql {
        let (now, div) = (self.dialect.now, self.dialect.div);
        if let Some(lineage) = claim.lineage {
            sql = sql.with(" AND lineage = ?", [lineage.into()]);
        }
        sql = self.paid_after(sql.text(" AND allowance > 0 AND "), claim.n);
        let within = format!(
            " <= {now} + {AHEAD} AND (advance_to <= max_id OR advance_at > {now} - {DELAY}) \
             AND (allowance {div} 2 < ? OR needed_at >= {now} - {QUIET} OR "
        );
        sql = sql.with(&within, [Allowance::least(claim.step).into()]);
        sql = self.paid_after(sql, claim.n);
        sql.text(&format!(" > {now} + {NEEDED})"))
    }
}
