//! Query and form: `biz_tag`, `count` and `format`. The body wins; of a repeated parameter the first counts.

use crate::{
    domain::{BizTagError, TagName},
    http::refusal::Refused,
};
use percent_encoding::{percent_decode, percent_decode_str};
use std::borrow::Cow;

/// What `/alloc` was asked for, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AllocCall<'a> {
    /// Whose ids.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(query: &str, body: &str) -> Result<(String, Option<u32>), Refused> {
        alloc_call(query.as_bytes(), body.as_bytes(), 10_000)
            .map(|call| (call.tag.as_str().to_owned(), call.count))
    }

    #[test]
    fn the_body_wins_and_the_first_of_repeated_ones_counts() {
        assert_eq!(
            call("biz_tag=q", "biz_tag=b&biz_tag=c").unwrap(),
            ("b".to_owned(), None)
        );
        assert_eq!(
            call("biz_tag=a&count=3&count=x", "").unwrap(),
            ("a".to_owned(), Some(3))
        );
    }

    #[test]
    fn escapes_and_plus_are_decoded_and_broken_ones_stand_for_themselves() {
        assert_eq!(call("biz%5Ftag=a%20b+c%C3%A9", "").unwrap().0, "a b cé");
        assert_eq!(call("biz_tag=a%zz%2", "").unwrap().0, "a%zz%2");
    }

    #[test]
    fn counts_outside_the_bounds_are_refused() {
        for count in [
            "0",
            "-1",
            "+1",
            "",
            "abc",
            "1.0",
            "10001",
            "99999999999999999999",
        ] {
            let query = format!("biz_tag=a&count={count}");
            assert!(
                matches!(call(&query, ""), Err(Refused::InvalidCount(_))),
                "{count}"
            );
        }
        assert_eq!(call("biz_tag=a&count=10000", "").unwrap().1, Some(10_000));
    }

    #[test]
    fn a_missing_an_empty_and_a_broken_tag_differ() {
        assert!(matches!(
            call("", ""),
            Err(Refused::BizTag(BizTagError::Empty))
        ));
        assert!(matches!(
            call("biz_tag=", ""),
            Err(Refused::BizTag(BizTagError::Empty))
        ));
        assert!(matches!(call("biz_tag=%ff", ""), Err(Refused::NotUtf8)));
    }

    #[test]
    fn a_misspelt_name_is_told_and_anything_else_is_passed_over() {
        for (query, meant) in [
            ("biz_tag=a&cnt=3", "count"),
            ("biz_tag=a&Count=3", "count"),
            ("biz_tag=a&counts=3", "count"),
            ("bizTag=a", "biz_tag"),
            ("biz-tag=a&count=1", "biz_tag"),
        ] {
            let told = matches!(call(query, ""), Err(Refused::Misspelt { meant: told, .. }) if told == meant);
            assert!(told, "{query}");
        }
        assert!(matches!(
            call("biz_tag=a", "cnt=3"),
            Err(Refused::Misspelt { .. })
        ));
        for query in [
            "biz_tag=a&count=3&cnt=4",
            "biz_tag=a&count=3&_=17&c=1&callback=x",
        ] {
            assert_eq!(
                call(query, "").unwrap(),
                ("a".to_owned(), Some(3)),
                "{query}"
            );
        }
        assert_eq!(call("biz_tag=a&v=1&format=json", "").unwrap().1, None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(query: Vec<u8>, body: Vec<u8>) {
            if let Ok(call) = alloc_call(&query, &body, 100) {
                prop_assert!(call.count.is_none_or(|count| (1..=100).contains(&count)));
            }
        }

        #[test]
        fn any_bytes_are_read_as_browsers_read_them(
            pieces in prop::collection::vec(prop_oneof![
                4 => "biz_tag|count|biz%5ftag|=|&|\\+|%|%[0-9a-fA-F]{1,2}|[a-z0-9]{1,3}".prop_map(String::into_bytes),
                1 => prop::collection::vec(any::<u8>(), 1..4),
            ], 0..24),
        ) {
            let query = pieces.concat();
            let read = Pairs::read(&query);
            for (name, ours) in NAMES.into_iter().zip(read.named) {
                let theirs = url::form_urlencoded::parse(&query)
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.into_owned());
                let ours = ours.map(|raw| String::from_utf8_lossy(&raw).into_owned());
                prop_assert_eq!(ours, theirs);
            }
        }

        #[test]
        fn every_count_comes_through_or_is_refused(count: u32, max in 1..=1_000_000_u32) {
            let read = parse_count(count.to_string().as_bytes(), max).ok();
            prop_assert_eq!(read, (1..=max).contains(&count).then_some(count));
        }

        #[test]
        fn the_body_wins_whatever_it_holds(query in "[a-z]{1,5}", body in "[a-z]{1,5}") {
            let (query, body) = (format!("biz_tag={query}&count=1"), format!("biz_tag={body}&count=2"));
            let expected = (body[8..body.len() - 8].to_owned(), Some(2));
            prop_assert_eq!(call(&query, &body).unwrap(), expected);
        }

        #[test]
        fn every_valid_tag_comes_through_its_encoding(tag in "[^_\\p{Cc}][^\\p{Cc}]{0,30}") {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("biz_tag", &tag)
                .finish();
            prop_assert_eq!(call(&query, "").unwrap().0, tag);
        }
    }
}
