//! A tag's own end of its ids, `id_limit`: whether a wanted one can be, and which tags have one.

use super::SqlStore;
use super::inspection::Inspection;
use super::row::value;
use crate::domain::BizTag;
use crate::storage::{Limited, NewTag, StoreError, TagRow, Unusable};

impl SqlStore {
    /// Whether a new tag can have the limit it asks for.
    pub(super) fn vet_limit(&self, found: &Inspection, new: &NewTag) -> Result<(), StoreError> {
        let Some(limit) = new.id_limit else {
            return Ok(());
        };
        self.check_limit(found, limit)?;
        match new.start.max(1) < limit {
            true => Ok(()),
            false => Err(StoreError::Rejected(format!(
                "the limit is {limit}, but no id below it is left from the start {} on",
                new.start
            ))),
        }
    }

    /// Whether a tag that is there can have this limit; 0 takes it away.
    pub(super) fn vet_new_limit(
        &self,
        found: &Inspection,
        row: &TagRow,
        limit: i64,
    ) -> Result<(), StoreError> {
        if limit == 0 {
            return self.has_limits(found);
        }
        self.check_limit(found, limit)?;
        match row.end() <= limit {
            true => Ok(()),
            false => Err(StoreError::Rejected(format!(
                "biz_tag {}: ids below {} were claimed already, so its limit cannot be {limit}",
                row.biz_tag,
                row.end()
            ))),
        }
    }

    fn check_limit(&self, found: &Inspection, limit: i64) -> Result<(), StoreError> {
        self.has_limits(found)?;
        let most = self.limits.id_limit;
        match (1..=most).contains(&limit) {
            true => Ok(()),
            false => Err(StoreError::Rejected(format!(
                "the limit is {limit}, but it must be from 1 to {most} (allocation.id_limit)"
            ))),
        }
    }

    fn has_limits(&self, found: &Inspection) -> Result<(), StoreError> {
        match found.statements.limited {
            true => Ok(()),
            false => Err(Unusable::TableMisconfigured(format!(
                "table `{}` lacks id_limit, so tags have no limits of their own: run `id-alloc migrate up`",
                self.settings.table
            ))
            .into()),
        }
    }

    /// Where a tag's ids end, its own limit or that of all.
    pub(super) fn end_of(&self, row: &TagRow) -> i64 {
        self.limits.of_row(row.id_limit.unwrap_or(0)).id_limit
    }

    pub(super) async fn tags_with_limits(&self, limit: u64) -> Result<Vec<Limited>, StoreError> {
        let found = self.inspected().await?;
        let Some(asked) = found.statements.with_limits(limit) else {
            return Ok(Vec::new());
        };
        let rows = self.pool.rows(&asked).await;
        let rows = rows.map_err(|error| self.noted(error))?;
        let place = &self.pool.place;
        let mut limited = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: String = value(row, "biz_tag", place)?;
            let Ok(tag) = BizTag::parse(&name) else {
                continue;
            };
            limited.push(Limited {
                tag,
                max_id: value::<Option<i64>>(row, "max_id", place)?.unwrap_or(0),
                id_limit: value(row, "id_limit", place)?,
            });
        }
        Ok(limited)
    }
}
