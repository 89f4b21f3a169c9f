//! The columns of the table as it is.

use super::dialect::Dialect;
use crate::storage::{StoreError, Unusable};
use std::collections::HashMap;

/// A column: its type in lower case, and its length in characters.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) kind: String,
    pub(super) length: Option<usize>,
}

/// The columns of the table by name, in lower case.
pub(super) type Columns = HashMap<String, Column>;

/// Whether it is a segments table at all.
pub(super) fn has_columns(
    table: &str,
    columns: &Columns,
    dialect: &Dialect,
) -> Result<(), StoreError> {
    for name in ["biz_tag", "max_id", "step", "description", "update_time"] {
        if !columns.contains_key(name) {
            // As a comment in go-id-alloc's source has it, whose code reads neither.
            if name == "description" && columns.contains_key("desc") {
                let quoted = |name| dialect.quoted(name);
                return Err(Unusable::TableMisconfigured(format!(
                        "table `{table}`: its description is called desc; run: ALTER TABLE {} RENAME COLUMN {} TO \
                         description;",
                        quoted(table),
                        quoted("desc")
                    ))
                    .into());
            }
            return Err(Unusable::TableMisconfigured(format!(
                    "table `{table}` lacks the column {name}: it is not a segments table; is database.table right?"
                ))
                .into());
        }
    }
    Ok(())
}

/// From a row of the catalogue: name, type, length.
pub(super) fn column(row: Vec<String>) -> Option<(String, Column)> {
    let mut row = row.into_iter();
    let name = row.next()?.to_ascii_lowercase();
    let kind = row.next()?.to_ascii_lowercase();
    // SQLite says the length in the type alone, and does not enforce it.
    let in_type = || {
        kind.strip_prefix("varchar(")?
            .strip_suffix(')')?
            .parse()
            .ok()
    };
    let length = row
        .next()
        .and_then(|length| length.parse().ok())
        .or_else(in_type);
    Some((name, Column { kind, length }))
}
