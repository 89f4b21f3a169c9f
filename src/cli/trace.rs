//! `trace TAG ID`: which server claimed an id, and when.

use super::{
    Exit,
    arguments::Trace,
    named::{failed, parse},
    output::Output,
};
use crate::{
    config::Config,
    startup,
    storage::{
        ClaimRecord, SegmentStore as _, StoreError, TagAdministration as _, TagRow, sql::SqlStore,
    },
};
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// `trace`. An id that is not written down ends with 64, one that was claimed twice with 65.
pub(super) async fn run(config: &Config, call: &Trace, output: Output) -> Result<(), Exit> {
    let store = startup::store(config)?;
    let asked = ask(&store, call).await;
    store.close().await;
    let (row, found) = asked?;
    let value = json!({
        "biz_tag": row.biz_tag,
        "id": call.id,
        "claimed": call.id < row.end(),
        "claims": found.iter().map(shape).collect::<Vec<_>>(),
    });
    if output.is_json() || !found.is_empty() {
        output.say(&value, || text(call.id, &found))?;
    }
    match found.len() {
        1 => Ok(()),
        0 => Err(Exit::usage(why_not(call, &row, config))),
        times => Err(Exit::table(format!(
            "id {} of {} was claimed {times} times: see docs/runbook.md, \"Somebody reports a duplicate\"",
            call.id, row.biz_tag
        ))),
    }
}

async fn ask(store: &SqlStore, call: &Trace) -> Result<(TagRow, Vec<ClaimRecord>), Exit> {
    let tag = parse(&call.tag)?;
    let row = match store.show(&tag).await {
        Ok(row) => row,
        Err(error) => return Err(failed(store, &tag, error).await),
    };
    let found = store
        .trace(&tag, call.id)
        .await
        .map_err(|error| match error {
            StoreError::Unusable(why) => Exit::table(format!("no claims are written down: {why}")),
            error => error.into(),
        })?;
    Ok((row, found))
}

/// Why an id is not written down.
fn why_not(call: &Trace, row: &TagRow, config: &Config) -> String {
    let (id, tag, kept) = (call.id, &row.biz_tag, config.database.claim_records);
    if id >= row.end() {
        return format!(
            "id {id} of {tag} was not claimed yet: max_id is {}",
            row.max_id
        );
    }
    match kept.is_zero() {
        true => format!(
            "who claimed id {id} of {tag} is not known: claims are not written down (database.claim_records)"
        ),
        false => format!(
            "who claimed id {id} of {tag} is not known: it was skipped, or claimed before claims were written down, \
             longer than {} ago, or by a server that does not do so",
            humantime::format_duration(kept)
        ),
    }
}

/// When it was claimed, in UTC.
fn at(age: Duration) -> String {
    let at = SystemTime::now()
        .checked_sub(age)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(at).to_string()
}

fn shape(claim: &ClaimRecord) -> serde_json::Value {
    json!({
        "first": claim.first, "last": claim.end - 1, "at": at(claim.age), "server": claim.by.name,
        "version": claim.by.version, "instance": claim.by.id,
    })
}

fn text(id: i64, found: &[ClaimRecord]) -> String {
    let mut text = String::new();
    for claim in found {
        let (at, by) = (at(claim.age), &claim.by);
        let line = if text.is_empty() { "" } else { "\n" };
        let _ = write!(
            text,
            "{line}{id} was claimed at {at} by {} (version {}, instance {}), one of the ids {} to {}",
            by.name,
            by.version,
            by.id,
            claim.first,
            claim.end - 1
        );
    }
    text
}
