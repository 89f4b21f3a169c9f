//! `tag advance`: raises `max_id`, of one tag or of all.

use super::{
    Exit,
    arguments::Advance,
    drop_buffers::{self, Dropped},
    named::{failed, parse},
    output::{Long, Output, counted, note},
    tags::Pages,
};
use crate::{
    domain::BizTag,
    http::model::Advanced,
    storage::{AdvanceTo, Effect, StoreError, TagAdministration as _, TagRow, sql::SqlStore},
};
use serde_json::{Map, json};
use std::time::Duration;

/// `tag advance`. Of all tags, one that cannot be raised is named and left out.
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
    let still = "ids already in the memory of running servers are still handed out";
    let only = call.name.as_deref().map(parse).transpose()?;
    if let Some(tag) = only.as_ref().filter(|_| !call.drop_buffers) {
        let advanced = advance_one(store, tag, to, effect).await?;
        return output.say(&advanced, || format!("{}\n{still}", said(&advanced)));
    }
    let (mut tags, mut in_seconds, mut left_out) = (Vec::new(), 0, 0);
    let mut long = Long::new(output, r#"{"advanced":["#.to_owned());
    if let Some(tag) = only {
        let advanced = advance_one(store, &tag, to, effect).await?;
        long.add(&[&advanced], |_| said(&advanced))?;
        (tags, in_seconds) = (vec![tag], advanced.in_seconds);
    } else {
        let mut pages = Pages::of_all(store);
        while let Some(rows) = pages.next().await? {
            let mut done = Vec::with_capacity(rows.len());
            let mut ended = Ok(());
            for row in rows.iter().filter(|row| !row.retired) {
                match advance(store, row, to, effect).await {
                    Ok(Some((tag, advanced))) => {
                        tags.push(tag);
                        in_seconds = advanced.in_seconds.max(in_seconds);
                        done.push(advanced);
                    }
                    Ok(None) => {}
                    Err(error) if is_of_one_row(&error) => {
                        note(&format!("left out: {error}"));
                        left_out += 1;
                    }
                    Err(error) => {
                        ended = Err(error);
                        break;
                    }
                }
            }
            long.add(&done, |_| {
                done.iter().map(said).collect::<Vec<_>>().join("\n")
            })?;
            ended?;
        }
    }
    let mut tail = Map::new();
    if call.drop_buffers {
        let dropped = dropped(store, call, &tags, in_seconds).await?;
        tail.insert("dropped_by".to_owned(), json!(dropped.by));
        tail.insert("not_dropped_by".to_owned(), json!(dropped.not_by));
        long.end(&tail)?;
        drop_buffers::tell(&dropped)?;
    } else {
        long.end(&tail)?;
        if !output.is_json() {
            output.line(still)?;
        }
    }
    match left_out {
        0 => Ok(()),
        number => Err(Exit::table(format!("left out: {}", counted(number, "tag")))),
    }
}

/// Waits until the advance is heeded, and until no server has older ids in memory.
async fn dropped(
    store: &SqlStore,
    call: &Advance,
    tags: &[BizTag],
    in_seconds: u64,
) -> Result<Dropped, Exit> {
    if in_seconds > 0 {
        note(&format!("waiting {in_seconds} s until claims heed it"));
        tokio::time::sleep(Duration::from_secs(in_seconds)).await;
    }
    Ok(drop_buffers::run(store, tags, Duration::from_secs(call.wait)).await?)
}

/// Advances the tag that the call names.
async fn advance_one(
    store: &SqlStore,
    tag: &BizTag,
    to: AdvanceTo,
    effect: Effect,
) -> Result<Advanced, Exit> {
    match store.advance(tag, to, effect).await {
        Ok(done) => Ok(Advanced::of(tag, &done)),
        Err(error) => Err(failed(store, tag, error).await),
    }
}

/// Advances the tag of a row; `None` where it was deleted meanwhile, or is none that anyone can ask for.
async fn advance(
    store: &SqlStore,
    row: &TagRow,
    to: AdvanceTo,
    effect: Effect,
) -> Result<Option<(BizTag, Advanced)>, StoreError> {
    if let Some(fault) = &row.fault {
        return Err(StoreError::TagMisconfigured(fault.clone()));
    }
    let Ok(tag) = BizTag::parse(&row.biz_tag) else {
        return Ok(None);
    };
    match store.advance(&tag, to, effect).await {
        Ok(done) => {
            let advanced = Advanced::of(&tag, &done);
            Ok(Some((tag, advanced)))
        }
        Err(StoreError::UnknownTag) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether other rows can be advanced all the same.
fn is_of_one_row(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::TagMisconfigured(_) | StoreError::Rejected(_) | StoreError::TagExhausted(_)
    )
}

fn said(advanced: &Advanced) -> String {
    let (done, from_when) = match advanced.in_seconds {
        0 => ("raised", "from now on".to_owned()),
        seconds => ("is going to be raised", format!("in {seconds} seconds")),
    };
    format!(
        "{}: max_id {done} from {} to {}; the first id claimed {from_when} is {}",
        advanced.biz_tag, advanced.from, advanced.max_id, advanced.first_id
    )
}
