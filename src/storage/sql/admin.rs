//! What administrators do: list, show, create, change, advance, retire. The statements stand in
//! `edit.rs`.

use super::SqlStore;
use super::edit::NAMES;
use super::vet::{fits, only_if};
use crate::domain::{BizTag, allowance::DELAY};
use crate::storage::{
    AdvanceTo, Advanced, Change, Effect, Listing, Neighbour, NewTag, Seen, StoreError,
    TagAdministration, TagRow, Unusable,
};
use async_trait::async_trait;
use std::time::Duration;

/// Turns of an advance against claims that move the row meanwhile.
const TURNS: u32 = 16;

#[async_trait]
impl TagAdministration for SqlStore {
    async fn list(&self, listing: &Listing) -> Result<Vec<TagRow>, StoreError> {
        let found = self.inspected().await?;
        let rows = self.rows(&found.statements.list(listing)).await?;
        Ok(found.statements.tag_rows(&rows)?)
    }

    async fn recent(&self, limit: u64) -> Result<Vec<BizTag>, StoreError> {
        let found = self.inspected().await?;
        self.names(&found.statements.recent(limit)).await
    }

    async fn show(&self, tag: &BizTag) -> Result<TagRow, StoreError> {
        let found = self.inspected().await?;
        let rows = self.rows(&found.statements.row(tag)).await?;
        let row = rows.first().ok_or(StoreError::UnknownTag)?;
        Ok(found.statements.tag_row(row)?)
    }

    async fn neighbours(&self) -> Result<Vec<Neighbour>, StoreError> {
        self.seen_lately().await
    }

    async fn create(&self, new: &NewTag) -> Result<(), StoreError> {
        self.create_one(new).await
    }

    async fn set(&self, tag: &BizTag, change: &Change) -> Result<TagRow, StoreError> {
        let found = self.inspected().await?;
        if let Some(step) = change.step {
            self.check_step(&found, step)?;
        }
        if let Some(description) = &change.description {
            fits(&found, "description", description)?;
        }
        let row = self.show(tag).await?;
        if change.step.is_none() && change.description.is_none() && change.id_limit.is_none() {
            return Ok(row);
        }
        if let Some(limit) = change.id_limit.filter(|_| !row.retired) {
            self.vet_new_limit(&found, &row, limit)?;
        }
        let done = self.execute(&found.statements.change(tag, change)).await;
        let done = done.map_err(|error| match error {
            StoreError::UnknownTag => StoreError::Rejected(format!(
                "the description of biz_tag {tag} holds characters the column cannot store"
            )),
            error => error,
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
        let done = self.execute(&found.statements.retire(tag, seen)).await?;
        self.after_change(tag, done > 0).await
    }

    async fn advance(
        &self,
        tag: &BizTag,
        to: AdvanceTo,
        effect: Effect,
    ) -> Result<Advanced, StoreError> {
        if let AdvanceTo::By(by) = to {
            only_if(by >= 1, || {
                format!("the advance is by {by}, but it must be 1 or more")
            })?;
        }
        let found = self.inspected().await?;
        let statements = &found.statements;
        let is_announced =
            effect == Effect::Announced && statements.counted && self.pool.database.has_replicas();
        for _ in 0..TURNS {
            let row = self.show(tag).await?;
            if row.retired {
                return Err(StoreError::UnknownTag);
            }
            let announced = row.guard.as_ref().map_or(0, |guard| guard.advance_to);
            let from = row.max_id.max(announced);
            let target = match to {
                AdvanceTo::By(by) => from.checked_add(by),
                AdvanceTo::To(to) => Some(to),
            };
            let limit = self.limits.of_row(row.id_limit.unwrap_or(0)).id_limit;
            let Some(target) = target.filter(|target| *target <= limit) else {
                let text = format!("biz_tag {tag}: max_id would pass the limit {limit}");
                return Err(StoreError::Rejected(text));
            };
            only_if(target >= from, || {
                let so_far = match announced > row.max_id {
                    true => "is announced to be raised to",
                    false => "is",
                };
                format!("biz_tag {tag}: max_id {so_far} {from} already and is never lowered")
            })?;
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
            if self.execute(&statement).await? > 0 {
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
    pub async fn rows_of(&self, names: &[BizTag]) -> Result<Vec<TagRow>, StoreError> {
        let found = self.inspected().await?;
        let mut all = Vec::new();
        for some in names.chunks(NAMES) {
            let rows = self.rows(&found.statements.rows(some)).await?;
            all.extend(found.statements.tag_rows(&rows)?);
        }
        Ok(all)
    }

    /// The row after a change; why there was none, where no row matched.
    async fn after_change(&self, tag: &BizTag, changed: bool) -> Result<TagRow, StoreError> {
        let row = self.show(tag).await?;
        match changed {
            true => Ok(row),
            false if row.retired => Err(StoreError::UnknownTag),
            false => Err(StoreError::Changed),
        }
    }
}
