//! Query and form: `biz_tag`, `count` and `format`. The body wins; of a repeated parameter the first counts.

use crate::{
    domain::{BizTagError, TagName},
    http::refusal::Refused,
};
use percent_encoding::{percent_decode, percent_decode_str};
use std::borrow::Cow;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct AllocCall<'a> {
    pub(super) tag: TagName<'a>,
    /// How many; `None` where the caller named none and gets one.
    pub(super) count: Option<u32>,
    /// Whether ids are to be written as strings (`format=string`).
    pub(super) as_text: bool,
}

/// Reads a call from a raw query and an `application/x-www-form-urlencoded` body.
pub(super) fn alloc_call<'a>(
    query: &'a [u8],
    body: &'a [u8],
    max_count: u32,
) -> Result<AllocCall<'a>, Refused> {
    let (mut body, mut query) = (Pairs::read(body), Pairs::read(query));
    let [tag, count, format] =
        [0, 1, 2].map(|name| body.named[name].take().or(query.named[name].take()));
    for (name, found) in [&tag, &count].into_iter().enumerate() {
        // One id instead of many, or "no biz_tag", would not tell what is wrong.
        if found.is_none()
            && let Some(given) = body.misspelt[name].take().or(query.misspelt[name].take())
        {
            let meant = NAMES[name];
            return Err(Refused::Misspelt { given, meant });
        }
    }
    let tag = tag_name(tag.ok_or(BizTagError::Empty)?)?;
    let count = count
        .map(|text| parse_count(&text, max_count))
        .transpose()?;
    let as_text = match format.as_deref() {
        // What some callers have always sent, and means nothing.
        None | Some(b"number" | b"json") => false,
        Some(b"string") => true,
        Some(_) => return Err(Refused::InvalidFormat),
    };
    Ok(AllocCall {
        tag,
        count,
        as_text,
    })
}

/// The biz_tag, if a query names one.
pub(in crate::http) fn biz_tag(query: &[u8]) -> Result<Option<TagName<'_>>, Refused> {
    value(query, NAMES[0]).map(tag_name).transpose()
}

/// The first value of a parameter, decoded.
pub(super) fn value<'a>(raw: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let (_, value) = pairs(raw).find(|(key, _)| **key == *name.as_bytes())?;
    Some(decode(value))
}

/// `name=value&…`, apart: each name decoded, each value as it came.
fn pairs(raw: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, &[u8])> {
    raw.split(|byte| *byte == b'&').map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let [key, value] = [(); 2].map(|()| parts.next().unwrap_or_default());
        (decode(key), value)
    })
}

/// A part of a path, decoded.
pub(super) fn text_of_path(part: &str) -> Result<Cow<'_, str>, Refused> {
    percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| Refused::NotUtf8)
}

/// A biz_tag that is a part of a path.
pub(super) fn part_of_path(part: &str) -> Result<TagName<'_>, Refused> {
    Ok(TagName::parse(text_of_path(part)?)?)
}

pub(super) fn tag_name(raw: Cow<'_, [u8]>) -> Result<TagName<'_>, Refused> {
    let text: Option<Cow<'_, str>> = match raw {
        Cow::Borrowed(raw) => std::str::from_utf8(raw).ok().map(Cow::Borrowed),
        Cow::Owned(raw) => String::from_utf8(raw).ok().map(Cow::Owned),
    };
    Ok(TagName::parse(text.ok_or(Refused::NotUtf8)?)?)
}

fn parse_count(raw: &[u8], max_count: u32) -> Result<u32, Refused> {
    // A sign would be read too.
    let is_plain = raw.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(raw).ok().filter(|_| is_plain);
    let count = text.and_then(|text| text.parse().ok());
    let count = count.filter(|count| (1..=max_count).contains(count));
    count.ok_or(Refused::InvalidCount(max_count))
}

/// The parameters that there are.
const NAMES: [&str; 3] = ["biz_tag", "count", "format"];

/// How many of them are looked for under a wrong spelling: those without which the answer is not what was meant.
const MISSPELT: usize = 2;

/// What `name=value&…` says of each of [`NAMES`]: the first value, decoded. A broken escape stands for itself, as
/// browsers have it (WHATWG URL, application/x-www-form-urlencoded parsing).
#[derive(Default)]
struct Pairs<'a> {
    named: [Option<Cow<'a, [u8]>>; 3],
    /// What may have been meant as one of them, such as `cnt`, `Count` or `bizTag`.
    misspelt: [Option<String>; MISSPELT],
}

impl<'a> Pairs<'a> {
    fn read(raw: &'a [u8]) -> Self {
        let mut found = Self::default();
        for (key, value) in pairs(raw) {
            match NAMES.iter().position(|name| name.as_bytes() == &*key) {
                Some(name) => {
                    found.named[name].get_or_insert_with(|| decode(value));
                }
                None => found.note_misspelt(&key),
            }
        }
        found
    }

    fn note_misspelt(&mut self, key: &[u8]) {
        let Ok(key) = std::str::from_utf8(key) else {
            return;
        };
        // Shorter ones are near to everything, and longer ones to nothing.
        if !(3..=10).contains(&key.len()) {
            return;
        }
        let lower = key.to_lowercase();
        let near = |name: &&str| strsim::levenshtein(&lower, name) <= 2;
        if let Some(name) = NAMES[..MISSPELT].iter().position(near) {
            self.misspelt[name].get_or_insert_with(|| key.to_owned());
        }
    }
}

fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'+') {
        return percent_decode(raw).into();
    }
    let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let spaced: Vec<u8> = raw.iter().map(space).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

#[cfg(test)]
#[path = "parameters_tests.rs"]
mod tests;
