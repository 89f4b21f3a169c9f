//! `tag import --from`: the tags of another id server, or of tables that count by themselves, as lines of an import. Each
//! begins above everything that was handed out when it was read, by a margin for what is handed out until the old one stops.

use super::{
    file::{Line, Lines, Source},
    redis, taken,
};
use crate::{
    auth::{self, AllocToken, TokenHash},
    cli::{
        Exit,
        arguments::{From, Import},
        output::{counted, note},
        token,
    },
    config::{self, Config, DatabaseUrl},
    domain::BizTag,
    storage::{
        NewTag, SegmentStore as _,
        sql::{Counter, Counters, OldToken, SqlStore, Unreadable},
    },
};
use std::path::Path;

/// Where the other database is, where it is not said in the call: a password need not stand in it.
const SOURCE: &str = "IDA_SOURCE";

/// The margin at least, and in steps of the counter.
const MARGIN: (i64, i64) = (1_000_000, 10);

/// The step of a tag whose counter says none.
const STEP: i64 = 1000;

/// What the tags are read from, in messages, and its tags.
pub(super) async fn read(
    config: &Config,
    from: From,
    call: &Import,
) -> Result<(String, Lines), Exit> {
    let url = || source(config, call);
    let (place, counters) = match from {
        From::Redis => redis::read(&said(call).unwrap_or_default(), call)?,
        From::Leaf => {
            let url = url()?;
            let store = store(config, &url, &one_table(call, "leaf_alloc")?)?;
            let counters = ended(&store, store.leaf_counters().await).await?;
            (url.to_string(), counters)
        }
        From::Tinyid => {
            let url = url()?;
            let store = store(config, &url, &one_table(call, "tiny_id_info")?)?;
            let counters = ended(&store, store.tinyid_counters().await).await?;
            if let Some(file) = &call.tokens {
                tokens(config, &url, file, call.dry_run).await?;
            }
            (url.to_string(), counters)
        }
        From::AutoIncrement => {
            let url = url()?;
            (url.to_string(), auto_increments(config, &url, call).await?)
        }
    };
    Ok((place, lines(counters, call)))
}

/// What the call, or the environment, says of where the other system is.
fn said(call: &Import) -> Option<String> {
    call.source.clone().or_else(|| std::env::var(SOURCE).ok())
}

/// The URL of the other database.
fn source(config: &Config, call: &Import) -> Result<DatabaseUrl, Exit> {
    match said(call) {
        None => Ok(config.database.url.clone()),
        Some(text) => text.parse().map_err(|reason: config::DatabaseUrlError| {
            Exit::usage(format!("--source (or {SOURCE}): {reason}"))
        }),
    }
}

fn store(config: &Config, url: &DatabaseUrl, table: &str) -> Result<SqlStore, Exit> {
    if !config::is_plain_name(table) {
        return Err(Exit::usage(format!(
            "--table: {table:?} has characters other than letters, digits, _ and $"
        )));
    }
    let settings = config::Database {
        url: url.clone(),
        table: table.to_owned(),
        ..config.database.clone()
    };
    Ok(SqlStore::new(settings, &config.allocation)?)
}

async fn ended<T>(
    store: &SqlStore,
    result: Result<T, crate::storage::StoreError>,
) -> Result<T, Exit> {
    store.close().await;
    Ok(result?)
}

fn one_table(call: &Import, usual: &str) -> Result<String, Exit> {
    match call.tables.as_slice() {
        [] => Ok(usual.to_owned()),
        [table] => Ok(table.clone()),
        _ => Err(Exit::usage(
            "--table can be given once: all its rows are tags",
        )),
    }
}

/// `TABLE` or `TABLE=TAG`.
async fn auto_increments(
    config: &Config,
    url: &DatabaseUrl,
    call: &Import,
) -> Result<Counters, Exit> {
    if call.tables.is_empty() {
        return Err(Exit::usage(
            "name the tables that count: --table orders, or --table orders=TAG",
        ));
    }
    let mut counters = Vec::new();
    for named in &call.tables {
        let (table, tag) = named.split_once('=').unwrap_or((named, named));
        let store = store(config, url, table)?;
        let counter = ended(&store, store.auto_increment().await).await?;
        counters.push(counter.map(|counter| Counter {
            name: tag.to_owned(),
            ..counter
        }));
    }
    Ok(counters)
}

/// The counters as lines, numbered as they were read.
fn lines(counters: Counters, call: &Import) -> Lines {
    let mut lines = Lines::default();
    for (number, counter) in (1..).zip(counters) {
        let (Ok(Counter { name, .. }) | Err(Unreadable { name, .. })) = &counter;
        if !call.only.is_empty() && !call.only.contains(name) {
            continue;
        }
        let counter = counter.map_err(|unreadable| unreadable.reason);
        let line = counter.and_then(|counter| line(number, counter, call));
        lines.add(number, line, "row");
    }
    for name in &call.only {
        let is_there = lines.good.iter().any(|line| line.new.tag.as_str() == name);
        if !is_there && lines.wrong.is_empty() {
            let reason = format!("--only {name}: there is none of this name");
            lines.wrong.push((0, reason));
        }
    }
    lines
}

fn line(number: u64, counter: Counter, call: &Import) -> Result<Line, String> {
    let Counter {
        name,
        next,
        step,
        description,
        found,
        largest,
    } = counter;
    let tag = BizTag::parse(&name).map_err(|reason| format!("{name:?}: {reason}"))?;
    let step = call.step.or(step).unwrap_or(STEP);
    let usual = MARGIN.0.max(step.saturating_mul(MARGIN.1));
    let start = next.checked_add(call.margin.unwrap_or(usual));
    let start = start.filter(|start| *start <= largest).ok_or_else(|| {
        format!("{name}: {found}; with the margin its ids would begin above {largest}, where they end: give a smaller --margin")
    })?;
    let new = NewTag {
        tag,
        start,
        step,
        description: taken::description(&description, start),
        // No id reaches it.
        id_limit: largest.checked_add(1),
    };
    Ok(Line {
        number,
        new,
        deleted: false,
        source: Some(Source { found, next }),
    })
}

/// Writes the entries by which tinyid's tokens are known here.
async fn tokens(
    config: &Config,
    url: &DatabaseUrl,
    file: &Path,
    dry_run: bool,
) -> Result<(), Exit> {
    let store = store(config, url, "tiny_id_token")?;
    let tokens = ended(&store, store.tinyid_tokens().await).await?;
    let text: Vec<String> = tokens.iter().map(entry).collect();
    let text = text.join("\n");
    auth::parse::<AllocToken>(&text)
        .map_err(|reason| Exit::usage(format!("tiny_id_token: {reason}")))?;
    let number = counted(tokens.len(), "token");
    if dry_run {
        note(&format!("to be written to {}: {number}", file.display()));
        return Ok(());
    }
    token::write_new(file, &text)?;
    note(&format!(
        "written to {}: {number}; name it in alloc.tokens_file, or add its entries to the file there",
        file.display()
    ));
    Ok(())
}

fn entry(token: &OldToken) -> String {
    format!(
        "[[token]]\nname = {}\n{}\nhash = \"{}\"\n",
        token::quoted(&format!("tinyid-{}", token.id)),
        token::list("tags", token.biz_types.iter().map(String::as_str)),
        TokenHash::of(&token.token)
    )
}
