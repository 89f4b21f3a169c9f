//! Tests of reading requests: what clients send, cut anywhere, and what would harm.

use super::*;
use proptest::prelude::*;

const LIMIT: usize = 4096;

/// Words, and where their request ends.
type Found = (Vec<Vec<u8>>, usize);

/// The first request.
fn words(bytes: &[u8]) -> Result<Option<Found>, Broken> {
    let mut places = Vec::new();
    let end = read(bytes, LIMIT, &mut places)?;
    let words = Words::new(bytes, &places);
    let all = (0..words.len()).map(|index| words.get(index).to_vec());
    Ok(end.map(|end| (all.collect(), end)))
}

fn sent(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

fn broken(bytes: &[u8]) -> String {
    words(bytes).unwrap_err().to_string()
}

#[test]
fn a_line_is_a_request_too_and_an_empty_one_is_none() {
    let (found, end) = words(b"INCR  order\r\nPING\r\n").unwrap().unwrap();
    assert_eq!(
        (found, end),
        (vec![b"INCR".to_vec(), b"order".to_vec()], 13)
    );
    for empty in [&b"\r\n"[..], b"*0\r\n", b"*-1\r\n"] {
        let (found, end) = words(empty).unwrap().unwrap();
        assert_eq!((found.len(), end), (0, empty.len()));
    }
}

#[test]
fn what_is_no_request_says_why() {
    let deep = "*1\r\n".repeat(1000);
    assert_eq!(
        broken(deep.as_bytes()),
        "Protocol error: expected '$', got '*'"
    );
    let deep = format!("*2\r\n$1\r\na\r\n{deep}");
    assert_eq!(
        broken(deep.as_bytes()),
        "Protocol error: expected '$', got '*'"
    );
    for length in ["x", "", "2147483647", "9999999999999999999", "1x"] {
        let head = format!("*{length}\r\n");
        let expected = "Protocol error: invalid multibulk length";
        assert_eq!(broken(head.as_bytes()), expected, "{length}");
    }
    for length in ["x", "-1", "-2", "99999999999999999999"] {
        let bytes = format!("*1\r\n${length}\r\n");
        let expected = "Protocol error: invalid bulk length";
        assert_eq!(broken(bytes.as_bytes()), expected, "{length}");
    }
    let page = b"POST / HTTP/1.1\r\nHost: here\r\n\r\nINCR order\r\n";
    assert!(broken(page).contains("not HTTP"));
}

#[test]
fn a_request_that_never_ends_is_refused_at_the_limit() {
    for start in ["INCR ", "*", "*1\r\n$", "*1\r\n$1000000000\r\n"] {
        let mut bytes = start.as_bytes().to_vec();
        bytes.resize(LIMIT, b'1');
        assert_eq!(words(&bytes), Ok(None), "{start}");
        bytes.push(b'1');
        assert!(words(&bytes).is_err(), "{start}");
    }
    let long = sent(&[b"ECHO".to_vec(), vec![b'x'; LIMIT]]);
    assert!(broken(&long).contains("limits.max_query"));
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_sent_and_no_part_of_it_is_one(
        words_sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
        rest in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let request = sent(&words_sent);
        for end in 0..request.len() {
            prop_assert_eq!(words(&request[..end]), Ok(None));
        }
        let mut bytes = request.clone();
        bytes.extend(rest);
        prop_assert_eq!(words(&bytes), Ok(Some((words_sent, request.len()))));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), like in "([*$:+_-]?[0-9-]{0,4}(\r\n)?){0,40}") {
        let _ = words(&bytes);
        let _ = words(like.as_bytes());
    }
}
