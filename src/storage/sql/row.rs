//! `Fetched`: a row of an answer, and what stands in it.

use super::errors::{Place, SqlError, unexpected};
use crate::storage::{Instance, StoreError};
use sea_orm::{QueryResult, TryGetable};
use std::time::Duration;

/// A row, and what errors about it name.
pub(super) struct Fetched<'a> {
    pub(super) row: QueryResult,
    pub(super) place: &'a Place,
}

impl Fetched<'_> {
    /// The value of this column.
    pub(super) fn value<T: TryGetable>(&self, column: &str) -> Result<T, SqlError> {
        let value = self.row.try_get::<T>("", column);
        value.map_err(|error| unexpected(self.place, &error))
    }

    /// The value of a condition.
    pub(super) fn holds(&self, column: &str) -> Result<bool, SqlError> {
        Ok(self.value::<i64>(column)? != 0)
    }

    /// A number that the row of this tag has to have. A column may allow NULL; that is this row's fault, not the table's.
    pub(super) fn number_of(&self, tag: &str, column: &str) -> Result<i64, SqlError> {
        self.value::<Option<i64>>(column)?.ok_or_else(|| {
            StoreError::TagMisconfigured(format!(
                "biz_tag {tag}: {column} is NULL: set it (max_id above every id in use)"
            ))
            .into()
        })
    }

    /// Microseconds in the column `age`.
    pub(super) fn age(&self) -> Result<Duration, SqlError> {
        let age: i64 = self.value("age")?;
        Ok(Duration::from_micros(age.max(0).unsigned_abs()))
    }

    /// A server, whose id stands in this column.
    pub(super) fn instance(&self, id: &str) -> Result<Instance, SqlError> {
        Ok(Instance {
            id: self.value(id)?,
            name: self.value("name")?,
            version: self.value("version")?,
        })
    }
}

/// All columns as texts. Some servers call the texts of their catalogue binary.
pub(super) fn texts(row: &QueryResult) -> Result<Vec<String>, StoreError> {
    let columns = 0..row.column_names().len();
    let text = |index| match row.try_get_by_index::<Option<String>>(index) {
        Ok(text) => Ok(text.unwrap_or_default()),
        Err(_) => row
            .try_get_by_index::<Option<Vec<u8>>>(index)
            .map(|bytes| String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
            .map_err(|error| {
                StoreError::Transient(format!("the catalogue cannot be read: {error}"))
            }),
    };
    columns.map(text).collect()
}
