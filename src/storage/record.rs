//! What servers write beside the table for those who look after them, and what an examination of the table finds.

use std::time::Duration;

/// A running server, as it writes itself down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Made at its start, so that no two servers have the same.
    pub id: String,
    /// For people: host and port.
    pub name: String,
    /// Of the program.
    pub version: String,
}

/// A server that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    /// Which.
    pub instance: Instance,
    /// How long ago it wrote last. One that ends takes itself out.
    pub age: Duration,
    /// The newest request to drop what is in memory that it has carried out.
    pub dropped: i64,
}

/// A server that shares the table, and where it can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Which.
    pub instance: Instance,
    /// The address of its admin API; empty where others cannot reach it.
    pub address: String,
    /// How long ago it wrote last.
    pub age: Duration,
}

/// A request to all servers to throw away what they have in memory of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropRequest {
    /// They rise.
    pub number: i64,
    /// Whose; `None` for a name that cannot be one.
    pub tag: Option<crate::domain::BizTag>,
    /// How long ago it was made.
    pub age: Duration,
}

/// A claim as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRecord {
    /// Its first id.
    pub first: i64,
    /// Behind its last id.
    pub end: i64,
    /// How long ago it was made.
    pub age: Duration,
    /// The server that made it.
    pub by: Instance,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know.
    Note,
    /// It cannot be told from here whether ids may come twice.
    Unsure,
    /// Ids may come twice, or the table cannot serve.
    Fault,
}

/// Something that was found about the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What is so, and what may come of it.
    pub what: String,
    /// What to do; empty where `what` says it.
    pub todo: String,
}

impl Finding {
    /// A finding of this weight.
    #[must_use]
    pub fn new(weight: Weight, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            weight,
            what: what.into(),
            todo: todo.into(),
        }
    }

    /// That the table is none.
    pub(super) fn view() -> Self {
        let what = "it is a view, through which it cannot be seen whether claims are kept";
        let todo = "give database.table the name of the table beneath it";
        Self::new(Weight::Fault, what, todo)
    }
}

/// A column of the callers' own that holds ids of a tag: none of them may be handed out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// The tag.
    pub tag: crate::domain::BizTag,
    /// The table's name, perhaps with that of its database in front.
    pub table: Vec<String>,
    /// The column's name.
    pub column: String,
}
