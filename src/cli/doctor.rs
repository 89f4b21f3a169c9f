//! `doctor`: whether it is safe to serve from the table, for people and for scripts.

use super::{
    Exit,
    arguments::Doctor,
    named::parse,
    output::{Output, width},
};
use crate::{
    config::{Config, is_plain_name},
    startup,
    storage::{
        Finding, InUse, SegmentStore as _, ServerRecord, StoreError, Unusable, Weight,
        sql::SqlStore,
    },
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Not safe.
const NOT: u8 = 1;
/// Could not tell.
const UNSURE: u8 = 2;

pub(super) async fn run(config: &Config, call: &Doctor, output: Output) -> Result<(), Exit> {
    let in_use = call.in_use.iter().map(|text| column(text));
    let in_use = in_use.collect::<Result<Vec<InUse>, Exit>>()?;
    let store = startup::store(config)?;
    let found = store.examine(&in_use, call.moved).await;
    let servers = store.servers().await;
    store.close().await;
    let (mut found, place) = (found.map_err(untold)?, store.place());
    let servers = match servers {
        Ok(servers) => servers,
        Err(StoreError::Unusable(Unusable::TableMissing(_))) => Vec::new(),
        Err(error) => {
            found.push(unknown_servers(&store, &error));
            Vec::new()
        }
    };
    found.extend(other_versions(&servers));
    let weight = found.iter().map(|finding| finding.weight).max();
    let verdict = verdict(weight);
    let value = json!({
        "verdict": verdict.0,
        "place": place,
        "findings": found.iter().map(shape).collect::<Vec<_>>(),
        "servers": servers.iter().map(server).collect::<Vec<_>>(),
    });
    output.say(&value, || text(&place, &found, &servers, verdict.1))?;
    match verdict.2 {
        0 => Ok(()),
        // It is said already, as the result.
        code => Err(Exit::verdict(code, "")),
    }
}

/// For scripts, for people, and the exit code.
fn verdict(weight: Option<Weight>) -> (&'static str, &'static str, u8) {
    match weight {
        Some(Weight::Fault) => ("not_safe", "not safe to serve from", NOT),
        Some(Weight::Unsure) => (
            "unknown",
            "could not tell whether it is safe to serve from",
            UNSURE,
        ),
        Some(Weight::Note) | None => ("safe", "safe to serve from", 0),
    }
}

/// Where the database cannot be asked.
fn untold(error: StoreError) -> Exit {
    match error {
        StoreError::UnknownTag | StoreError::Rejected(_) => error.into(),
        error => Exit::verdict(
            UNSURE,
            format!("could not tell whether it is safe to serve: {error}"),
        ),
    }
}

/// `TAG=TABLE.COLUMN` or `TAG=DATABASE.TABLE.COLUMN`.
fn column(text: &str) -> Result<InUse, Exit> {
    let wrong = || Exit::usage(format!("--in-use takes TAG=TABLE.COLUMN, not {text:?}"));
    let (tag, place) = text.rsplit_once('=').ok_or_else(wrong)?;
    let mut parts: Vec<String> = place.split('.').map(str::to_owned).collect();
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(|part| is_plain_name(part)) {
        return Err(wrong());
    }
    let column = parts.pop().ok_or_else(wrong)?;
    Ok(InUse {
        tag: parse(tag)?,
        table: parts,
        column,
    })
}

fn unknown_servers(store: &SqlStore, error: &StoreError) -> Finding {
    Finding::new(
        Weight::Note,
        format!("which servers share the table is not known: {error}"),
        format!(
            "grant SELECT, INSERT and UPDATE on {} (docs/command-line.md)",
            store.names_beside(&["servers", "drops"])
        ),
    )
}

/// Servers that claimed lately and are of another version than this program.
fn other_versions(servers: &[ServerRecord]) -> Option<Finding> {
    let ours = env!("CARGO_PKG_VERSION");
    let others = servers
        .iter()
        .filter(|server| server.instance.version != ours);
    let others: Vec<String> = others
        .map(|server| format!("{} ({})", server.instance.name, server.instance.version))
        .collect();
    (!others.is_empty()).then(|| {
        Finding::new(
            Weight::Note,
            format!("servers of other versions than {ours}: {}", others.join(", ")),
            "a fleet may be mixed while it is upgraded; the newest features need all of them to be new",
        )
    })
}

fn name(weight: Weight) -> &'static str {
    match weight {
        Weight::Fault => "fault",
        Weight::Unsure => "unsure",
        Weight::Note => "note",
    }
}

fn shape(finding: &Finding) -> Value {
    json!({ "weight": name(finding.weight), "what": finding.what, "todo": finding.todo })
}

fn server(server: &ServerRecord) -> Value {
    json!({
        "id": server.instance.id,
        "name": server.instance.name,
        "version": server.instance.version,
        "seen_seconds_ago": server.age.as_secs_f64(),
    })
}

fn text(place: &str, found: &[Finding], servers: &[ServerRecord], verdict: &str) -> String {
    let mut text = place.to_owned();
    let wide = width(
        "",
        servers.iter().map(|server| server.instance.name.as_str()),
    );
    for server in servers {
        let (instance, age) = (&server.instance, server.age.as_secs());
        let _ = write!(
            text,
            "\nserver  {:<wide$}  {}  seen {age} s ago",
            instance.name, instance.version
        );
    }
    for finding in found {
        let _ = write!(text, "\n{:<6}  {}", name(finding.weight), finding.what);
        if !finding.todo.is_empty() {
            let _ = write!(text, "\n        do: {}", finding.todo);
        }
    }
    let _ = write!(text, "\n{verdict}");
    text
}
