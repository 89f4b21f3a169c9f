//! The tables of other id servers, and counters of a database itself: read, never written, to make tags above everything
//! that they have handed out. MySQL and MariaDB alone.

use super::SqlStore;
use super::database::Catalogue as _;
use super::dialect::Sql;
use super::row::{Fetched, texts};
use crate::config::DatabaseKind;
use crate::storage::{StoreError, Unusable};
use std::collections::BTreeMap;

/// What another system counts, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// What it is called there.
    pub name: String,
    /// No id from here on was handed out when it was read.
    pub next: i64,
    /// How many ids are claimed there at once; `None` where it says nothing of the kind.
    pub step: Option<i64>,
    /// Free text.
    pub description: String,
    /// What was found, for people.
    pub found: String,
    /// The largest id that its column holds, where it says so.
    pub largest: i64,
}

/// A token of tinyid: what it is good for, and itself. Not to be shown.
pub struct OldToken {
    /// The number of its first row.
    pub id: String,
    /// What it is good for.
    pub biz_types: Vec<String>,
    /// What its callers send.
    pub token: String,
}

/// Why a row cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What it is called there.
    pub name: String,
    /// What is wrong with it, in words that name it.
    pub reason: String,
}

/// What was read.
pub type Counters = Vec<Result<Counter, Unreadable>>;

impl SqlStore {
    /// The rows of Leaf's table, which is `database.table` here.
    pub async fn leaf_counters(&self) -> Result<Counters, StoreError> {
        let columns = ["biz_tag", "max_id", "step", "description"];
        let rows = self.other_rows(&columns, "biz_tag").await?;
        let counter = |row: Vec<String>| {
            let [name, max_id, step, description] = cells(row)?;
            let next = number(&name, "max_id", &max_id)?;
            Ok(Counter {
                next,
                step: Some(number(&name, "step", &step)?),
                description,
                found: format!("max_id {next}"),
                largest: i64::MAX,
                name,
            })
        };
        Ok(rows.into_iter().map(named(counter)).collect())
    }

    /// The rows of tinyid's table, which is `database.table` here.
    pub async fn tinyid_counters(&self) -> Result<Counters, StoreError> {
        let columns = ["biz_type", "max_id", "step", "delta", "remainder"];
        let rows = self.other_rows(&columns, "biz_type").await?;
        let counter = |row: Vec<String>| {
            let [name, max_id, step, delta, remainder] = cells(row)?;
            let last = number(&name, "max_id", &max_id)?;
            // The end of its segments is handed out too.
            let next = last.checked_add(1);
            Ok(Counter {
                next: next.ok_or_else(|| format!("{name}: no id is left above max_id {last}"))?,
                step: Some(number(&name, "step", &step)?),
                description: String::new(),
                found: format!("max_id {last}, delta {delta}, remainder {remainder}"),
                largest: i64::MAX,
                name,
            })
        };
        Ok(rows.into_iter().map(named(counter)).collect())
    }

    /// The tokens of tinyid, out of `database.table`.
    pub async fn tinyid_tokens(&self) -> Result<Vec<OldToken>, StoreError> {
        let rows = self.other_rows(&["id", "token", "biz_type"], "id").await?;
        let mut tokens: BTreeMap<String, OldToken> = BTreeMap::new();
        for row in rows {
            let Ok([id, token, biz_type]) = cells(row) else {
                continue;
            };
            let known = tokens.entry(token).or_insert_with_key(|token| OldToken {
                id,
                biz_types: Vec::new(),
                token: token.clone(),
            });
            if !known.biz_types.contains(&biz_type) {
                known.biz_types.push(biz_type);
            }
        }
        Ok(tokens.into_values().collect())
    }

    /// The AUTO_INCREMENT of `database.table`, which is a table of an application here.
    pub async fn auto_increment(&self) -> Result<Result<Counter, Unreadable>, StoreError> {
        self.only_mysql()?;
        self.pool.reach_table().await?;
        let table = &self.settings.table;
        let unreadable = |counter: Result<Counter, String>| {
            counter.map_err(|reason| Unreadable {
                name: table.clone(),
                reason,
            })
        };
        let column = Sql::new(
            "SELECT CONVERT(COLUMN_NAME USING utf8mb4), CONVERT(COLUMN_TYPE USING utf8mb4) \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
             AND EXTRA LIKE '%auto_increment%' AND TABLE_NAME = ",
        );
        let found = self.pool.texts(column.bind(table.as_str())).await?;
        let Some(Ok([column, kind])) = found.into_iter().next().map(cells) else {
            return Ok(unreadable(Err(format!(
                "{table} has no AUTO_INCREMENT column"
            ))));
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        if !column.chars().all(is_plain) {
            let reason =
                format!("{table}: the column {column:?} has characters that cannot be asked for");
            return Ok(unreadable(Err(reason)));
        }
        let mut lease = self.pool.acquire().await?;
        // MySQL 8 keeps what the catalogue says of it for a day.
        let cached = Sql::new("SHOW VARIABLES LIKE 'information_schema_stats_expiry'");
        if !lease.rows(&cached).await?.is_empty() {
            let fresh = Sql::new("SET SESSION information_schema_stats_expiry = 0");
            lease.execute(&fresh).await?;
        }
        let counter = Sql::new(
            "SELECT CONVERT(COALESCE(AUTO_INCREMENT, 1) USING utf8mb4) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ",
        );
        let counter = lease.rows(&counter.bind(table.as_str())).await?;
        let words = self.pool.dialect();
        let largest = Sql::new(format!(
            "SELECT CONVERT(COALESCE(MAX({}), 0) USING utf8mb4) FROM {}",
            words.quoted(&column),
            words.quoted(table)
        ));
        let largest = lease.rows(&largest).await?;
        let text = |rows: &[Fetched<'_>]| {
            let row = rows.first().map(|row| texts(&row.row)).transpose()?;
            Ok::<_, StoreError>(row.unwrap_or_default().concat())
        };
        let (counter, largest) = (text(&counter)?, text(&largest)?);
        Ok(unreadable(counted(
            table, &column, &kind, &counter, &largest,
        )))
    }

    /// Columns of all rows, as texts.
    async fn other_rows(
        &self,
        columns: &[&str],
        order: &str,
    ) -> Result<Vec<Vec<String>>, StoreError> {
        self.only_mysql()?;
        let words = self.pool.dialect();
        let column = |name: &&str| format!("CONVERT({} USING utf8mb4)", words.quoted(name));
        let list: Vec<String> = columns.iter().map(column).collect();
        let (list, table) = (list.join(", "), words.quoted(&self.settings.table));
        let order = words.quoted(order);
        let asked = Sql::new(format!("SELECT {list} FROM {table} ORDER BY {order}"));
        Ok(self.pool.texts(asked).await?)
    }

    fn only_mysql(&self) -> Result<(), StoreError> {
        match self.settings.url.kind() {
            DatabaseKind::MySql => Ok(()),
            DatabaseKind::Sqlite { .. } => Err(Unusable::WrongDatabase(
                "tables of other systems are read from MySQL and MariaDB: name theirs with --source mysql://…"
                    .to_owned(),
            )
            .into()),
        }
    }
}

/// The same for a row whose first column is its name, which an error is told with.
fn named(
    counter: impl Fn(Vec<String>) -> Result<Counter, String>,
) -> impl Fn(Vec<String>) -> Result<Counter, Unreadable> {
    move |row| {
        let name = row.first().cloned().unwrap_or_default();
        counter(row).map_err(|reason| Unreadable { name, reason })
    }
}

fn cells<const N: usize>(row: Vec<String>) -> Result<[String; N], String> {
    let cells = row.try_into();
    cells.map_err(|row: Vec<String>| format!("a row of {} columns", row.len()))
}

fn number(name: &str, column: &str, text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| format!("{name}: {column} is {text:?}, which is no number of ids"))
}

/// From what the catalogue says of a table and its largest id.
fn counted(
    table: &str,
    column: &str,
    kind: &str,
    counter: &str,
    largest: &str,
) -> Result<Counter, String> {
    // Rows below zero are not counted on from.
    let largest_id: i64 = match largest.strip_prefix('-') {
        Some(_) => 0,
        None => number(table, column, largest)?,
    };
    let counter: i64 = number(table, "AUTO_INCREMENT", counter)?;
    let above = largest_id.checked_add(1);
    let above = above.ok_or_else(|| format!("{table}: no id is left above {largest_id}"))?;
    Ok(Counter {
        name: table.to_owned(),
        next: counter.max(above),
        step: None,
        description: String::new(),
        found: format!("AUTO_INCREMENT {counter}, largest {column} {largest_id}"),
        largest: capacity(kind),
    })
}

/// The largest number of an integer type.
fn capacity(kind: &str) -> i64 {
    let kind = kind.to_ascii_lowercase();
    let bits: u32 = match kind.split(['(', ' ']).next().unwrap_or_default() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" => 32,
        _ => return i64::MAX,
    };
    let bits = if kind.contains("unsigned") {
        bits
    } else {
        bits - 1
    };
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_id_is_above_both_the_counter_and_the_largest_row() {
        let next = |counter, largest| {
            counted("t", "id", "int(11)", counter, largest)
                .unwrap()
                .next
        };
        assert_eq!(next("1", "0"), 1);
        assert_eq!(next("8", "3"), 8, "the newest rows were deleted");
        assert_eq!(next("8", "20"), 21, "the catalogue is behind");
        assert_eq!(next("8", "-5"), 8);
        assert!(counted("t", "id", "bigint unsigned", "18446744073709551615", "1").is_err());
        assert!(counted("t", "id", "bigint", "1", "9223372036854775807").is_err());
    }

    #[test]
    fn the_column_says_where_its_ids_end() {
        for (kind, largest) in [
            ("int(11)", i64::from(i32::MAX)),
            ("INT UNSIGNED", i64::from(u32::MAX)),
            ("smallint", i64::from(i16::MAX)),
            ("mediumint", (1 << 23) - 1),
            ("bigint(20)", i64::MAX),
            ("bigint unsigned", i64::MAX),
        ] {
            assert_eq!(capacity(kind), largest, "{kind}");
        }
    }
}
