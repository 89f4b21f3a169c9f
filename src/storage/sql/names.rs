//! Which of many names have a row, in one statement.

use super::SqlStore;
use super::dialect::Sql;
use super::statements::Statements;
use crate::domain::BizTag;
use crate::storage::StoreError;
use std::collections::HashSet;

/// The statement has places for so many names, so that there are few statements to prepare.
const PLACES: [usize; 3] = [4, 32, 256];

impl SqlStore {
    pub(super) async fn existing_names(
        &self,
        names: &[BizTag],
    ) -> Result<HashSet<BizTag>, StoreError> {
        let mut existing = HashSet::new();
        for some in names.chunks(PLACES[PLACES.len() - 1]) {
            let found = self.inspected().await?;
            existing.extend(self.names(found.statements.existing(some)).await?);
        }
        Ok(existing)
    }
}

impl Statements {
    /// The names that have a row; where the collation takes others for equal, those too. It takes no lock, so
    /// nobody who holds a row holds it up.
    fn existing(&self, names: &[BizTag]) -> Sql {
        let places = PLACES.iter().find(|places| **places >= names.len());
        let places = places.copied().unwrap_or(names.len());
        let mut sql = Sql::new(format!(
            "SELECT biz_tag FROM {} WHERE biz_tag IN (",
            self.table
        ));
        for (place, name) in names.iter().cycle().take(places).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            sql = sql.text(comma).bind(name.as_str());
        }
        self.live(sql.text(")"))
    }
}
