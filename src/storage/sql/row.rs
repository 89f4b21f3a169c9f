//! What stands in the rows of an answer.

use super::errors::{Place, SqlError, unexpected};
use crate::storage::StoreError;
use sea_orm::{QueryResult, TryGetable};

/// A value of a row, by the column's name.
pub(super) fn value<T: TryGetable>(
    row: &QueryResult,
    name: &str,
    place: &Place,
) -> Result<T, SqlError> {
    row.try_get::<T>("", name)
        .map_err(|error| unexpected(place, &error))
}

/// A text of a row by position; some servers call the texts of their catalogue binary.
pub(super) fn text_at(row: &QueryResult, index: usize) -> Result<String, StoreError> {
    if let Ok(text) = row.try_get_by_index::<Option<String>>(index) {
        return Ok(text.unwrap_or_default());
    }
    row.try_get_by_index::<Option<Vec<u8>>>(index)
        .map(|bytes| String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
        .map_err(|error| StoreError::Transient(format!("the catalogue cannot be read: {error}")))
}
