//! What a client sent: an array of bulk strings, as its library writes it, or a line, as a person types it.
//!
//! Each bulk string is read by redis-protocol. The array is not: its decoder calls itself for each array within an
//! array, as deep as they come, and a few kilobytes of `*1` would overflow the stack. A request holds none.

use redis_protocol::resp2::{decode::decode_range, types::RangeFrame};
use std::ops::Range;

/// Why what was sent cannot be read on: the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Protocol error: {0}")]
pub(super) struct Broken(String);

/// The words of a request, the command first.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    bytes: &'a [u8],
    places: &'a [Range<usize>],
}

impl<'a> Words<'a> {
    /// `places` are those that [`read`] found in `bytes`.
    pub(super) fn new(bytes: &'a [u8], places: &'a [Range<usize>]) -> Self {
        Self { bytes, places }
    }

    pub(super) fn len(self) -> usize {
        self.places.len()
    }

    /// The word at `index`; empty where there is none.
    pub(super) fn get(self, index: usize) -> &'a [u8] {
        let place = self.places.get(index).cloned();
        let word = place.and_then(|place| self.bytes.get(place));
        word.unwrap_or_default()
    }

    /// Whether the word at `index` is this one, in capitals or not.
    pub(super) fn is(self, index: usize, word: &str) -> bool {
        self.get(index).eq_ignore_ascii_case(word.as_bytes())
    }
}

/// Where a request ends; `None`: more has to come. [`Broken`] where no more could make a request of it.
type Read = Result<Option<usize>, Broken>;

/// Reads the first request of `bytes`, at most `limit` long: puts the places of its words into `places`, none for an
/// empty request.
pub(super) fn read(bytes: &[u8], limit: usize, places: &mut Vec<Range<usize>>) -> Read {
    places.clear();
    let end = match bytes.first() {
        None => return Ok(None),
        Some(b'*') => array(bytes, limit, places)?,
        Some(_) => line(bytes, limit, places)?,
    };
    match end.unwrap_or(bytes.len()) > limit {
        true => Err(Broken(format!(
            "a request is longer than {limit} bytes (limits.max_query)"
        ))),
        false => Ok(end),
    }
}

fn array(bytes: &[u8], limit: usize, places: &mut Vec<Range<usize>>) -> Read {
    let head = &bytes[..bytes.len().min(limit)];
    let Some(length) = head.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let number = std::str::from_utf8(&bytes[1..length]).ok();
    let count = number.and_then(|number| number.parse::<i64>().ok());
    // The shortest bulk string has five bytes. As in Redis, no words or fewer are an empty request.
    let count = count.and_then(|count| usize::try_from(count.max(0)).ok());
    let Some(count) = count.filter(|count| *count <= limit / 5) else {
        return Err(Broken("invalid multibulk length".to_owned()));
    };
    let mut at = length + 2;
    for _ in 0..count {
        match bytes.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(byte) => {
                let byte = byte.escape_ascii();
                return Err(Broken(format!("expected '$', got '{byte}'")));
            }
        }
        match decode_range(&bytes[at..]) {
            Ok(Some((RangeFrame::BulkString((from, to)), read))) => {
                places.push(at + from..at + to);
                at += read;
            }
            Ok(None) => return Ok(None),
            _ => return Err(Broken("invalid bulk length".to_owned())),
        }
    }
    Ok(Some(at))
}

fn line(bytes: &[u8], limit: usize, places: &mut Vec<Range<usize>>) -> Read {
    let head = &bytes[..bytes.len().min(limit)];
    let Some(length) = head.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let mut start = None;
    for (at, byte) in bytes[..=length].iter().enumerate() {
        match (byte.is_ascii_whitespace(), start) {
            (true, Some(from)) => {
                places.push(from..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    let first = Words::new(bytes, places);
    // A web page can have a browser send these, and lines of its choice after them.
    if first.is(0, "POST") || first.is(0, "Host:") {
        let text = "this port speaks the protocol of Redis, not HTTP";
        return Err(Broken(text.to_owned()));
    }
    Ok(Some(length + 1))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
