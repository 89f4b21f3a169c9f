//! Whether what administrators want of a tag can be, as far as that can be told before anything is written.

use super::SqlStore;
use super::inspection::Inspection;
use crate::storage::{NewTag, StoreError, TagRow, Unusable};

/// Rejects what does not hold, and says why.
pub(super) fn only_if(holds: bool, why: impl FnOnce() -> String) -> Result<(), StoreError> {
    match holds {
        true => Ok(()),
        false => Err(StoreError::Rejected(why())),
    }
}

/// Whether a text has room in its column. Outside strict mode MySQL would cut it off and say nothing.
pub(super) fn fits(found: &Inspection, column: &str, text: &str) -> Result<(), StoreError> {
    let characters = text.chars().count();
    let length = found.columns.get(column).and_then(|column| column.length);
    let length = length.unwrap_or(usize::MAX);
    only_if(characters <= length, || {
        format!("{column} has {characters} characters, the column holds {length}")
    })
}

impl SqlStore {
    /// Why each of these cannot be a row, as far as that can be told before writing; `None` where it can.
    /// What only writing shows: characters that the column cannot store, and names that its collation takes
    /// for one.
    pub async fn vet_all(&self, new: &[NewTag]) -> Result<Vec<Option<StoreError>>, StoreError> {
        let found = self.inspected().await?;
        Ok(new.iter().map(|new| self.vet(&found, new).err()).collect())
    }

    /// Whether it could be a row of this table.
    pub(super) fn vet(&self, found: &Inspection, new: &NewTag) -> Result<(), StoreError> {
        self.check_step(found, new.step)?;
        let most = self.limits.id_limit;
        only_if((0..=most).contains(&new.start), || {
            format!("start is {}, it must be 0 to {most}", new.start)
        })?;
        if let Some(limit) = new.id_limit {
            self.check_limit(found, limit)?;
            only_if(new.start.max(1) < limit, || {
                format!(
                    "the limit is {limit}, but no id below it is left from the start {} on",
                    new.start
                )
            })?;
        }
        fits(found, "biz_tag", new.tag.as_str())?;
        fits(found, "description", &new.description)
    }

    pub(super) fn check_step(&self, found: &Inspection, step: i64) -> Result<(), StoreError> {
        // Outside strict mode MySQL would store another one and say nothing.
        let largest = self.limits.max_step.min(found.largest_step);
        only_if((1..=largest).contains(&step), || {
            format!("step is {step}, but it must be from 1 to {largest}")
        })
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
        let (tag, end) = (&row.biz_tag, row.end());
        only_if(end <= limit, || {
            format!(
                "biz_tag {tag}: ids below {end} were claimed already, so its limit cannot be {limit}"
            )
        })
    }

    fn check_limit(&self, found: &Inspection, limit: i64) -> Result<(), StoreError> {
        self.has_limits(found)?;
        let most = self.limits.id_limit;
        only_if((1..=most).contains(&limit), || {
            format!("the limit is {limit}, but it must be from 1 to {most} (allocation.id_limit)")
        })
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
}
