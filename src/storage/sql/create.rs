//! Making tags: one, or many at once in one statement.

use super::SqlStore;
use super::errors::SqlError;
use crate::storage::{NewTag, StoreError, TagAdministration as _, TagRow};

impl SqlStore {
    /// Makes all of these rows in one statement, or none.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the name of one is there already, deleted or not: then
    /// [`create`](crate::storage::TagAdministration::create) tells which. [`StoreError::Rejected`] likewise.
    pub async fn create_together(&self, new: &[NewTag]) -> Result<(), StoreError> {
        match self.insert(new).await {
            Err(error) if error.duplicate => Err(StoreError::Exists(
                "one of these tags exists already".to_owned(),
            )),
            Err(error) if error.store == StoreError::UnknownTag => Err(StoreError::Rejected(
                "one of these tags or descriptions holds characters the column cannot store"
                    .to_owned(),
            )),
            done => done.map_err(|error| self.noted(error)),
        }
    }

    /// Makes one, and says what is in the way.
    pub(super) async fn create_one(&self, new: &NewTag) -> Result<(), StoreError> {
        let tag = &new.tag;
        match self.insert(std::slice::from_ref(new)).await {
            Err(error) if error.duplicate => match self.show(tag).await {
                Ok(row) if row.retired => self.revive(new, &row).await,
                Ok(_) => Err(StoreError::Exists(format!("biz_tag {tag} exists already"))),
                Err(StoreError::UnknownTag) => Err(StoreError::Exists(format!(
                    "the column's collation treats biz_tag {tag} as equal to one that already exists"
                ))),
                Err(error) => Err(error),
            },
            Err(error) if error.store == StoreError::UnknownTag => {
                Err(StoreError::Rejected(format!(
                    "biz_tag {tag} or its description holds characters the column cannot store"
                )))
            }
            done => done.map_err(|error| self.noted(error)),
        }
    }

    async fn insert(&self, new: &[NewTag]) -> Result<(), SqlError> {
        if new.is_empty() {
            return Ok(());
        }
        let found = self.inspected().await?;
        for new in new {
            self.vet(&found, new)?;
        }
        let lineage = self.lineage_now(&found.statements).await?;
        let id_limit = self.limits.id_limit;
        let statement = found.statements.insert(new, id_limit, lineage);
        self.pool.execute(&statement).await.map(drop)
    }

    /// Takes up the row of a deleted tag, above everything that was ever claimed of it.
    async fn revive(&self, new: &NewTag, row: &TagRow) -> Result<(), StoreError> {
        let end = row.end();
        if new.start < end {
            return Err(StoreError::Exists(format!(
                "biz_tag {} was deleted after ids below {end} had been claimed: create it again with \
                 start {end} or more",
                new.tag
            )));
        }
        let found = self.inspected().await?;
        let statement = found.statements.revive(new, row.max_id);
        match self.execute(&statement).await? {
            0 => Err(StoreError::Changed),
            _ => Ok(()),
        }
    }
}
