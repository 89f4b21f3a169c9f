//! `Taken`: a tag that is taken over from another system. Its description says where it begins, so that a later look can tell
//! whether the other system has come as far. The row's `max_id` cannot: it moves on.

use super::file::{Line, Source};
use crate::storage::TagRow;
use serde::Serialize;
use std::fmt;

const BEGINS: &str = "taken over at ";

/// A tag that is taken over, or was.
#[derive(Debug, Serialize)]
pub(super) struct Taken {
    pub(super) biz_tag: String,
    /// Its first id.
    start: i64,
    step: i64,
    /// What the other system says.
    found: String,
    /// How many ids the other system may still hand out.
    margin_left: i64,
    /// Whether it is there already.
    exists: bool,
}

impl Taken {
    /// Of a line, and its row where there is one.
    pub(super) fn of(line: &Line, row: Option<&TagRow>) -> Option<Self> {
        let (new, source) = (&line.new, line.source.as_ref()?);
        let (start, step) = match row {
            Some(row) => (began(&row.description)?, row.step),
            None => (new.start, new.step),
        };
        Some(Self {
            biz_tag: new.tag.to_string(),
            start,
            step,
            found: source.found.clone(),
            margin_left: start - source.next,
            exists: row.is_some(),
        })
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, start, step, found) = (&self.biz_tag, self.start, self.step, &self.found);
        match self.exists {
            false => write!(f, "{name}: the first id is {start}, step {step} ({found})"),
            true => {
                let left = self.margin_left;
                write!(
                    f,
                    "{name}: began at {start}, a margin of {left} is left ({found})"
                )
            }
        }
    }
}

/// The description of a tag that begins at `start`.
pub(super) fn description(other: &str, start: i64) -> String {
    match other {
        "" => format!("{BEGINS}{start}"),
        other => format!("{other} ({BEGINS}{start})"),
    }
}

/// Where a tag of this description begins.
fn began(description: &str) -> Option<i64> {
    let (_, start) = description.rsplit_once(BEGINS)?;
    start.trim_end_matches(')').parse().ok()
}

/// Whether the other system has come as far as the ids of a tag that is there.
pub(super) fn met(source: &Source, row: &TagRow) -> Option<String> {
    let (name, next, found) = (&row.biz_tag, source.next, &source.found);
    match began(&row.description) {
        Some(start) if next <= start => None,
        Some(start) => Some(format!(
            "biz_tag {name} began at {start}, and the other system has passed that ({found}): ids from {start} on may have been \
             handed out twice; stop one of the two, and see which ids below {next} are in use twice"
        )),
        None => Some(format!(
            "biz_tag {name} exists and its description does not say where it began (\"{BEGINS}…\"), so it cannot be told whether \
             its ids meet those of the other system ({found})"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_where_the_tag_began() {
        for other in ["", "of the shop", "taken over at 5 (taken over at 6)"] {
            assert_eq!(
                began(&description(other, 1_070_001)),
                Some(1_070_001),
                "{other}"
            );
        }
        for other in ["", "of the shop", "taken over at dawn"] {
            assert_eq!(began(other), None, "{other}");
        }
    }
}
