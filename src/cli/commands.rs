//! What each command does.

use super::{Advance, Exit, Migrate, Tag};
use crate::{
    config::Config,
    domain::BizTag,
    startup::{self, Application, Stop},
    storage::{AdvanceTo, Change, Listing, NewTag, SegmentStore, TagRow, sql::SqlStore},
};
use std::io::Write as _;
use tokio::signal::unix::{SignalKind, signal};

/// Rows read at once where all are listed.
const PAGE: u64 = 1000;

/// Prints a result. A closed pipe ends the command quietly, as `head` expects.
pub(super) fn say(text: &str) -> Result<(), Exit> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Exit::internal(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// `serve`.
pub(super) async fn serve(config: Config) -> Result<(), Exit> {
    let failed = |error: std::io::Error| Exit::internal(error.to_string());
    // Each connection takes two files; the soft limit is often 1024. As far as the hard limit allows.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
    // Before anything starts, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let application = tokio::select! {
        built = Application::build(config) => built?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    say(application.start_line())?;
    application
        .run_until_stopped(async move {
            tokio::select! {
                _ = terminate.recv() => Stop::Drain,
                _ = interrupt.recv() => Stop::Now,
            }
        })
        .await?;
    Ok(())
}

/// `migrate up`, `migrate status`.
pub(super) async fn migrate(config: &Config, command: &Migrate) -> Result<(), Exit> {
    let store = startup::store(config)?;
    match command {
        Migrate::Up => {
            let applied = store.migrate_up().await?;
            if applied.is_empty() {
                say("nothing to do: the table is up to date")?;
            }
            for name in applied {
                say(&format!("applied {name}"))?;
            }
        }
        Migrate::Status => {
            for (name, applied) in store.migrate_status().await? {
                say(&format!(
                    "{:<8} {name}",
                    if applied { "applied" } else { "pending" }
                ))?;
            }
        }
    }
    store.close().await;
    Ok(())
}

/// `tag …`.
pub(super) async fn tag(config: &Config, command: Tag) -> Result<(), Exit> {
    let store = startup::store(config)?;
    let limit = config.allocation.id_limit;
    let result = run_tag(&store, command, limit).await;
    store.close().await;
    result
}

async fn run_tag(store: &SqlStore, command: Tag, limit: i64) -> Result<(), Exit> {
    match command {
        Tag::Create {
            name,
            start,
            step,
            description,
        } => {
            let tag = parse(&name)?;
            store
                .create(&NewTag {
                    tag,
                    start,
                    step,
                    description,
                })
                .await?;
            say(&format!(
                "created {name}: the first id is {}, step {step}",
                start.max(1)
            ))
        }
        Tag::List => list(store).await,
        Tag::Show { name } => show(&store.show(&parse(&name)?).await?),
        Tag::Set {
            name,
            step,
            description,
        } => {
            if step.is_none() && description.is_none() {
                return Err(Exit::usage("give --step, --description or both"));
            }
            let change = Change {
                step,
                description,
                seen: None,
            };
            show(&store.set(&parse(&name)?, &change).await?)
        }
        Tag::Delete { name, confirm } => {
            if confirm != name {
                return Err(Exit::usage(format!(
                    "--confirm must repeat the name of the tag to delete, {name}"
                )));
            }
            let row = store.retire(&parse(&name)?, None).await?;
            say(&format!(
                "deleted {name}: it can be created again with --start {} or more\n\
                 running servers drop the ids of {name} in their memory within allocation.refresh",
                row.end()
            ))
        }
        Tag::Advance(advance) => run_advance(store, &advance, limit).await,
    }
}

async fn run_advance(store: &SqlStore, advance: &Advance, limit: i64) -> Result<(), Exit> {
    let to = match (advance.by, advance.to) {
        (Some(by), _) if by >= 1 => AdvanceTo::By(by),
        (None, Some(to)) if (0..=limit).contains(&to) => AdvanceTo::To(to),
        _ => {
            return Err(Exit::usage(format!(
                "--by takes 1 or more, --to an id from 0 to {limit}"
            )));
        }
    };
    let tags = match &advance.name {
        Some(name) => vec![parse(name)?],
        None => all_rows(store)
            .await?
            .iter()
            .filter(|row| !row.retired)
            .filter_map(|row| BizTag::parse(&row.biz_tag).ok())
            .collect(),
    };
    for tag in tags {
        let advanced = store.advance(&tag, to).await?;
        say(&format!(
            "{tag}: max_id raised from {} to {}; the first id claimed from now on is {}",
            advanced.from,
            advanced.to,
            advanced.to.max(1)
        ))?;
    }
    say("ids already in the memory of running servers are still handed out")
}

async fn list(store: &SqlStore) -> Result<(), Exit> {
    let rows = all_rows(store).await?;
    let width = name_width(&rows);
    say(&format!(
        "{:<width$}  {:>19}  {:>12}  description",
        "biz_tag", "max_id", "step"
    ))?;
    for row in rows {
        let retired = if row.retired { " (retired)" } else { "" };
        say(&format!(
            "{:<width$}  {:>19}  {:>12}  {}{retired}",
            row.biz_tag, row.max_id, row.step, row.description
        ))?;
    }
    Ok(())
}

async fn all_rows(store: &SqlStore) -> Result<Vec<TagRow>, Exit> {
    let mut rows: Vec<TagRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.biz_tag.clone());
        let page = store.list(&Listing::page(after.as_deref(), PAGE)).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

fn show(row: &TagRow) -> Result<(), Exit> {
    say(&format!(
        "biz_tag      {}\nmax_id       {}\nstep         {}\ndescription  {}\nretired      {}",
        row.biz_tag,
        row.max_id,
        row.step,
        row.description,
        if row.retired { "yes" } else { "no" }
    ))
}

/// `guard status`.
pub(super) async fn guard_status(config: &Config) -> Result<(), Exit> {
    let store = startup::store(config)?;
    let report = store.check().await?;
    say(&format!(
        "database  {}\nguard     {}\ntags      {}",
        report.description,
        if report.guard_active { "on" } else { "off" },
        report.tags
    ))?;
    for warning in &report.warnings {
        say(&format!("warning   {warning}"))?;
    }
    if report.guard_active {
        guard_rows(&all_rows(&store).await?)?;
    }
    store.close().await;
    Ok(())
}

/// Per tag: how far it was claimed and where, how large claims were about to become, and how often the
/// guard moved or raised it.
fn guard_rows(rows: &[TagRow]) -> Result<(), Exit> {
    let width = name_width(rows);
    say(&format!(
        "\n{:<width$}  {:>19}  {:>19}  {:>12}  {:>5}  claimed on",
        "biz_tag", "max_id", "claimed_to", "claimed_size", "moves"
    ))?;
    for row in rows {
        let Some(guard) = &row.guard else { continue };
        let place = match (guard.here, guard.claimed_on.as_str()) {
            (_, "") => "nowhere yet".to_owned(),
            (true, _) => "this database server".to_owned(),
            (false, other) => format!("{other}: the next claim moves it"),
        };
        let behind = match row.max_id < guard.claimed_to {
            true => "; max_id has gone backwards: the next claim raises it",
            false => "",
        };
        let retired = if row.retired { " (retired)" } else { "" };
        say(&format!(
            "{:<width$}  {:>19}  {:>19}  {:>12}  {:>5}  {place}{behind}{retired}",
            row.biz_tag, row.max_id, guard.claimed_to, guard.claimed_size, guard.moves
        ))?;
    }
    Ok(())
}

fn name_width(rows: &[TagRow]) -> usize {
    let widths = rows.iter().map(|row| row.biz_tag.chars().count());
    widths.max().unwrap_or(0).max("biz_tag".len())
}

fn parse(name: &str) -> Result<BizTag, Exit> {
    BizTag::parse(name).map_err(|error| Exit::usage(error.to_string()))
}
