//! `tag …`: the rows of the table. What is printed as JSON are the bodies of the admin API.

use super::{
    Exit, advance,
    arguments::{List, Order, Tag},
    export, import,
    named::{failed, parse},
    output::{Long, Output, name_width, note, plain},
};
use crate::{
    config::Config,
    http::model::{self, BrokenTag},
    startup,
    storage::{
        Change, Listing, NewTag, SegmentStore as _, TagAdministration as _, TagRow, sql::SqlStore,
    },
};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Rows read at once where all are listed.
const PAGE: u64 = 1000;

pub(super) async fn run(config: &Config, command: Tag, output: Output) -> Result<(), Exit> {
    let store = startup::store(config)?;
    let writes = command.writes();
    let makes = match &command {
        Tag::Create { .. } => true,
        Tag::Import(import) => !import.dry_run,
        _ => false,
    };
    if makes {
        store.prepare_new_file().await?;
    }
    let result = carry_out(config, &store, command, output).await;
    store.close().await;
    if result.is_ok() && writes {
        note(&format!("written to {}", store.place()));
    }
    result
}

async fn carry_out(
    config: &Config,
    store: &SqlStore,
    command: Tag,
    output: Output,
) -> Result<(), Exit> {
    match command {
        Tag::Create {
            name,
            start,
            step,
            description,
            limit,
        } => {
            let new = NewTag {
                tag: parse(&name)?,
                start,
                step,
                description,
                id_limit: limit,
            };
            create(store, &new, output).await
        }
        Tag::List(list) => self::list(store, list, output).await,
        Tag::Show { name } => {
            let tag = parse(&name)?;
            match store.show(&tag).await {
                Ok(row) => shown(&row, output),
                Err(error) => Err(failed(store, &tag, error).await),
            }
        }
        Tag::Set {
            name,
            step,
            description,
            limit,
        } => {
            let change = Change {
                step,
                description,
                id_limit: limit,
                seen: None,
            };
            set(store, &name, &change, output).await
        }
        Tag::Delete { name, confirm } => delete(store, &name, &confirm, output).await,
        Tag::Advance(call) => advance::run(store, &call, config.allocation.id_limit, output).await,
        Tag::Export(call) => export::run(store, &call, output).await,
        Tag::Import(call) => import::run(config, store, &call, output).await,
    }
}

async fn create(store: &SqlStore, new: &NewTag, output: Output) -> Result<(), Exit> {
    store.create(new).await?;
    let row = store.show(&new.tag).await?;
    output.say(&model::Tag::from(&row), || {
        let (name, first) = (&new.tag, new.start.max(1));
        format!("created {name}: the first id is {first}, step {}", new.step)
    })
}

async fn set(store: &SqlStore, name: &str, change: &Change, output: Output) -> Result<(), Exit> {
    if change.step.is_none() && change.description.is_none() && change.id_limit.is_none() {
        return Err(Exit::usage(
            "give --step, --description, --limit, or several of them",
        ));
    }
    let tag = parse(name)?;
    match store.set(&tag, change).await {
        Ok(row) => shown(&row, output),
        Err(error) => Err(failed(store, &tag, error).await),
    }
}

async fn delete(store: &SqlStore, name: &str, confirm: &str, output: Output) -> Result<(), Exit> {
    if confirm != name {
        return Err(Exit::usage(format!(
            "--confirm must repeat the name of the tag to delete, {name}"
        )));
    }
    let tag = parse(name)?;
    let row = match store.retire(&tag, None).await {
        Ok(row) => row,
        Err(error) => return Err(failed(store, &tag, error).await),
    };
    output.say(&model::Tag::from(&row), || {
        format!(
            "deleted {name}: it can be created again with --start {} or more\n\
             running servers drop the ids of {name} in their memory within allocation.refresh",
            row.end()
        )
    })
}

/// A tag, line by line.
fn shown(row: &TagRow, output: Output) -> Result<(), Exit> {
    let tag = model::Tag::from(row);
    output.say(&tag, || {
        let mut text = format!(
            "biz_tag      {}\nmax_id       {}\nstep         {}\ndescription  {}\ndeleted      {}",
            plain(&tag.biz_tag),
            tag.max_id,
            tag.step,
            plain(&tag.description),
            if tag.retired { "yes" } else { "no" }
        );
        if let Some(limit) = tag.id_limit {
            let used = 100.0 * share(tag.max_id, limit);
            let _ = write!(text, "\nlimit        {limit}, of which {used:.1} % is used");
        }
        if let Some(guard) = &tag.guard {
            let (to, size) = (guard.claimed_to, guard.claimed_size);
            let _ = write!(text, "\nclaimed to   {to}");
            if size > 0 {
                let _ = write!(text, "; next claim up to {size} ids");
            }
            let _ = write!(text, "\nmoves        {}", guard.moves);
        }
        text
    })
}

/// The share of the ids below a limit that has been claimed.
#[allow(clippy::cast_precision_loss, reason = "a share")]
fn share(max_id: i64, limit: i64) -> f64 {
    max_id as f64 / limit.max(1) as f64
}

async fn list(store: &SqlStore, list: List, output: Output) -> Result<(), Exit> {
    let listing = Listing {
        prefix: list.prefix,
        after: list.after,
        descending: list.order == Order::Desc,
        limit: list.limit.unwrap_or(u64::MAX),
    };
    let mut pages = Pages::of(store, listing);
    let mut long = Long::new(output, r#"{"tags":["#.to_owned());
    let mut tail = pages.print(&mut long, table).await?;
    let next = pages.listing.after.filter(|_| pages.more);
    tail.insert("next".to_owned(), json!(next));
    long.end(&tail)?;
    if let Some(last) = next.filter(|_| !output.is_json()) {
        note(&format!(
            "there are more: continue with --after {}",
            plain(&last)
        ));
    }
    Ok(())
}

/// Lines of a table, with its head where they are the first.
fn table(tags: &[model::Tag], width: usize, head: bool) -> String {
    let mut lines = Vec::with_capacity(tags.len() + 1);
    if head {
        let [name, max_id, step] = ["biz_tag", "max_id", "step"];
        lines.push(format!(
            "{name:<width$}  {max_id:>19}  {step:>12}  description"
        ));
    }
    for tag in tags {
        let retired = if tag.retired { " (deleted)" } else { "" };
        lines.push(format!(
            "{:<width$}  {:>19}  {:>12}  {}{retired}",
            plain(&tag.biz_tag),
            tag.max_id,
            tag.step,
            plain(&tag.description)
        ));
    }
    lines.join("\n")
}

/// The rows that a listing names, read page by page.
pub(super) struct Pages<'a> {
    store: &'a SqlStore,
    listing: Listing,
    /// How many are wanted yet.
    left: u64,
    is_done: bool,
    /// Whether there are more than were wanted.
    pub(super) more: bool,
}

impl<'a> Pages<'a> {
    pub(super) fn of(store: &'a SqlStore, listing: Listing) -> Self {
        Self {
            store,
            left: listing.limit,
            listing,
            is_done: false,
            more: false,
        }
    }

    pub(super) fn of_all(store: &'a SqlStore) -> Self {
        Self::of(store, Listing::page(None, u64::MAX))
    }

    /// Prints all rows as they come, and names those that cannot be used; returns these, as what the list's object
    /// ends with. `table` makes lines of tags, with the width of their names and whether they are the first.
    pub(super) async fn print(
        &mut self,
        long: &mut Long,
        table: fn(&[model::Tag], usize, bool) -> String,
    ) -> Result<Map<String, Value>, Exit> {
        let (mut width, mut unusable) = (0, Vec::new());
        while let Some(rows) = self.next().await? {
            let (tags, broken) = BrokenTag::apart(&rows);
            long.add(&tags, |first| {
                if first {
                    width = name_width(tags.iter().map(|tag| tag.biz_tag.as_str()));
                }
                table(&tags, width, first)
            })?;
            for row in &broken {
                note(&format!("left out: {}", row.reason));
            }
            unusable.extend(broken);
        }
        let mut tail = Map::new();
        if !unusable.is_empty() {
            tail.insert("broken".to_owned(), json!(unusable));
        }
        Ok(tail)
    }

    /// The next page; the first may be empty.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<TagRow>>, Exit> {
        if self.is_done {
            return Ok(None);
        }
        // One more tells whether there are more.
        self.listing.limit = PAGE.min(self.left.saturating_add(1));
        let mut page = self.store.list(&self.listing).await?;
        let found = page.len() as u64;
        self.more = found > self.left;
        self.is_done = self.more || found < self.listing.limit;
        page.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left = self.left.saturating_sub(found);
        if let Some(last) = page.last() {
            self.listing.after = Some(last.biz_tag.clone());
        }
        Ok(Some(page))
    }
}
