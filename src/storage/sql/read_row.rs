//! Reading a tag's row, as a claim or an administrator needs it.

use super::SqlStore;
use super::decide::{Account, Row};
use super::errors::SqlError;
use super::pool::Lease;
use super::row::value;
use super::statements::Statements;
use crate::domain::{Allowance, BizTag};
use crate::storage::{GuardRow, StoreError};
use sea_orm::QueryResult;

impl SqlStore {
    /// The row, and which primary answered.
    pub(super) async fn read_row(
        &self,
        on: &mut Lease<'_>,
        statements: &Statements,
        tag: &BizTag,
    ) -> Result<(Option<Row>, String), SqlError> {
        let place = &self.pool.place;
        // On MySQL the lock makes it a write for a proxy; it changes nothing.
        let rows = on.rows(&statements.row(tag)).await?;
        let Some(row) = rows.first() else {
            return Ok((None, String::new()));
        };
        let primary = match statements.counted {
            true => value(row, "primary_name", place)?,
            false => String::new(),
        };
        let guard = match statements.identity {
            None => None,
            Some(_) => Some(self.guard_row(row, statements)?),
        };
        // A column may allow NULL; that is this row's fault, not the table's.
        let number = |name: &str| match value::<Option<i64>>(row, name, place) {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(SqlError::from(StoreError::TagMisconfigured(format!(
                "biz_tag {tag}: {name} is NULL: set it (max_id above every id in use)"
            )))),
            Err(error) => Err(error),
        };
        let row = Row {
            max_id: number("max_id")?,
            step: number("step")?,
            retired: value::<i64>(row, "retired", place)? != 0,
            id_limit: value(row, "id_limit", place)?,
            writable: value::<i64>(row, "writable", place)? != 0,
            guard,
            account: statements.counted.then(|| self.account(row)).transpose()?,
        };
        Ok((Some(row), primary))
    }

    fn account(&self, row: &QueryResult) -> Result<Account, SqlError> {
        let number = |name: &str| value::<i64>(row, name, &self.pool.place);
        Ok(Account {
            allowance: Allowance {
                ids: number("allowance")?,
                before: number("allowance_before")?,
                written_at: number("allowance_at")?,
                needed_at: number("needed_at")?,
                paid_until: number("paid_until")?,
            },
            lineage: number("lineage")?,
            advance_to: number("advance_to")?,
            advance_at: number("advance_at")?,
            now: number("clock")?,
        })
    }

    pub(super) fn guard_row(
        &self,
        row: &QueryResult,
        statements: &Statements,
    ) -> Result<GuardRow, SqlError> {
        let place = &self.pool.place;
        Ok(GuardRow {
            claimed_to: value(row, "claimed_to", place)?,
            claimed_size: value(row, "claimed_size", place)?,
            claimed_on: value(row, "claimed_on", place)?,
            here: value::<i64>(row, "here", place)? != 0,
            moves: value(row, "moves", place)?,
            advance_to: match statements.counted {
                true => value(row, "advance_to", place)?,
                false => 0,
            },
        })
    }
}
