//! `alloc`: ids of a tag, taken from a running server as any other client takes them.

use super::{Exit, arguments::Alloc, named::parse, output::Output, remote::Remote};
use crate::config::Config;
use serde::Deserialize;
use std::fmt::Write as _;

/// A success of `/alloc`.
#[derive(Deserialize)]
struct Taken {
    id: i64,
    ids: Option<Vec<i64>>,
}

/// A success of `/range`.
#[derive(Deserialize)]
struct Range {
    first: i64,
    count: i64,
}

pub(super) fn run(
    call: &Alloc,
    config: impl FnOnce() -> Result<Config, Exit>,
    output: Output,
) -> Result<(), Exit> {
    let tag = parse(&call.tag)?;
    let remote = Remote::new(&call.reach, config, false)?;
    let count = call.range.or(call.count).map(|count| count.to_string());
    let mut form = vec![("biz_tag", tag.as_str())];
    if let Some(count) = &count {
        form.push(("count", count));
    }
    let path = if call.range.is_some() {
        "/range"
    } else {
        "/alloc"
    };
    let body = remote.post(path, &form)?;
    if output.is_json() {
        return output.line(body.trim_end());
    }
    if call.range.is_some() {
        let range: Range = remote.read(&body)?;
        let last = range.first + range.count - 1;
        return output.raw(&format!("{} {last}\n", range.first));
    }
    let taken: Taken = remote.read(&body)?;
    let mut text = String::new();
    for id in taken.ids.unwrap_or_else(|| vec![taken.id]) {
        let _ = writeln!(text, "{id}");
    }
    output.raw(&text)
}
