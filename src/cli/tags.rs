//! `tag …`: the rows of the table. What is printed as JSON are the bodies of the admin API.

use super::{
    Exit, advance,
    arguments::{List, Order, Tag},
    export, import,
    output::{Output, name_width, note, plain},
};
use crate::{
    config::Config,
    domain::BizTag,
    http::model::{self, TagPage},
    startup,
    storage::{
        Change, Listing, NewTag, SegmentStore as _, TagAdministration as _, TagRow, sql::SqlStore,
    },
};
use std::fmt::Write as _;

/// Rows read at once where all are listed.
const PAGE: u64 = 1000;

/// `tag …`.
pub(super) async fn run(config: &Config, command: Tag, output: Output) -> Result<(), Exit> {
    let store = startup::store(config)?;
    let limit = config.allocation.id_limit;
    let writes = command.writes();
    let makes = match &command {
        Tag::Create { .. } => true,
        Tag::Import(import) => !import.dry_run,
        _ => false,
    };
    if makes {
        store.prepare_new_file().await?;
    }
    let result = match command {
        Tag::Create {
            name,
            start,
            step,
            description,
            limit,
        } => match parse(&name) {
            Ok(tag) => {
                let new = NewTag {
                    tag,
                    start,
                    step,
                    description,
                    id_limit: limit,
                };
                create(&store, &new, output).await
            }
            Err(exit) => Err(exit),
        },
        Tag::List(list) => self::list(&store, list, output).await,
        Tag::Show { name } => show(&store, &name, output).await,
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
            set(&store, &name, &change, output).await
        }
        Tag::Delete { name, confirm } => delete(&store, &name, &confirm, output).await,
        Tag::Advance(call) => advance::run(&store, &call, limit, output).await,
        Tag::Export(call) => export::run(&store, &call, output).await,
        Tag::Import(call) => import::run(config, &store, &call, output).await,
    };
    store.close().await;
    if result.is_ok() && writes {
        note(&format!("written to {}", store.place()));
    }
    result
}

async fn create(store: &SqlStore, new: &NewTag, output: Output) -> Result<(), Exit> {
    store.create(new).await?;
    let row = store.show(&new.tag).await?;
    output.say(&model::Tag::from(&row), || {
        let (name, first) = (&new.tag, new.start.max(1));
        format!("created {name}: the first id is {first}, step {}", new.step)
    })
}

async fn show(store: &SqlStore, name: &str, output: Output) -> Result<(), Exit> {
    let row = store.show(&parse(name)?).await?;
    shown(&row, output)
}

async fn set(store: &SqlStore, name: &str, change: &Change, output: Output) -> Result<(), Exit> {
    if change.step.is_none() && change.description.is_none() && change.id_limit.is_none() {
        return Err(Exit::usage(
            "give --step, --description, --limit, or several of them",
        ));
    }
    shown(&store.set(&parse(name)?, change).await?, output)
}

async fn delete(store: &SqlStore, name: &str, confirm: &str, output: Output) -> Result<(), Exit> {
    if confirm != name {
        return Err(Exit::usage(format!(
            "--confirm must repeat the name of the tag to delete, {name}"
        )));
    }
    let row = store.retire(&parse(name)?, None).await?;
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
            "biz_tag      {}\nmax_id       {}\nstep         {}\ndescription  {}\nretired      {}",
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
            let _ = write!(text, "\nclaimed to   {to}, growing to {size} at once");
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
    let (rows, more) = rows(store, listing).await?;
    let page = TagPage {
        next: rows.last().filter(|_| more).map(|row| row.biz_tag.clone()),
        tags: rows.iter().map(model::Tag::from).collect(),
    };
    output.say(&page, || table(&page.tags))?;
    if let Some(last) = page.next.filter(|_| !output.is_json()) {
        note(&format!(
            "there are more: continue with --after {}",
            plain(&last)
        ));
    }
    Ok(())
}

fn table(tags: &[model::Tag]) -> String {
    let width = name_width(tags);
    let mut text = format!(
        "{:<width$}  {:>19}  {:>12}  description",
        "biz_tag", "max_id", "step"
    );
    for tag in tags {
        let retired = if tag.retired { " (retired)" } else { "" };
        let _ = write!(
            text,
            "\n{:<width$}  {:>19}  {:>12}  {}{retired}",
            plain(&tag.biz_tag),
            tag.max_id,
            tag.step,
            plain(&tag.description)
        );
    }
    text
}

/// All rows, by name.
pub(super) async fn all_rows(store: &SqlStore) -> Result<Vec<TagRow>, Exit> {
    let all = Listing {
        limit: u64::MAX,
        ..Listing::default()
    };
    Ok(rows(store, all).await?.0)
}

/// The rows that a listing names, read in pages, and whether there are more of them.
async fn rows(store: &SqlStore, mut listing: Listing) -> Result<(Vec<TagRow>, bool), Exit> {
    let wanted = usize::try_from(listing.limit).unwrap_or(usize::MAX);
    let mut rows: Vec<TagRow> = Vec::new();
    while rows.len() <= wanted {
        listing.limit = PAGE;
        let page = store.list(&listing).await?;
        let Some(last) = page.last() else {
            return Ok((rows, false));
        };
        listing.after = Some(last.biz_tag.clone());
        rows.extend(page);
    }
    rows.truncate(wanted);
    Ok((rows, true))
}

pub(super) fn parse(name: &str) -> Result<BizTag, Exit> {
    BizTag::parse(name).map_err(|error| Exit::usage(error.to_string()))
}
