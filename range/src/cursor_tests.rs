//! A cursor and its owner, one step after the other. `tests/loom.rs` has what happens at once.

use super::*;

fn opened(first: i64, end: i64, remind_at: i64) -> Cursor {
    let cursor = Cursor::new();
    let mut closed = cursor.close().unwrap();
    assert!(closed.refill(IdRange::between(first, end)));
    assert!(closed.open(remind_at));
    cursor
}

fn ids(take: Take) -> Vec<i64> {
    match take {
        Take::Ids { range, .. } => range.iter().collect(),
        _ => Vec::new(),
    }
}

#[test]
fn it_hands_out_what_is_asked_for_or_nothing() {
    let cursor = opened(10, 15, NEVER);
    assert_eq!(ids(cursor.take(2)), [10, 11]);
    assert_eq!(cursor.take(4), Take::Short);
    assert_eq!(cursor.take(u64::MAX), Take::Short);
    assert_eq!(ids(cursor.take(3)), [12, 13, 14]);
    assert_eq!(cursor.take(1), Take::Short);
    assert_eq!(cursor.take(0), Take::Short, "0 asks whether one is left");
}

#[test]
fn a_closed_cursor_keeps_what_is_left_and_grants_it_to_its_owner_alone() {
    let cursor = opened(10, 15, NEVER);
    let mut closed = cursor.close().unwrap();
    assert_eq!(cursor.take(1), Take::Short);
    assert_eq!(closed.take(2).iter().collect::<Vec<_>>(), [10, 11]);
    let closed = cursor.close().unwrap();
    assert_eq!(closed.rest(), IdRange::between(12, 15), "left closed");
    assert!(closed.open(NEVER));
    assert_eq!(ids(cursor.take(1)), [12]);
}

#[test]
fn a_range_below_what_was_seen_is_refused() {
    let cursor = opened(10, 15, NEVER);
    let mut closed = cursor.close().unwrap();
    assert!(!closed.refill(IdRange::between(9, 20)));
    assert!(closed.refill(IdRange::between(12, 20)));
}

#[test]
fn a_revoked_cursor_gives_nothing_to_anyone_ever_again() {
    let cursor = opened(10, 15, NEVER);
    let mut closed = cursor.close().unwrap();
    assert_eq!(cursor.revoke(), Some(10));
    assert!(closed.take(2).is_empty());
    assert!(!closed.refill(IdRange::between(20, 30)));
    assert!(!closed.open(NEVER));
    assert!(cursor.close().is_none());
    assert_eq!((cursor.take(1), cursor.revoke()), (Take::Revoked, None));
    assert_eq!(cursor.rest(), None);
}

#[test]
fn one_reminder_is_sent_and_one_that_is_set_too_late_is_sent_by_the_next() {
    let cursor = opened(0, 100, 10);
    let reminds = |count| matches!(cursor.take(count), Take::Ids { remind: true, .. });
    assert!(!reminds(9));
    assert!(reminds(1));
    assert!(!reminds(1));
    cursor.remind_at(5);
    assert!(reminds(1), "the position is past it already");
    assert!(!reminds(1));
}

#[test]
fn the_last_ids_there_are_can_be_taken_and_nothing_comes_after_them() {
    let cursor = opened(i64::MAX - 3, i64::MAX, NEVER);
    assert_eq!(ids(cursor.take(2)), [i64::MAX - 3, i64::MAX - 2]);
    assert_eq!(ids(cursor.take(1)), [i64::MAX - 1]);
    assert_eq!(cursor.take(1), Take::Short);
    for _ in 0..2 {
        // Its closed word reads as revoked.
        if let Some(closed) = cursor.close() {
            assert!(closed.rest().is_empty());
            closed.open(NEVER);
        }
        assert!(!matches!(cursor.take(1), Take::Ids { .. }));
    }
    assert!(cursor.revoke().is_none_or(|position| position == i64::MAX));
}
