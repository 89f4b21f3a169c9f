//! What administrators do: list, show, create, change, advance, retire. The statements stand in
//! `edit.rs`.

use super::SqlStore;
use super::dialect::Sql;
use super::edit::NAMES;
use super::errors::SqlError;
use super::inspection::Inspection;
use super::row::value;
use super::statements::Statements;
use super::together::fits;
use crate::domain::{BizTag, allowance::DELAY};
use crate::storage::{
    AdvanceTo, Advanced, Change, Effect, Listing, Neighbour, NewTag, Seen, StoreError,
    TagAdministration, TagRow, Unusable,
};
use async_trait::async_trait;
use sea_orm::QueryResult;
use std::time::Duration;

/// Turns of an advance against claims that move the row meanwhile.
const TURNS: u32 = 16;

fn exists<T>(text: String) -> Result<T, StoreError> {
    Err(StoreError::Exists(text))
}

fn rejected<T>(text: String) -> Result<T, StoreError> {
    Err(StoreError::Rejected(text))
}

#[async_trait]
impl TagAdministration for SqlStore {
    async fn list(&self, listing: &Listing) -> Result<Vec<TagRow>, StoreError> {
        let found = self.inspected().await?;
        let statement = found.statements.list(listing);
        let rows = self.pool.rows(&statement).await;
        let rows = rows.map_err(|error| self.noted(error))?;
        self.listed(&rows, &found.statements)
    }

    async fn recent(&self, limit: u64) -> Result<Vec<BizTag>, StoreError> {
        let found = self.inspected().await?;
        self.names(found.statements.recent(limit)).await
    }

    async fn show(&self, tag: &BizTag) -> Result<TagRow, StoreError> {
        self.any_row(tag).await
    }

    async fn neighbours(&self) -> Result<Vec<Neighbour>, StoreError> {
        self.seen_lately().await
    }

    async fn create(&self, new: &NewTag) -> Result<(), StoreError> {
        let found = self.inspected().await?;
        self.vet(&found, new)?;
        let lineage = self.lineage_now(&found.statements).await;
        let lineage = lineage.map_err(|error| self.noted(error))?;
        let id_limit = self.limits.id_limit;
        let statement = found
            .statements
            .insert(std::slice::from_ref(new), id_limit, lineage);
        match self.pool.execute(&statement).await {
            Ok(_) => Ok(()),
            Err(error) if error.duplicate => match self.any_row(&new.tag).await {
                Ok(row) if row.retired => self.revive_row(new, &row).await,
                Ok(_) => exists(format!("biz_tag {} exists already", new.tag)),
                Err(StoreError::UnknownTag) => exists(format!(
                    "the column's collation treats biz_tag {} as equal to one that already exists",
                    new.tag
                )),
                Err(error) => Err(error),
            },
            Err(error) if error.store == StoreError::UnknownTag => rejected(format!(
                "biz_tag {} or its description holds characters the column cannot store",
                new.tag
            )),
            Err(error) => Err(self.noted(error)),
        }
    }

    async fn set(&self, tag: &BizTag, change: &Change) -> Result<TagRow, StoreError> {
        let found = self.inspected().await?;
        if let Some(step) = change.step {
            self.check_step(&found, step)?;
        }
        if let Some(description) = &change.description {
            fits("description", description, found.lengths.1)?;
        }
        let row = self.any_row(tag).await?;
        if change.step.is_none() && change.description.is_none() && change.id_limit.is_none() {
            return Ok(row);
        }
        if let Some(limit) = change.id_limit.filter(|_| !row.retired) {
            self.vet_new_limit(&found, &row, limit)?;
        }
        let statement = found.statements.change(tag, change);
        let done = self.pool.execute(&statement).await;
        let done = done.map_err(|error| match error.store {
            StoreError::UnknownTag => StoreError::Rejected(format!(
                "the description of biz_tag {tag} holds characters the column cannot store"
            )),
            _ => self.noted(error),
        })?;
        self.after_change(tag, done > 0).await
    }

    async fn retire(&self, tag: &BizTag, seen: Option<&Seen>) -> Result<TagRow, StoreError> {
        let found = self.inspected().await?;
        if !found.statements.retirable {
            return Err(Unusable::TableMisconfigured(format!(
                "table `{}` lacks retired_at, so tags cannot be deleted: run `id-alloc migrate up`",
                self.settings.table
            ))
            .into());
        }
        let statement = found.statements.retire(tag, seen);
        let done = self.pool.execute(&statement).await;
        let done = done.map_err(|error| self.noted(error))?;
        self.after_change(tag, done > 0).await
    }

    async fn advance(
        &self,
        tag: &BizTag,
        to: AdvanceTo,
        effect: Effect,
    ) -> Result<Advanced, StoreError> {
        if let AdvanceTo::By(by) = to
            && by < 1
        {
            return rejected(format!("the advance is by {by}, but it must be 1 or more"));
        }
        let found = self.inspected().await?;
        let statements = &found.statements;
        let is_announced =
            effect == Effect::Announced && statements.counted && self.pool.database.has_replicas();
        for _ in 0..TURNS {
            let row = self.any_row(tag).await?;
            if row.retired {
                return Err(StoreError::UnknownTag);
            }
            let announced = row.guard.as_ref().map_or(0, |guard| guard.advance_to);
            let from = row.max_id.max(announced);
            let target = match to {
                AdvanceTo::By(by) => from.checked_add(by),
                AdvanceTo::To(to) => Some(to),
            };
            let limit = self.end_of(&row);
            let Some(target) = target.filter(|target| *target <= limit) else {
                return rejected(format!(
                    "biz_tag {tag}: max_id would pass the limit {limit}"
                ));
            };
            if target < from {
                let so_far = match announced > row.max_id {
                    true => "is announced to be raised to",
                    false => "is",
                };
                return rejected(format!(
                    "biz_tag {tag}: max_id {so_far} {from} already and is never lowered"
                ));
            }
            let (statement, after) = match is_announced {
                true => {
                    let announce = statements.announce(tag, row.max_id, announced, target);
                    (announce, Duration::from_micros(DELAY.unsigned_abs()))
                }
                false => {
                    let raise = statements.raise(tag, row.max_id, target, false);
                    (raise, Duration::ZERO)
                }
            };
            let done = self.pool.execute(&statement).await;
            if done.map_err(|error| self.noted(error))? > 0 {
                return Ok(Advanced {
                    from,
                    to: target,
                    after,
                });
            }
        }
        Err(StoreError::Transient(format!(
            "biz_tag {tag}: the row kept changing while it was advanced"
        )))
    }
}

impl SqlStore {
    /// The rows of these names, as far as there are any.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn rows_of(&self, names: &[BizTag]) -> Result<Vec<TagRow>, StoreError> {
        let found = self.inspected().await?;
        let mut all = Vec::new();
        for some in names.chunks(NAMES) {
            let rows = self.pool.rows(&found.statements.rows(some)).await;
            let rows = rows.map_err(|error| self.noted(error))?;
            all.extend(self.listed(&rows, &found.statements)?);
        }
        Ok(all)
    }

    /// Rows as they are listed: one that cannot be used costs no other anything.
    fn listed(
        &self,
        rows: &[QueryResult],
        statements: &Statements,
    ) -> Result<Vec<TagRow>, StoreError> {
        let place = &self.pool.place;
        let row = |row| match self.tag_row(row, statements) {
            Ok(row) => Ok(row),
            Err(fault) => Ok(TagRow {
                biz_tag: value(row, "biz_tag", place)?,
                max_id: 0,
                step: 0,
                description: String::new(),
                retired: false,
                id_limit: None,
                guard: None,
                fault: Some(fault.store.to_string()),
            }),
        };
        let rows: Result<Vec<TagRow>, SqlError> = rows.iter().map(row).collect();
        Ok(rows?)
    }

    fn tag_row(&self, row: &QueryResult, statements: &Statements) -> Result<TagRow, SqlError> {
        let name: String = value(row, "biz_tag", &self.pool.place)?;
        // A column may allow NULL; that is this row's fault, not the table's.
        let number = |column: &str| match value::<Option<i64>>(row, column, &self.pool.place) {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(SqlError::from(StoreError::TagMisconfigured(format!(
                "biz_tag {name}: {column} is NULL: set it (max_id above every id in use)"
            )))),
            Err(error) => Err(error),
        };
        let (max_id, step) = (number("max_id")?, number("step")?);
        let guarded = statements.identity.is_some();
        let place = &self.pool.place;
        Ok(TagRow {
            biz_tag: name,
            max_id,
            step,
            description: value::<Option<String>>(row, "description", place)?.unwrap_or_default(),
            retired: value::<i64>(row, "retired", place)? != 0,
            id_limit: Some(value::<i64>(row, "id_limit", place)?).filter(|limit| *limit > 0),
            guard: guarded
                .then(|| self.guard_row(row, statements))
                .transpose()?,
            fault: None,
        })
    }

    pub(super) async fn names(&self, asked: Sql) -> Result<Vec<BizTag>, StoreError> {
        let rows = self.pool.rows(&asked).await;
        let rows = rows.map_err(|error| self.noted(error))?;
        let mut tags = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: String = value(row, "biz_tag", &self.pool.place)?;
            match BizTag::parse(&name) {
                Ok(tag) => tags.push(tag),
                Err(error) => tracing::debug!(biz_tag = name, %error, "a row nobody can ask for"),
            }
        }
        Ok(tags)
    }

    /// The row of a tag, retired or not.
    async fn any_row(&self, tag: &BizTag) -> Result<TagRow, StoreError> {
        let found = self.inspected().await?;
        let rows = self.pool.rows(&found.statements.row(tag)).await;
        let rows = rows.map_err(|error| self.noted(error))?;
        let row = rows.first().ok_or(StoreError::UnknownTag)?;
        Ok(self.tag_row(row, &found.statements)?)
    }

    pub(super) fn check_step(&self, found: &Inspection, step: i64) -> Result<(), StoreError> {
        // Outside strict mode MySQL would store another one and say nothing.
        let largest = self.limits.max_step.min(found.largest_step);
        if (1..=largest).contains(&step) {
            return Ok(());
        }
        rejected(format!(
            "step is {step}, but it must be from 1 to {largest}"
        ))
    }

    /// Takes up the row of a deleted tag, above everything that was ever claimed of it.
    async fn revive_row(&self, new: &NewTag, row: &TagRow) -> Result<(), StoreError> {
        let end = row.end();
        if new.start < end {
            return exists(format!(
                "biz_tag {} was deleted after ids below {end} had been claimed: create it again with \
                 start {end} or more",
                new.tag
            ));
        }
        let found = self.inspected().await?;
        let statement = found.statements.revive(new, row.max_id);
        let done = self.pool.execute(&statement).await;
        match done.map_err(|error| self.noted(error))? {
            0 => Err(StoreError::Changed),
            _ => Ok(()),
        }
    }

    /// The row after a change; why there was none, where no row matched.
    async fn after_change(&self, tag: &BizTag, changed: bool) -> Result<TagRow, StoreError> {
        let row = self.any_row(tag).await?;
        match changed {
            true => Ok(row),
            false if row.retired => Err(StoreError::UnknownTag),
            false => Err(StoreError::Changed),
        }
    }
}
