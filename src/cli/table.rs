//! `migrate` and `guard status`: the table as a whole.

use super::{
    Exit,
    arguments::Migrate,
    output::{Long, Output, note, plain},
    tags::Pages,
};
use crate::{config::Config, http::model::Tag, startup, storage::SegmentStore};
use serde_json::json;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// `migrate up`, `migrate status`.
pub(super) async fn migrate(
    config: &Config,
    command: &Migrate,
    output: Output,
) -> Result<(), Exit> {
    let store = startup::store(config)?;
    match command {
        Migrate::Up => {
            let applied = store.migrate_up().await?;
            output.say(&json!({ "applied": applied }), || {
                match applied.is_empty() {
                    true => "nothing to do: the table is up to date".to_owned(),
                    false => {
                        let lines = applied.iter().map(|name| format!("applied {name}"));
                        lines.collect::<Vec<_>>().join("\n")
                    }
                }
            })?;
            if !applied.is_empty() {
                note(&format!("written to {}", store.place()));
            }
        }
        Migrate::Status => {
            let migrations = store.migrate_status().await?;
            let list = migrations.iter();
            let list = list.map(|(name, applied)| json!({ "name": name, "applied": applied }));
            let value = json!({ "migrations": list.collect::<Vec<_>>() });
            output.say(&value, || {
                let lines = migrations.iter().map(|(name, applied)| {
                    let state = if *applied { "applied" } else { "pending" };
                    format!("{state:<8} {name}")
                });
                lines.collect::<Vec<_>>().join("\n")
            })?;
            let pending = migrations.iter().filter(|(_, applied)| !applied).count();
            if pending > 0 {
                store.close().await;
                return Err(Exit::table(format!(
                    "{pending} migrations are pending in {}: run `id-alloc migrate up`",
                    store.place()
                )));
            }
        }
    }
    store.close().await;
    Ok(())
}

/// `guard status`.
pub(super) async fn guard_status(config: &Config, output: Output) -> Result<(), Exit> {
    let store = startup::store(config)?;
    let report = store.check().await?;
    let database = json!({
        "description": report.description,
        "guard_active": report.guard_active,
        "tags": report.tags,
        "warnings": report.warnings,
    });
    if !output.is_json() {
        let mut text = format!(
            "database  {}\nguard     {}\ntags      {}{}",
            report.description,
            if report.guard_active { "on" } else { "off" },
            report.tags,
            if report.more_tags { " or more" } else { "" },
        );
        for warning in &report.warnings {
            let _ = write!(text, "\nwarning   {}", plain(warning));
        }
        output.line(&text)?;
    }
    let mut long = Long::new(output, format!(r#"{{"database":{database},"tags":["#));
    let tail = match report.guard_active {
        true => Pages::of_all(&store).print(&mut long, guard_rows).await?,
        false => serde_json::Map::new(),
    };
    store.close().await;
    long.end(&tail)
}

/// Per tag: how far it was claimed and where, how large claims were about to become, and how often the
/// guard moved or raised it.
fn guard_rows(tags: &[Tag], width: usize, head: bool) -> String {
    let mut lines = Vec::with_capacity(tags.len() + 1);
    if head {
        lines.push(format!(
            "\n{:<width$}  {:>19}  {:>19}  {:>12}  {:>5}  claimed on",
            "biz_tag", "max_id", "claimed_to", "claimed_size", "moves"
        ));
    }
    for tag in tags {
        let Some(guard) = &tag.guard else { continue };
        let place = match (guard.here, guard.claimed_on.as_str()) {
            (_, "") => "nowhere yet".to_owned(),
            (true, _) => "this database server".to_owned(),
            (false, other) => format!("{}: the next claim moves it", plain(other)),
        };
        let behind = match tag.max_id.cmp(&guard.claimed_to) {
            Ordering::Less => "; max_id has gone backwards: the next claim raises it",
            Ordering::Greater if guard.claimed_to > 0 => {
                "; max_id was raised by what is not counted (an advance, SQL, go-id-alloc)"
            }
            _ => "",
        };
        let retired = if tag.retired { " (deleted)" } else { "" };
        lines.push(format!(
            "{:<width$}  {:>19}  {:>19}  {:>12}  {:>5}  {place}{behind}{retired}",
            plain(&tag.biz_tag),
            tag.max_id,
            guard.claimed_to,
            guard.claimed_size,
            guard.moves
        ));
    }
    lines.join("\n")
}
