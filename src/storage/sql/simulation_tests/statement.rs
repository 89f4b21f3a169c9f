//! What the statement of a claim does to a row. `statement_tests.rs` holds it against the statement itself.

use crate::domain::ClaimRequest;
use crate::domain::allowance::DELAY;
use crate::storage::GuardRow;
use crate::storage::sql::decide::{Account, Row};

/// What the statement of a claim makes of the row; `None` where it does not match.
pub(in crate::storage::sql) fn claimed(
    row: &Row,
    request: &ClaimRequest,
    (step, n): (i64, i64),
    id_limit: i64,
    lineage: Option<i64>,
) -> Option<Row> {
    let guard = row.guard.as_ref()?;
    let account = row.account.as_ref()?;
    let (allowance, now) = (&account.allowance, account.now);
    let is_here = guard.claimed_on.is_empty() || guard.here;
    let is_high = row.max_id >= guard.claimed_to.max(request.mark).max(0);
    let is_due = account.advance_to > row.max_id && account.advance_at <= now - DELAY;
    let matches = !row.retired
        && row.writable
        && row.step == step
        && is_here
        && lineage.is_none_or(|lineage| account.lineage == lineage)
        && is_high
        && row.max_id <= id_limit - n
        && (row.id_limit <= 0 || row.max_id <= row.id_limit - n)
        && !is_due
        && allowance.lowered(now, step, n).is_none();
    let paid = allowance.pay(now, n).filter(|_| matches)?;
    Some(Row {
        max_id: row.max_id + n,
        guard: Some(GuardRow {
            claimed_to: row.max_id + n,
            claimed_size: request.expect.max(n).max(guard.claimed_size / 2),
            claimed_on: "here".to_owned(),
            here: true,
            ..guard.clone()
        }),
        account: Some(Account {
            allowance: paid,
            ..*account
        }),
        ..row.clone()
    })
}

/// The same of a row that counts no claims.
pub(super) fn plainly_claimed(row: &Row, request: &ClaimRequest, n: i64) -> Row {
    let guard = row.guard.as_ref().expect("a guard");
    Row {
        max_id: row.max_id + n,
        guard: Some(GuardRow {
            claimed_to: row.max_id + n,
            claimed_size: request.expect.max(n).max(guard.claimed_size / 2),
            ..guard.clone()
        }),
        ..row.clone()
    }
}
