//! Tests of `quotas.rs`.

use super::*;
use crate::auth::TokenHash;

fn token(per_second: Option<u64>, per_day: Option<u64>) -> AllocToken {
    AllocToken {
        name: "shop".to_owned(),
        tags: vec!["*".to_owned()],
        ids_per_second: per_second,
        ids_per_day: per_day,
        hash: TokenHash::of("x"),
    }
}

const NOON: Duration = Duration::from_secs(20_000 * DAY + DAY / 2);

#[test]
fn over_a_minute_it_holds_within_five_percent_however_requests_come() {
    for (quota, count) in [(1000, 1), (1000, 37), (1000, 2500), (7, 3), (1, 1)] {
        let token = token(Some(quota), None);
        let (mut all, start) = (All::default(), Instant::now());
        let mut taken = 0;
        // Far more is asked for than is allowed.
        for step in 0..600_000_u64 {
            let now = start + Duration::from_micros(step * 100);
            let used = all.holder("shop", now, NOON).entry("order", now, NOON);
            if used.take(&token, count, now, NOON).is_ok() {
                taken += count;
            }
        }
        let (wanted, most) = (quota * 60, quota * 63);
        assert!((wanted..=most).contains(&taken), "{quota} {count}: {taken}");
    }
}

#[test]
fn the_wait_it_names_is_enough() {
    let token = token(Some(100), None);
    let (mut all, now) = (All::default(), Instant::now());
    let used = all.holder("shop", now, NOON).entry("order", now, NOON);
    assert_eq!(used.take(&token, 250, now, NOON), Ok(()));
    let Err(Exceeded::PerSecond { wait, .. }) = used.take(&token, 50, now, NOON) else {
        panic!("it was let through");
    };
    assert_eq!(wait, Duration::from_millis(500));
    assert_eq!(used.take(&token, 50, now + wait, NOON), Ok(()));
    let most = used.take(&token, 251, now + 9 * wait, NOON);
    assert_eq!(
        most,
        Err(Exceeded::AtOnce {
            quota: 100,
            most: 250
        })
    );
}

#[test]
fn a_day_begins_at_midnight_and_each_tag_counts_by_itself() {
    let token = token(None, Some(10));
    let (mut all, now) = (All::default(), Instant::now());
    let mut take = |tag: &str, count, clock| {
        let used = all.holder("shop", now, clock).entry(tag, now, clock);
        used.take(&token, count, now, clock)
    };
    assert_eq!(take("a", 10, NOON), Ok(()));
    assert_eq!(take("b", 10, NOON), Ok(()));
    let wait = Duration::from_secs(DAY / 2);
    assert_eq!(
        take("a", 1, NOON),
        Err(Exceeded::PerDay { quota: 10, wait })
    );
    assert_eq!(take("a", 10, NOON + wait), Ok(()));
}

#[test]
fn refusals_of_names_that_nobody_has_take_no_room_and_are_one_line_a_second() {
    let (quotas, token) = (Quotas::default(), token(Some(10), None));
    assert_eq!(quotas.take(&token, "mine", 1), Ok(()));
    for number in 0..1000 {
        let refused = quotas.take(&token, &format!("random{number}"), 1000);
        assert!(matches!(refused, Err(Exceeded::AtOnce { .. })));
    }
    assert_eq!(quotas.all().holders["shop"].tags.len(), 1);
    let (mut holder, now) = (Holder::default(), Instant::now());
    assert_eq!((holder.say(now), holder.say(now)), (Some(0), None));
    assert_eq!(holder.say(now + SAID_EVERY), Some(1));
}

#[test]
fn a_name_that_nobody_made_takes_no_room_where_whoever_asked_goes_away_and_ids_of_a_tag_stay_counted()
 {
    let (quotas, token) = (Quotas::default(), token(None, Some(10)));
    drop(quotas.spend(&token, "nobody", 10, || false).unwrap());
    assert!(quotas.all().holders["shop"].tags.is_empty());
    drop(quotas.spend(&token, "order", 4, || true).unwrap());
    quotas.spend(&token, "order", 6, || true).unwrap().keep();
    assert!(quotas.spend(&token, "order", 1, || true).is_err());
    let other = quotas.spend(&token, "other", 10, || true).unwrap();
    other.give_back();
    assert!(quotas.spend(&token, "other", 10, || true).is_ok());
}

#[test]
fn what_could_not_be_handed_out_is_not_counted_and_takes_no_room() {
    let (quotas, token) = (Quotas::default(), token(Some(10), Some(10)));
    for _ in 0..100 {
        assert_eq!(quotas.take(&token, "none", 10), Ok(()));
        quotas.give_back(&token, "none", 10);
    }
    assert!(quotas.all().holders["shop"].tags.is_empty());
    for (tag, count) in [("a", 1), ("b", 9), ("c", 2)] {
        assert_eq!(quotas.take(&token, tag, count), Ok(()));
    }
    let most = [("b".to_owned(), 9), ("c".to_owned(), 2)].to_vec();
    assert_eq!(quotas.today("shop", 2), (most, 3));
    assert_eq!(quotas.today("other", 2), (Vec::new(), 0));
}
