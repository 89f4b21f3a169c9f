//! What was found out about server and table.

use super::columns::Columns;
use super::statements::Statements;

/// What claims need to know of server and table.
#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) statements: Statements,
    pub(super) columns: Columns,
    /// For people: `MariaDB 10.11.6`; empty where the endpoint says it.
    pub(super) product: String,
    pub(super) warnings: Vec<String>,
    /// Whether triggers run with each claim, which may change what it is answered with.
    pub(super) has_triggers: bool,
    /// The largest step that the column holds.
    pub(super) largest_step: i64,
}
