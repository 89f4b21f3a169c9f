//! `tag advance`: raises `max_id`, of one tag or of all.

use super::{
    Exit,
    arguments::Advance,
    drop_buffers,
    output::{Output, note},
    tags::{all_rows, parse},
};
use crate::{
    domain::BizTag,
    http::model::Advanced,
    storage::{AdvanceTo, Effect, TagAdministration as _, sql::SqlStore},
};
use serde_json::json;
use std::time::Duration;

/// `tag advance`. Of all tags, those that came before one that failed stay raised.
pub(super) async fn run(
    store: &SqlStore,
    call: &Advance,
    limit: i64,
    output: Output,
) -> Result<(), Exit> {
    let to = match (call.by, call.to) {
        (Some(by), _) if by >= 1 => AdvanceTo::By(by),
        (None, Some(to)) if (0..=limit).contains(&to) => AdvanceTo::To(to),
        _ => {
            return Err(Exit::usage(format!(
                "--by takes 1 or more, --to an id from 0 to {limit}"
            )));
        }
    };
    let effect = match call.now {
        true => Effect::Now,
        false => Effect::Announced,
    };
    let tags = match &call.name {
        Some(name) => vec![parse(name)?],
        None => all_rows(store)
            .await?
            .iter()
            .filter(|row| !row.retired)
            .filter_map(|row| BizTag::parse(&row.biz_tag).ok())
            .collect(),
    };
    let mut done = Vec::with_capacity(tags.len());
    for tag in &tags {
        let advanced = Advanced::of(tag, &store.advance(tag, to, effect).await?);
        if !output.is_json() {
            let (done, from_when) = match advanced.in_seconds {
                0 => ("raised", "from now on".to_owned()),
                seconds => ("is going to be raised", format!("in {seconds} seconds")),
            };
            output.line(&format!(
                "{tag}: max_id {done} from {} to {}; the first id claimed {from_when} is {}",
                advanced.from, advanced.max_id, advanced.first_id
            ))?;
        }
        done.push(advanced);
    }
    if call.drop_buffers {
        return dropped(store, call, &tags, &done, output).await;
    }
    let still = || "ids already in the memory of running servers are still handed out".to_owned();
    match done.as_slice() {
        [one] if !call.all => output.say(one, still),
        all => output.say(&json!({ "advanced": all }), still),
    }
}

/// Waits until the advance is heeded, and until no server has older ids in memory.
async fn dropped(
    store: &SqlStore,
    call: &Advance,
    tags: &[BizTag],
    done: &[Advanced],
    output: Output,
) -> Result<(), Exit> {
    let until_heeded = done.iter().map(|done| done.in_seconds).max().unwrap_or(0);
    if until_heeded > 0 {
        note(&format!("waiting {until_heeded} s until claims heed it"));
        tokio::time::sleep(Duration::from_secs(until_heeded)).await;
    }
    let wait = Duration::from_secs(call.wait);
    let dropped = drop_buffers::run(store, tags, wait).await?;
    let value =
        json!({ "advanced": done, "dropped_by": dropped.by, "not_dropped_by": dropped.not_by });
    if output.is_json() {
        output.say(&value, String::new)?;
    }
    drop_buffers::tell(&dropped)
}
