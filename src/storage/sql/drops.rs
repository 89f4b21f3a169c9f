//! Requests to all servers to throw away what they have in memory of a tag: rows beside the table, which each server
//! reads with every heartbeat. It writes down with itself which one it has carried out (`servers.rs`).

use super::SqlStore;
use super::dialect::Sql;
use super::row::value;
use crate::domain::BizTag;
use crate::domain::allowance::SECOND;
use crate::storage::{DropRequest, StoreError};
use std::time::Duration;

/// Requests are kept for so long.
const KEPT: i64 = 86_400 * SECOND;
/// Read at once.
const PAGE: i64 = 1000;

impl SqlStore {
    /// Asks every server to throw away what it has of the tag, and returns the number of the request.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::Unusable`] where the table is not there or may not be written to.
    pub async fn ask_to_drop(&self, tag: &BizTag) -> Result<i64, StoreError> {
        let (table, now) = (self.beside("drops"), self.pool.dialect().now());
        let mut on = self.pool.acquire().await?;
        let sql = Sql::new(format!("INSERT INTO {table} (biz_tag, asked) VALUES ("));
        let sql = sql.bind(tag.as_str()).text(&format!(", {now})"));
        on.execute(&sql).await?;
        // The newest stays, so that numbers only rise.
        let old = Sql::new(format!("DELETE FROM {table} WHERE asked < {now} - {KEPT}"));
        if let Err(error) = on.execute(&old).await {
            // The server's user may have no right to delete; there are few of them.
            tracing::debug!(error = %error.store, "old requests to drop ids stay");
        }
        let newest = Sql::new(format!(
            "SELECT MAX(id) AS id FROM {table} WHERE biz_tag = "
        ));
        let rows = on.rows(&newest.bind(tag.as_str())).await?;
        let row = rows.first().ok_or(StoreError::Changed)?;
        Ok(value(row, "id", &self.pool.place)?)
    }

    /// The requests after number `after`, oldest first.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::Unusable`] where the table is not there or may not be read.
    pub async fn drops(&self, after: i64) -> Result<Vec<DropRequest>, StoreError> {
        let (table, now) = (self.beside("drops"), self.pool.dialect().now());
        let place = &self.pool.place;
        let sql = Sql::new(format!(
            "SELECT id, biz_tag, {now} - asked AS age FROM {table} WHERE id > "
        ));
        let sql = sql.bind(after).text(&format!(" ORDER BY id LIMIT {PAGE}"));
        let rows = self.pool.rows(&sql).await?;
        let mut drops = Vec::with_capacity(rows.len());
        for row in &rows {
            let (name, age): (String, i64) =
                (value(row, "biz_tag", place)?, value(row, "age", place)?);
            drops.push(DropRequest {
                number: value(row, "id", place)?,
                tag: BizTag::parse(&name).ok(),
                age: Duration::from_micros(age.max(0).unsigned_abs()),
            });
        }
        Ok(drops)
    }
}
