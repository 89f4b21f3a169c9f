//! Requests to all servers to throw away what they have in memory of a tag: rows beside the table, which each server
//! reads with every heartbeat. It writes down with itself which one it has carried out (`servers.rs`).

use super::SqlStore;
use super::dialect::Sql;
use super::row::Fetched;
use crate::domain::BizTag;
use crate::domain::allowance::SECOND;
use crate::storage::{DropRequest, StoreError};

/// Requests are kept for so long.
const KEPT: i64 = 86_400 * SECOND;
/// Read at once.
const PAGE: i64 = 1000;

impl SqlStore {
    /// Asks every server to throw away what it has of the tag, and returns the number of the request.
    pub async fn ask_to_drop(&self, tag: &BizTag) -> Result<i64, StoreError> {
        let (table, now) = (self.beside("drops"), self.pool.dialect().now);
        let tag = || tag.as_str().into();
        let mut on = self.pool.acquire().await?;
        let ask = format!("INSERT INTO {table} (biz_tag, asked) VALUES (?, {now})");
        on.execute(&Sql::of(&ask, [tag()])).await?;
        // The newest stays, so that numbers only rise.
        let old = Sql::new(format!("DELETE FROM {table} WHERE asked < {now} - {KEPT}"));
        if let Err(error) = on.execute(&old).await {
            // The server's user may have no right to delete; there are few of them.
            tracing::debug!(error = %error.store, "old requests to drop ids stay");
        }
        let newest = format!("SELECT MAX(id) AS id FROM {table} WHERE biz_tag = ?");
        let rows = on.rows(&Sql::of(&newest, [tag()])).await?;
        let row = rows.first().ok_or(StoreError::Changed)?;
        Ok(row.value("id")?)
    }

    /// The requests after number `after`, oldest first.
    pub async fn drops(&self, after: i64) -> Result<Vec<DropRequest>, StoreError> {
        let (table, now) = (self.beside("drops"), self.pool.dialect().now);
        let asked = format!(
            "SELECT id, biz_tag, {now} - asked AS age FROM {table} WHERE id > ? ORDER BY id LIMIT {PAGE}"
        );
        let request = |row: &Fetched<'_>| {
            Ok(DropRequest {
                number: row.value("id")?,
                tag: BizTag::parse(&row.value::<String>("biz_tag")?).ok(),
                age: row.age()?,
            })
        };
        let rows = self.pool.rows(&Sql::of(&asked, [after.into()])).await?;
        rows.iter().map(request).collect()
    }
}
