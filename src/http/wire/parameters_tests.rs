//! Tests of `parameters.rs`.

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
        let told =
            matches!(call(query, ""), Err(Refused::Misspelt { meant: told, .. }) if told == meant);
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
