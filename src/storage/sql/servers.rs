//! The servers that share the table, as each writes itself down beside it every few seconds.
//!
//! Nothing that keeps ids unique rests on it: without the table, or a right to it, servers serve all the same.

use super::SqlStore;
use super::dialect::Sql;
use super::row::value;
use crate::domain::allowance::SECOND;
use crate::storage::{Instance, Neighbour, ServerRecord, StoreError};
use std::time::Duration;

/// A server that wrote nothing for so long is forgotten.
const FORGOTTEN: i64 = 7 * 86_400 * SECOND;
/// One that wrote nothing for so long is no neighbour any more.
const GONE: i64 = 3600 * SECOND;
/// So many neighbours are read.
const NEIGHBOURS: u64 = 200;

impl SqlStore {
    /// A table beside the one of segments, quoted.
    pub(super) fn beside(&self, name: &str) -> String {
        let table = &self.settings.table;
        self.pool.dialect().quoted(&format!("{table}_{name}"))
    }

    /// Writes down that this server runs, and which request to drop its memory it has carried out last.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::Unusable`] where the table is not there or may not be written to.
    pub async fn note_server(&self, me: &Instance, dropped: i64) -> Result<(), StoreError> {
        let (table, now) = (self.beside("servers"), self.pool.dialect().now());
        let mut on = self.pool.acquire().await?;
        let sql = Sql::new(format!("UPDATE {table} SET seen = {now}, dropped = "));
        let sql = sql.bind(dropped).text(" WHERE id = ").bind(&*me.id);
        if on.execute(&sql).await? > 0 {
            return Ok(());
        }
        // The row of one that has gone is taken over, so that there are no more rows than servers at a time, and the
        // server's user needs no right to delete.
        let gone = Sql::new(format!(
            "SELECT id, seen FROM {table} WHERE seen < {now} - {FORGOTTEN} ORDER BY seen LIMIT 1"
        ));
        let rows = on.rows(&gone).await?;
        if let Some(row) = rows.first() {
            let id: String = value(row, "id", &self.pool.place)?;
            let seen: i64 = value(row, "seen", &self.pool.place)?;
            let sql = Sql::new(format!("UPDATE {table} SET name = ")).bind(&*me.name);
            let sql = sql.text(", version = ").bind(&*me.version);
            let sql = sql.text(&format!(", started = {now}, seen = {now}, dropped = "));
            let sql = sql.bind(dropped).text(", id = ").bind(&*me.id);
            let sql = sql.text(" WHERE id = ").bind(&*id);
            let sql = sql.text(" AND seen = ").bind(seen);
            if on.execute(&sql).await? > 0 {
                return Ok(());
            }
        }
        let sql = Sql::new(format!(
            "INSERT INTO {table} (id, name, version, started, seen, dropped) VALUES ("
        ));
        let sql = sql.bind(&*me.id).text(", ").bind(&*me.name).text(", ");
        let sql = sql.bind(&*me.version).text(&format!(", {now}, {now}, "));
        on.execute(&sql.bind(dropped).text(")")).await?;
        Ok(())
    }

    /// Writes down where others reach the admin API of this server, which is written down already.
    ///
    /// # Errors
    /// As for any statement; one that fails where the column is not there yet (`migrate up`).
    pub async fn note_address(&self, me: &Instance, address: &str) -> Result<(), StoreError> {
        let table = self.beside("servers");
        let sql = Sql::new(format!("UPDATE {table} SET address = ")).bind(address);
        self.pool
            .execute(&sql.text(" WHERE id = ").bind(&*me.id))
            .await?;
        Ok(())
    }

    /// The servers that wrote themselves down lately, those seen last first.
    pub(super) async fn seen_lately(&self) -> Result<Vec<Neighbour>, StoreError> {
        let (table, now) = (self.beside("servers"), self.pool.dialect().now());
        let place = &self.pool.place;
        let asked = Sql::new(format!(
            "SELECT id, name, version, address, {now} - seen AS age FROM {table} WHERE seen > {now} - {GONE} \
             ORDER BY seen DESC LIMIT {NEIGHBOURS}"
        ));
        let rows = self.pool.rows(&asked).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let age: i64 = value(row, "age", place)?;
            found.push(Neighbour {
                instance: Instance {
                    id: value(row, "id", place)?,
                    name: value(row, "name", place)?,
                    version: value(row, "version", place)?,
                },
                address: value(row, "address", place)?,
                age: Duration::from_micros(age.max(0).unsigned_abs()),
            });
        }
        Ok(found)
    }

    /// Takes out a server that ends.
    ///
    /// # Errors
    /// As for any statement.
    pub async fn forget_server(&self, me: &Instance) -> Result<(), StoreError> {
        let table = self.beside("servers");
        let sql = Sql::new(format!("UPDATE {table} SET seen = 0 WHERE id = ")).bind(&*me.id);
        self.pool.execute(&sql).await?;
        Ok(())
    }

    /// The servers that are written down, those seen last first.
    ///
    /// # Errors
    /// As for any statement; [`StoreError::Unusable`] where the table is not there or may not be read.
    pub async fn servers(&self) -> Result<Vec<ServerRecord>, StoreError> {
        let (table, now) = (self.beside("servers"), self.pool.dialect().now());
        let place = &self.pool.place;
        let asked = Sql::new(format!(
            "SELECT id, name, version, {now} - seen AS age, dropped FROM {table} WHERE seen > 0 \
             ORDER BY seen DESC LIMIT 1000"
        ));
        let rows = self.pool.rows(&asked).await?;
        let mut servers = Vec::with_capacity(rows.len());
        for row in &rows {
            let age: i64 = value(row, "age", place)?;
            servers.push(ServerRecord {
                instance: Instance {
                    id: value(row, "id", place)?,
                    name: value(row, "name", place)?,
                    version: value(row, "version", place)?,
                },
                age: Duration::from_micros(age.max(0).unsigned_abs()),
                dropped: value(row, "dropped", place)?,
            });
        }
        Ok(servers)
    }
}
