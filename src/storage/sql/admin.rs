//! What administrators do: list, show, create, change, advance.

use super::SqlStore;
use super::connect::Generation;
use super::dialect::value;
use super::errors::{Kind, SqlError};
use crate::domain::BizTag;
use crate::storage::{AdvanceTo, Advanced, NewTag, StoreError, TagRow};
use sea_orm::QueryResult;

/// Turns of an advance against claims that move the row meanwhile.
const TURNS: u32 = 16;

fn rejected<T>(text: String) -> Result<T, StoreError> {
    Err(StoreError::Rejected(text))
}

impl SqlStore {
    pub(super) async fn list_rows(
        &self,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<TagRow>, StoreError> {
        let on = self.pool.current();
        let found = self.inspected(&on).await?;
        let statement = found.dialect.list(after, limit);
        let rows = self.pool.rows(&on, Kind::Read, statement).await;
        let rows = rows.map_err(|error| self.noted(&on, error))?;
        let guarded = found.dialect.identity.is_some();
        rows.iter()
            .map(|row| self.tag_row(row, guarded).map_err(StoreError::from))
            .collect()
    }

    fn tag_row(&self, row: &QueryResult, guarded: bool) -> Result<TagRow, SqlError> {
        let place = &self.pool.place;
        Ok(TagRow {
            biz_tag: value(row, "biz_tag", place)?,
            max_id: value(row, "max_id", place)?,
            step: value(row, "step", place)?,
            description: value::<Option<String>>(row, "description", place)?.unwrap_or_default(),
            retired: value::<i64>(row, "retired", place)? != 0,
            guard: guarded.then(|| self.guard_row(row)).transpose()?,
        })
    }

    pub(super) async fn recent_tags(&self, limit: u64) -> Result<Vec<BizTag>, StoreError> {
        let on = self.pool.current();
        let found = self.inspected(&on).await?;
        let rows = self
            .pool
            .rows(&on, Kind::Read, found.dialect.recent(limit))
            .await;
        let rows = rows.map_err(|error| self.noted(&on, error))?;
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
    async fn any_row(&self, on: &Generation, tag: &BizTag) -> Result<TagRow, StoreError> {
        let found = self.inspected(on).await?;
        let rows = self.pool.rows(on, Kind::Read, found.dialect.row(tag)).await;
        let rows = rows.map_err(|error| self.noted(on, error))?;
        let row = rows.first().ok_or(StoreError::UnknownTag)?;
        Ok(self.tag_row(row, found.dialect.identity.is_some())?)
    }

    pub(super) async fn show_row(&self, tag: &BizTag) -> Result<TagRow, StoreError> {
        self.any_row(&self.pool.current(), tag).await
    }

    fn check_step(&self, step: i64) -> Result<(), StoreError> {
        if (1..=self.limits.max_step).contains(&step) {
            return Ok(());
        }
        rejected(format!(
            "step is {step}, it must be 1 to {}",
            self.limits.max_step
        ))
    }

    pub(super) async fn create_row(&self, new: &NewTag) -> Result<(), StoreError> {
        self.check_step(new.step)?;
        if !(0..=self.limits.id_limit).contains(&new.start) {
            return rejected(format!(
                "start is {}, it must be 0 to {}",
                new.start, self.limits.id_limit
            ));
        }
        let on = self.pool.current();
        let found = self.inspected(&on).await?;
        // Outside strict mode MySQL would cut the text off and say nothing.
        fits("biz_tag", new.tag.as_str(), found.lengths.0)?;
        fits("description", &new.description, found.lengths.1)?;
        let statement = found
            .dialect
            .insert(&new.tag, new.start, new.step, &new.description);
        match self.pool.execute(&on, Kind::Write, statement).await {
            Ok(_) => Ok(()),
            Err(error) if error.duplicate => rejected(match self.any_row(&on, &new.tag).await {
                Ok(row) if row.retired => format!(
                    "biz_tag {} exists and is retired; its name cannot be used again",
                    new.tag
                ),
                Ok(_) => format!("biz_tag {} exists already", new.tag),
                Err(_) => format!(
                    "the column's collation takes biz_tag {} for another that exists already",
                    new.tag
                ),
            }),
            Err(error) if error.store == StoreError::UnknownTag => rejected(format!(
                "biz_tag {} or its description holds characters the column cannot store",
                new.tag
            )),
            Err(error) => Err(self.noted(&on, error)),
        }
    }

    pub(super) async fn set_row(
        &self,
        tag: &BizTag,
        step: Option<i64>,
        description: Option<&str>,
    ) -> Result<TagRow, StoreError> {
        if let Some(step) = step {
            self.check_step(step)?;
        }
        let on = self.pool.current();
        let found = self.inspected(&on).await?;
        if let Some(description) = description {
            fits("description", description, found.lengths.1)?;
        }
        if step.is_some() || description.is_some() {
            let statement = found.dialect.change(tag, step, description);
            let done = self.pool.execute(&on, Kind::Write, statement).await;
            let done = done.map_err(|error| self.noted(&on, error))?;
            if done.rows_affected() == 0 {
                return Err(StoreError::UnknownTag);
            }
        }
        self.any_row(&on, tag).await
    }

    pub(super) async fn advance_row(
        &self,
        tag: &BizTag,
        to: AdvanceTo,
    ) -> Result<Advanced, StoreError> {
        if let AdvanceTo::By(by) = to
            && by < 1
        {
            return rejected(format!("--by is {by}, it must be 1 or more"));
        }
        let on = self.pool.current();
        let found = self.inspected(&on).await?;
        for _ in 0..TURNS {
            let row = self.any_row(&on, tag).await?;
            if row.retired {
                return Err(StoreError::UnknownTag);
            }
            let from = row.max_id;
            let target = match to {
                AdvanceTo::By(by) => from.checked_add(by),
                AdvanceTo::To(to) => Some(to),
            };
            let limit = self.limits.id_limit;
            let Some(target) = target.filter(|target| *target <= limit) else {
                return rejected(format!(
                    "biz_tag {tag}: max_id would pass the limit {limit}"
                ));
            };
            if target < from {
                return rejected(format!(
                    "biz_tag {tag}: max_id is {from} already and is never lowered"
                ));
            }
            let statement = found.dialect.raise(tag, from, target, false);
            let done = self.pool.execute(&on, Kind::Write, statement).await;
            if done
                .map_err(|error| self.noted(&on, error))?
                .rows_affected()
                > 0
            {
                return Ok(Advanced { from, to: target });
            }
        }
        Err(StoreError::Transient(format!(
            "biz_tag {tag}: the row kept changing while it was advanced"
        )))
    }
}

fn fits(column: &str, text: &str, length: Option<usize>) -> Result<(), StoreError> {
    let characters = text.chars().count();
    match length {
        Some(length) if characters > length => rejected(format!(
            "{column} has {characters} characters, the column holds {length}"
        )),
        _ => Ok(()),
    }
}
