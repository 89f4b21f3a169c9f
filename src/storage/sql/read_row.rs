//! Reading the rows of tags, as claims and administrators need them.

use super::SqlStore;
use super::decide::{Account, Row};
use super::dialect::Sql;
use super::errors::SqlError;
use super::pool::Lease;
use super::row::Fetched;
use super::statements::Statements;
use crate::domain::{Allowance, BizTag};
use crate::storage::{GuardRow, StoreError, TagRow};

impl Statements {
    /// The row, and which primary answered.
    pub(super) async fn read_row(
        &self,
        on: &mut Lease<'_>,
        tag: &BizTag,
    ) -> Result<(Option<Row>, String), SqlError> {
        // On MySQL the lock makes it a write for a proxy; it changes nothing.
        let rows = on.rows(&self.row(tag)).await?;
        let Some(row) = rows.first() else {
            return Ok((None, String::new()));
        };
        let primary = match self.counted {
            true => row.value("primary_name")?,
            false => String::new(),
        };
        let row = Row {
            max_id: row.number_of(tag.as_str(), "max_id")?,
            step: row.number_of(tag.as_str(), "step")?,
            retired: row.holds("retired")?,
            id_limit: row.value("id_limit")?,
            writable: row.holds("writable")?,
            guard: self.guard(row)?,
            account: self.counted.then(|| account(row)).transpose()?,
        };
        Ok((Some(row), primary))
    }

    /// Rows as they are listed: one that cannot be used costs no other anything.
    pub(super) fn tag_rows(&self, rows: &[Fetched<'_>]) -> Result<Vec<TagRow>, SqlError> {
        let row = |row: &Fetched<'_>| match self.tag_row(row) {
            Ok(row) => Ok(row),
            Err(fault) => Ok(TagRow {
                biz_tag: row.value("biz_tag")?,
                max_id: 0,
                step: 0,
                description: String::new(),
                retired: false,
                id_limit: None,
                guard: None,
                fault: Some(fault.store.to_string()),
            }),
        };
        rows.iter().map(row).collect()
    }

    pub(super) fn tag_row(&self, row: &Fetched<'_>) -> Result<TagRow, SqlError> {
        let name: String = row.value("biz_tag")?;
        Ok(TagRow {
            max_id: row.number_of(&name, "max_id")?,
            step: row.number_of(&name, "step")?,
            description: row
                .value::<Option<String>>("description")?
                .unwrap_or_default(),
            retired: row.holds("retired")?,
            id_limit: Some(row.value("id_limit")?).filter(|limit| *limit > 0),
            guard: self.guard(row)?,
            fault: None,
            biz_tag: name,
        })
    }

    fn guard(&self, row: &Fetched<'_>) -> Result<Option<GuardRow>, SqlError> {
        if self.identity.is_none() {
            return Ok(None);
        }
        Ok(Some(GuardRow {
            claimed_to: row.value("claimed_to")?,
            claimed_size: row.value("claimed_size")?,
            claimed_on: row.value("claimed_on")?,
            here: row.holds("here")?,
            moves: row.value("moves")?,
            advance_to: match self.counted {
                true => row.value("advance_to")?,
                false => 0,
            },
        }))
    }
}

fn account(row: &Fetched<'_>) -> Result<Account, SqlError> {
    Ok(Account {
        allowance: Allowance {
            ids: row.value("allowance")?,
            before: row.value("allowance_before")?,
            written_at: row.value("allowance_at")?,
            needed_at: row.value("needed_at")?,
            paid_until: row.value("paid_until")?,
        },
        lineage: row.value("lineage")?,
        advance_to: row.value("advance_to")?,
        advance_at: row.value("advance_at")?,
        now: row.value("clock")?,
    })
}

impl SqlStore {
    /// The names that an answer holds.
    pub(super) async fn names(&self, asked: &Sql) -> Result<Vec<BizTag>, StoreError> {
        let mut tags = Vec::new();
        for row in &self.rows(asked).await? {
            let name: String = row.value("biz_tag")?;
            match BizTag::parse(&name) {
                Ok(tag) => tags.push(tag),
                Err(error) => tracing::debug!(biz_tag = name, %error, "a row nobody can ask for"),
            }
        }
        Ok(tags)
    }
}
