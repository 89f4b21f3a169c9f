//! What the rows of the table say about it, all together.

use crate::storage::{Finding, GuardRow, TagRow, Weight};
use std::collections::BTreeMap;

/// So many rows of a kind are named.
const NAMED: usize = 5;

/// What the rows say, all together.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Rows by the server on which their newest claim was made, and whether that is the one which answers.
    identities: BTreeMap<(bool, String), u64>,
    backwards: Vec<String>,
    /// Something else than a claim of ours has raised these since.
    uncounted: Vec<String>,
    unusable: Vec<String>,
    /// Nothing was added to `max_id` since the newest claim of these.
    pub(super) at_their_end: u64,
}

impl Rows {
    pub(super) fn take_in(&mut self, row: &TagRow, max_step: i64) {
        if row.retired {
            return;
        }
        if !(1..=max_step).contains(&row.step) || row.max_id < 0 {
            self.unusable.push(row.biz_tag.clone());
        }
        let Some(GuardRow {
            claimed_to,
            claimed_on,
            here,
            ..
        }) = &row.guard
        else {
            return;
        };
        if row.max_id < *claimed_to {
            self.backwards.push(row.biz_tag.clone());
        }
        if *claimed_to > 0 && row.max_id > *claimed_to {
            self.uncounted.push(row.biz_tag.clone());
        }
        if *claimed_to > 0 && row.max_id <= *claimed_to {
            self.at_their_end += 1;
        }
        if !claimed_on.is_empty() {
            *self
                .identities
                .entry((*here, claimed_on.clone()))
                .or_default() += 1;
        }
    }

    pub(super) fn findings(&self, moved: bool, guarded: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        if !self.backwards.is_empty() {
            found.push(Finding::new(
                Weight::Unsure,
                format!(
                    "max_id lies below what was claimed: {}. Somebody lowered it, or wrote part of an older copy",
                    named(&self.backwards)
                ),
                "the next claim of each raises it past what is known; if more than max_id is older, restore all of \
                 the table instead",
            ));
        }
        if !self.uncounted.is_empty() {
            found.push(Finding::new(
                Weight::Note,
                format!(
                    "max_id lies above what was claimed: {}. An advance, SQL, or something beside id-alloc that claims \
                     without being counted",
                    named(&self.uncounted)
                ),
                "nothing, after an advance; if go-id-alloc still runs on this table, a failover may repeat what it \
                 claims: stop it",
            ));
        }
        if !self.unusable.is_empty() {
            found.push(Finding::new(
                Weight::Note,
                format!(
                    "step or max_id cannot be used, so these are refused: {}",
                    named(&self.unusable)
                ),
                "id-alloc tag set NAME --step N; id-alloc tag advance NAME --to ID",
            ));
        }
        let of: Vec<String> = self
            .identities
            .iter()
            .map(|((here, name), rows)| {
                let here = if *here { ", which answers now" } else { "" };
                let plural = if *rows == 1 { "" } else { "s" };
                format!("{name:?} ({rows} row{plural}{here})")
            })
            .collect();
        let elsewhere = self.identities.keys().any(|(here, _)| !here);
        // Of a sharded keyspace each shard answers for its own rows.
        if of.len() > 1 && elsewhere && !moved {
            found.push(Finding::new(
                Weight::Fault,
                format!(
                    "rows were claimed on {} database servers: {}. If more than one of them takes writes, ids are \
                     handed out twice",
                    of.len(),
                    of.join(", ")
                ),
                "make sure that one alone takes writes (read_only = ON on the others) and that every server's \
                 database.url leads to it; if the database was moved or failed over and the old one is gone, that is \
                 fine: each row's next claim moves it, and `id-alloc doctor --moved` accepts them until then",
            ));
        } else if elsewhere {
            let weight = if guarded { Weight::Note } else { Weight::Fault };
            found.push(Finding::new(
                weight,
                format!("rows were claimed on another database server: {}", of.join(", ")),
                "nothing, where that one takes no writes any more: each row's next claim moves it past what may be lost",
            ));
        }
        found
    }
}

/// Some names, and how many more there are.
fn named(tags: &[String]) -> String {
    let some = tags.iter().take(NAMED).map(String::as_str);
    let some = some.collect::<Vec<_>>().join(", ");
    match tags.len().saturating_sub(NAMED) {
        0 => some,
        more => format!("{some} and {more} more"),
    }
}
