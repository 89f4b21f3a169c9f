//! The list of ids in a success body, most of what a request for many costs.
//!
//! A hundred consecutive ids differ in their last two digits only. So each is written as two copies of fixed
//! lengths, which are a few instructions: the leading digits, and an ending out of a table.

use crate::domain::{IdRange, Ids};

/// The last two digits of an id, and the comma.
const ENDINGS: [[u8; 3]; 100] = endings();

/// The leading digits are copied with what follows them up to this length; an `i64` has 17 at most.
const WIDTH: usize = 24;

const fn endings() -> [[u8; 3]; 100] {
    let mut endings = [*b"00,"; 100];
    let mut at = 0;
    while at < endings.len() {
        // Below 10 each.
        endings[at][0] += (at / 10) as u8;
        endings[at][1] += (at % 10) as u8;
        at += 1;
    }
    endings
}

/// How many bytes `push_list` may need room for.
pub(super) fn room(ids: &Ids) -> usize {
    let count: u64 = ids.iter().map(IdRange::len).sum();
    let longest = ids.iter().map(|range| range.end()).max().map_or(0, length);
    usize::try_from(count).unwrap_or(0) * (longest + 1) + WIDTH
}

pub(super) fn push_list(body: &mut Vec<u8>, ids: &Ids) {
    body.push(b'[');
    for range in ids {
        push_range(body, *range);
    }
    if body.last() == Some(&b',') {
        body.pop();
    }
    body.push(b']');
}

fn push_range(body: &mut Vec<u8>, range: IdRange) {
    let mut digits = itoa::Buffer::new();
    let mut next = range.first();
    while next < range.end() {
        if next < 100 {
            body.extend_from_slice(digits.format(next).as_bytes());
            body.push(b',');
            next += 1;
            continue;
        }
        let (hundreds, first) = (next / 100, next % 100);
        let end = (range.end() - hundreds * 100).min(100);
        let leading = digits.format(hundreds).as_bytes();
        let mut wide = [0; WIDTH];
        wide[..leading.len()].copy_from_slice(leading);
        for ending in &ENDINGS[place(first)..place(end)] {
            let end_of_leading = body.len() + leading.len();
            body.extend_from_slice(&wide);
            body.truncate(end_of_leading);
            body.extend_from_slice(ending);
        }
        next = hundreds * 100 + end;
    }
}

/// A number from 0 to 100.
fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn length(id: i64) -> usize {
    itoa::Buffer::new().format(id).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(ids: &Ids) -> String {
        let mut body = Vec::with_capacity(room(ids));
        let room = body.capacity();
        push_list(&mut body, ids);
        assert_eq!(body.capacity(), room, "no second allocation");
        String::from_utf8(body).unwrap()
    }

    fn plain(ids: &Ids) -> String {
        let ids: Vec<i64> = ids.iter().flat_map(IdRange::iter).collect();
        serde_json::to_string(&ids).unwrap()
    }

    #[test]
    fn no_ids_are_an_empty_list() {
        assert_eq!(list(&Ids::new()), "[]");
    }

    #[test]
    fn lengths_change_where_they_should() {
        for end in [1, 10, 100, 1000, 1_000_000_000, 1_000_000_000_000_000_000] {
            let ids: Ids = [IdRange::claimed(end + 150, end.min(250) + 150).unwrap()]
                .into_iter()
                .collect();
            assert_eq!(list(&ids), plain(&ids));
        }
        let last: Ids = [IdRange::claimed(i64::MAX, 201).unwrap()]
            .into_iter()
            .collect();
        assert_eq!(list(&last), plain(&last));
    }

    #[test]
    fn a_shorter_range_may_come_last() {
        let ranges = [IdRange::claimed(142, 142), IdRange::claimed(1, 1)];
        let ids: Ids = ranges.into_iter().map(Result::unwrap).collect();
        assert_eq!(list(&ids), plain(&ids));
    }

    proptest! {
        #[test]
        fn the_list_is_that_of_a_serialiser(
            ranges in prop::collection::vec((0u32..63, any::<u64>(), 1i64..350), 1..4),
        ) {
            let ranges = ranges.into_iter().map(|(shift, bits, size)| {
                let end = i64::try_from((bits >> 1) >> shift).unwrap().max(size);
                IdRange::claimed(end, size).unwrap()
            });
            let mut ids: Ids = ranges.collect();
            ids.sort_by_key(IdRange::first);
            prop_assert_eq!(list(&ids), plain(&ids));
        }
    }
}
