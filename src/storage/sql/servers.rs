//! The servers that share the table, as each writes itself down beside it every few seconds.
//!
//! Nothing that keeps ids unique rests on it: without the table, or a right to it, servers serve all the same.

use super::SqlStore;
use super::dialect::Sql;
use super::row::Fetched;
use crate::domain::allowance::SECOND;
use crate::storage::{Instance, Neighbour, ServerRecord, StoreError};

/// A server that wrote nothing for so long is forgotten.
const FORGOTTEN: i64 = 7 * 86_400 * SECOND;
/// One that wrote nothing for so long is no neighbour any more.
const GONE: i64 = 3600 * SECOND;
/// So many neighbours are read.
const NEIGHBOURS: u64 = 200;

impl SqlStore {
    /// Writes down that this server runs, and which request to drop its memory it has carried out last.
    pub async fn note_server(&self, me: &Instance, dropped: i64) -> Result<(), StoreError> {
        let (table, now) = (self.beside("servers"), self.pool.dialect().now);
        let mut on = self.pool.acquire().await?;
        let (id, name, version) = (&*me.id, &*me.name, &*me.version);
        let seen = format!("UPDATE {table} SET seen = {now}, dropped = ? WHERE id = ?");
        let seen = Sql::of(&seen, [dropped.into(), id.into()]);
        if on.execute(&seen).await? > 0 {
            return Ok(());
        }
        // The row of one that has gone is taken over, so that there are no more rows than servers at a time, and the
        // server's user needs no right to delete.
        let gone = Sql::new(format!(
            "SELECT id, seen FROM {table} WHERE seen < {now} - {FORGOTTEN} ORDER BY seen LIMIT 1"
        ));
        if let Some(row) = on.rows(&gone).await?.first() {
            let (gone, seen): (String, i64) = (row.value("id")?, row.value("seen")?);
            let take_over = Sql::of(
                &format!(
                    "UPDATE {table} SET name = ?, version = ?, started = {now}, seen = {now}, dropped = ?, id = ? \
                     WHERE id = ? AND seen = ?"
                ),
                [
                    name.into(),
                    version.into(),
                    dropped.into(),
                    id.into(),
                    gone.as_str().into(),
                    seen.into(),
                ],
            );
            if on.execute(&take_over).await? > 0 {
                return Ok(());
            }
        }
        let new = Sql::of(
            &format!(
                "INSERT INTO {table} (id, name, version, started, seen, dropped) VALUES (?, ?, ?, {now}, {now}, ?)"
            ),
            [id.into(), name.into(), version.into(), dropped.into()],
        );
        on.execute(&new).await?;
        Ok(())
    }

    /// Writes down where others reach the admin API of this server, which is written down already.
    ///
    /// # Errors
    /// As for any statement; one that fails where the column is not there yet (`migrate up`).
    pub async fn note_address(&self, me: &Instance, address: &str) -> Result<(), StoreError> {
        let note = format!(
            "UPDATE {} SET address = ? WHERE id = ?",
            self.beside("servers")
        );
        let note = Sql::of(&note, [address.into(), me.id.as_str().into()]);
        self.pool.execute(&note).await?;
        Ok(())
    }

    /// The servers that wrote themselves down lately, those seen last first.
    pub(super) async fn seen_lately(&self) -> Result<Vec<Neighbour>, StoreError> {
        let (table, now) = (self.beside("servers"), self.pool.dialect().now);
        let asked = Sql::new(format!(
            "SELECT id, name, version, address, {now} - seen AS age FROM {table} WHERE seen > {now} - {GONE} \
             ORDER BY seen DESC LIMIT {NEIGHBOURS}"
        ));
        let neighbour = |row: &Fetched<'_>| {
            Ok(Neighbour {
                instance: row.instance("id")?,
                address: row.value("address")?,
                age: row.age()?,
            })
        };
        let rows = self.pool.rows(&asked).await?;
        rows.iter().map(neighbour).collect()
    }

    /// Takes out a server that ends.
    pub async fn forget_server(&self, me: &Instance) -> Result<(), StoreError> {
        let gone = format!(
            "UPDATE {} SET seen = 0 WHERE id = ?",
            self.beside("servers")
        );
        let gone = Sql::of(&gone, [me.id.as_str().into()]);
        self.pool.execute(&gone).await?;
        Ok(())
    }

    /// The servers that are written down, those seen last first.
    pub async fn servers(&self) -> Result<Vec<ServerRecord>, StoreError> {
        let (table, now) = (self.beside("servers"), self.pool.dialect().now);
        let asked = Sql::new(format!(
            "SELECT id, name, version, {now} - seen AS age, dropped FROM {table} WHERE seen > 0 \
             ORDER BY seen DESC LIMIT 1000"
        ));
        let server = |row: &Fetched<'_>| {
            Ok(ServerRecord {
                instance: row.instance("id")?,
                age: row.age()?,
                dropped: row.value("dropped")?,
            })
        };
        let rows = self.pool.rows(&asked).await?;
        rows.iter().map(server).collect()
    }
}
