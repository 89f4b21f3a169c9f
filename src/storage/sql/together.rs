//! Making many tags at once: looked at before anything is written, then in one statement.

use super::SqlStore;
use super::inspection::Inspection;
use crate::storage::{NewTag, StoreError};

impl SqlStore {
    /// Why each of these cannot be a row, as far as that can be told before writing; `None` where it can.
    /// What only writing shows: characters that the column cannot store, and names that its collation takes
    /// for one.
    ///
    /// # Errors
    /// Where the table cannot be looked at.
    pub async fn vet_all(&self, new: &[NewTag]) -> Result<Vec<Option<StoreError>>, StoreError> {
        let found = self.inspected().await?;
        Ok(new.iter().map(|new| self.vet(&found, new).err()).collect())
    }

    /// Makes all of these rows in one statement, or none.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the name of one is there already, deleted or not: then
    /// [`create`](crate::storage::TagAdministration::create) tells which. [`StoreError::Rejected`] likewise.
    pub async fn create_together(&self, new: &[NewTag]) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        let found = self.inspected().await?;
        for new in new {
            self.vet(&found, new)?;
        }
        let lineage = self.lineage_now(&found.statements).await;
        let lineage = lineage.map_err(|error| self.noted(error))?;
        let id_limit = self.limits.id_limit;
        let statement = found.statements.insert(new, id_limit, lineage);
        match self.pool.execute(&statement).await {
            Ok(_) => Ok(()),
            Err(error) if error.duplicate => Err(StoreError::Exists(
                "one of these tags exists already".to_owned(),
            )),
            Err(error) if error.store == StoreError::UnknownTag => Err(StoreError::Rejected(
                "one of these tags or descriptions holds characters the column cannot store"
                    .to_owned(),
            )),
            Err(error) => Err(self.noted(error)),
        }
    }

    /// Whether it could be a row of this table.
    pub(super) fn vet(&self, found: &Inspection, new: &NewTag) -> Result<(), StoreError> {
        self.check_step(found, new.step)?;
        if !(0..=self.limits.id_limit).contains(&new.start) {
            return Err(StoreError::Rejected(format!(
                "start is {}, it must be 0 to {}",
                new.start, self.limits.id_limit
            )));
        }
        self.vet_limit(found, new)?;
        // Outside strict mode MySQL would cut the text off and say nothing.
        fits("biz_tag", new.tag.as_str(), found.lengths.0)?;
        fits("description", &new.description, found.lengths.1)
    }
}

/// Whether a text has room in its column.
pub(super) fn fits(column: &str, text: &str, length: Option<usize>) -> Result<(), StoreError> {
    let characters = text.chars().count();
    match length {
        Some(length) if characters > length => Err(StoreError::Rejected(format!(
            "{column} has {characters} characters, the column holds {length}"
        ))),
        _ => Ok(()),
    }
}
