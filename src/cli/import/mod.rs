//! `tag import`: the tags of a file (`file.rs`) or of another system (`others.rs`, `redis.rs`), checked whole before the first is made, and made in batches.
//!
//! It can be repeated: tags that are there as the file says are left alone. What is there otherwise is
//! reported and left as it is, since raising a step and lowering an end are not the same decision.

mod file;
mod others;
mod redis;
mod taken;

use super::{
    Exit,
    arguments::Import,
    output::{Output, counted, note},
};
use crate::config::Config;
use crate::domain::BizTag;
use crate::storage::{NewTag, StoreError, TagAdministration as _, TagRow, sql::SqlStore};
pub(super) use file::COLUMNS;
use file::{Line, Lines};
use serde::Serialize;
use std::{
    collections::HashMap,
    io::{IsTerminal as _, Write as _},
};
use taken::Taken;

/// Tags made by one statement.
const BATCH: usize = 500;

/// What became of the file's tags.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Whether nothing was to be written.
    dry_run: bool,
    /// Made, or to be made.
    created: usize,
    /// There already, as the file says.
    identical: usize,
    /// There, but not as the file says, and left as they are.
    different: Vec<Different>,
    /// Those that are taken over from another system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Taken>,
}

/// A tag that is not as the file says.
#[derive(Debug, Serialize)]
struct Different {
    line: u64,
    biz_tag: String,
    reason: String,
}

pub(super) async fn run(
    config: &Config,
    store: &SqlStore,
    call: &Import,
    output: Output,
) -> Result<(), Exit> {
    let (name, lines) = match (&call.file, call.from) {
        (_, Some(from)) => others::read(config, from, call).await?,
        (Some(file), None) => (file::name(file), file::read(file)?),
        (None, None) => return Err(Exit::usage("name a file, or --from what to import")),
    };
    let lines = checked(store, &name, lines).await?;
    let mut summary = Summary {
        dry_run: call.dry_run,
        ..Summary::default()
    };
    let missing = missing(store, lines, &mut summary).await?;
    let made = missing.iter().filter_map(|line| Taken::of(line, None));
    summary.tags.extend(made);
    summary.tags.sort_by(|a, b| a.biz_tag.cmp(&b.biz_tag));
    if call.dry_run {
        summary.created = missing.len();
    } else {
        create(store, &missing, &mut summary).await?;
    }
    if summary.created > 0 && !call.dry_run {
        note(&format!("written to {}", store.place()));
    }
    summary.different.sort_by_key(|different| different.line);
    for Different { line, reason, .. } in &summary.different {
        note(&format!("{name}:{line}: {reason}"));
    }
    output.say(&summary, || {
        let mut text = String::new();
        for taken in &summary.tags {
            text += &format!("{taken}\n");
        }
        text + &format!(
            "{} {}, already there {}, different {}",
            if call.dry_run {
                "to be created"
            } else {
                "created"
            },
            summary.created,
            summary.identical,
            summary.different.len()
        )
    })?;
    match summary.different.len() {
        0 => Ok(()),
        1 => Err(Exit::usage(format!(
            "{name}: 1 tag differs from the file and was left as it is"
        ))),
        number => Err(Exit::usage(format!(
            "{name}: {number} tags differ from the file and were left as they are"
        ))),
    }
}

/// The lines, where none is wrong; else each that is goes to standard error.
async fn checked(store: &SqlStore, name: &str, lines: Lines) -> Result<Vec<Line>, Exit> {
    let (lines, mut wrong) = (lines.good, lines.wrong);
    let new: Vec<NewTag> = lines.iter().map(|line| line.new.clone()).collect();
    for (line, refusal) in lines.iter().zip(store.vet_all(&new).await?) {
        if let Some(refusal) = refusal {
            let reason = match &line.source {
                // There is no line to look at.
                Some(_) => format!("{}: {refusal}", line.new.tag),
                None => refusal.to_string(),
            };
            wrong.push((line.number, reason));
        }
    }
    if wrong.is_empty() {
        return Ok(lines);
    }
    wrong.sort();
    for (number, reason) in &wrong {
        note(&format!("{name}:{number}: {reason}"));
    }
    let number = wrong.len();
    let plural = if number == 1 { "line is" } else { "lines are" };
    Err(Exit::usage(format!(
        "{name}: {number} {plural} wrong; nothing was written"
    )))
}

/// Those that are not there yet; the others are counted.
async fn missing(
    store: &SqlStore,
    lines: Vec<Line>,
    summary: &mut Summary,
) -> Result<Vec<Line>, Exit> {
    let names: Vec<BizTag> = lines.iter().map(|line| line.new.tag.clone()).collect();
    let rows = store.rows_of(&names).await?;
    let rows: HashMap<&str, &TagRow> = rows.iter().map(|row| (row.biz_tag.as_str(), row)).collect();
    let mut missing = Vec::new();
    for line in lines {
        match rows.get(line.new.tag.as_str()) {
            None => missing.push(line),
            Some(TagRow {
                fault: Some(fault), ..
            }) => summary.different.push(line.different(fault.clone())),
            // Made again above its old end, or refused with what that is.
            Some(row) if row.retired => missing.push(line),
            Some(_) if line.deleted => {
                let reason = format!("biz_tag {} is not deleted here", line.new.tag);
                summary.different.push(line.different(reason));
            }
            Some(row) => match difference(&line, row) {
                None => {
                    summary.identical += 1;
                    summary.tags.extend(Taken::of(&line, Some(row)));
                }
                Some(reason) => summary.different.push(line.different(reason)),
            },
        }
    }
    if summary.dry_run {
        // A deleted tag whose end lies above the start would be refused.
        missing.retain(|line| match rows.get(line.new.tag.as_str()) {
            Some(row) if line.new.start < row.end() => {
                let reason = format!(
                    "biz_tag {} was deleted after ids below {} had been claimed: create it again with \
                     start {1} or more",
                    row.biz_tag,
                    row.end()
                );
                summary.different.push(line.different(reason));
                false
            }
            _ => true,
        });
    }
    Ok(missing)
}

/// In what a row is not as the file says. A row that was claimed from is further than its start.
fn difference(line: &Line, row: &TagRow) -> Option<String> {
    let new = &line.new;
    let name = &new.tag;
    if let Some(source) = &line.source {
        return taken::met(source, row);
    }
    if row.step != new.step {
        let (is, wanted) = (row.step, new.step);
        Some(format!(
            "biz_tag {name} exists with step {is}, not {wanted}"
        ))
    } else if row.description != new.description {
        Some(format!("biz_tag {name} exists with another description"))
    } else if new.id_limit.is_some() && row.id_limit != new.id_limit {
        Some(format!("biz_tag {name} exists with another limit"))
    } else if row.max_id < new.start {
        let (is, start) = (row.max_id, new.start);
        Some(format!(
            "biz_tag {name} exists with max_id {is}, below the start {start}"
        ))
    } else {
        None
    }
}

/// Makes them, batch by batch. One batch that meets a tag which is already there is made tag by tag.
async fn create(store: &SqlStore, lines: &[Line], summary: &mut Summary) -> Result<(), Exit> {
    let mut done_so_far = 0;
    for batch in lines.chunks(BATCH) {
        let new: Vec<NewTag> = batch.iter().map(|line| line.new.clone()).collect();
        let done = match store.create_together(&new).await {
            Ok(()) => {
                summary.created += batch.len();
                delete(store, batch).await
            }
            Err(StoreError::Exists(_) | StoreError::Rejected(_)) => {
                one_by_one(store, batch, summary).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            progress("");
            note(&format!(
                "created before it failed: {}; repeat the import to go on",
                counted(summary.created, "tag")
            ));
            return Err(error.into());
        }
        done_so_far += batch.len();
        progress(&format!("{done_so_far} of {} tags", lines.len()));
    }
    progress("");
    Ok(())
}

/// Deletes those that were made now and are deleted where the file comes from.
async fn delete(store: &SqlStore, made: &[Line]) -> Result<(), StoreError> {
    for line in made.iter().filter(|line| line.deleted) {
        match store.retire(&line.new.tag, None).await {
            Ok(_) | Err(StoreError::UnknownTag) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn one_by_one(
    store: &SqlStore,
    batch: &[Line],
    summary: &mut Summary,
) -> Result<(), StoreError> {
    for line in batch {
        match store.create(&line.new).await {
            Ok(()) => {
                summary.created += 1;
                delete(store, std::slice::from_ref(line)).await?;
            }
            Err(StoreError::Exists(reason) | StoreError::Rejected(reason)) => {
                // Another may have made it meanwhile, just so.
                match store.show(&line.new.tag).await {
                    Ok(row) if !row.retired && difference(line, &row).is_none() => {
                        summary.identical += 1;
                    }
                    _ => summary.different.push(line.different(reason)),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes the place of what it said before, on a terminal; elsewhere nothing is said.
fn progress(how_far: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        // To the beginning of the line, and what stood there is gone.
        let _ = write!(stderr, "\r\x1b[K{how_far}");
        let _ = stderr.flush();
    }
}
