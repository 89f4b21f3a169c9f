//! `tag export`: tags as a file that `tag import` reads elsewhere, with the end of everything ever claimed of each.

use super::{
    Exit,
    arguments::Export,
    import::COLUMNS,
    named::{failed, parse},
    output::{Output, counted, note},
    tags::Pages,
};
use crate::{
    domain::BizTag,
    storage::{Listing, StoreError, TagAdministration as _, TagRow, sql::SqlStore},
};
use serde_json::json;

/// `tag export`. With `--retire` each tag is deleted first, and written as it stood after that.
pub(super) async fn run(store: &SqlStore, call: &Export, output: Output) -> Result<(), Exit> {
    let mut rows = match call.names.is_empty() {
        true => all(store, call.prefix.clone()).await?,
        false => {
            let mut rows = Vec::with_capacity(call.names.len());
            for name in &call.names {
                let tag = parse(name)?;
                match store.show(&tag).await {
                    Ok(row) => rows.push(row),
                    Err(error) => return Err(failed(store, &tag, error).await),
                }
            }
            rows
        }
    };
    if let Some(prefix) = &call.prefix {
        rows.retain(|row| row.biz_tag.starts_with(prefix));
    }
    let found = rows.len();
    rows.retain(|row| match &row.fault {
        Some(fault) => {
            note(&format!("left out: {fault}"));
            false
        }
        None => true,
    });
    let left_out = found - rows.len();
    let mut tags = Vec::with_capacity(rows.len());
    for row in rows {
        tags.push(match call.retire && !row.retired {
            true => retired(store, row).await?,
            false => row,
        });
    }
    let value = json!({ "tags": tags.iter().map(shape).collect::<Vec<_>>() });
    let text = csv(&tags).map_err(|error| Exit::internal(error.to_string()))?;
    match output.is_json() {
        true => output.say(&value, String::new)?,
        false => output.raw(&text)?,
    }
    if !call.retire && !tags.is_empty() {
        note(
            "where a server claims ids after this, the file is too old to serve from: stop the servers before, or use \
             --retire",
        );
    }
    match left_out {
        0 => Ok(()),
        number => Err(Exit::table(format!("left out: {}", counted(number, "tag")))),
    }
}

/// All rows, or those whose names begin so.
async fn all(store: &SqlStore, prefix: Option<String>) -> Result<Vec<TagRow>, Exit> {
    let listing = Listing {
        prefix,
        ..Listing::page(None, u64::MAX)
    };
    let (mut pages, mut rows) = (Pages::of(store, listing), Vec::new());
    while let Some(page) = pages.next().await? {
        rows.extend(page);
    }
    Ok(rows)
}

/// The tag as it was, with the end at which nobody claims it any more.
async fn retired(store: &SqlStore, before: TagRow) -> Result<TagRow, Exit> {
    let tag = BizTag::parse(&before.biz_tag).map_err(|error| Exit::usage(error.to_string()))?;
    match store.retire(&tag, None).await {
        Ok(after) => Ok(TagRow {
            step: before.step,
            retired: false,
            ..after
        }),
        // Somebody deleted it meanwhile: it is written as that.
        Err(StoreError::UnknownTag) => Ok(store.show(&tag).await?),
        Err(error) => Err(error.into()),
    }
}

fn shape(row: &TagRow) -> serde_json::Value {
    json!({
        "biz_tag": row.biz_tag, "start": row.end(), "step": row.step.max(1), "description": row.description,
        "limit": row.id_limit, "deleted": row.retired,
    })
}

fn csv(rows: &[TagRow]) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in rows {
        let limit = row.id_limit.map(|limit| limit.to_string());
        writer.write_record([
            row.biz_tag.as_str(),
            &row.end().to_string(),
            // That of a deleted tag is 0, with which none can be made.
            &row.step.max(1).to_string(),
            &row.description,
            limit.as_deref().unwrap_or_default(),
            if row.retired { "yes" } else { "" },
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
