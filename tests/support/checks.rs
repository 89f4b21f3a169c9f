//! The promises, checked over everything that was answered.

use std::collections::HashMap;
use std::time::Instant;

/// One request that was answered with ids.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Which server, the same number before and after its restart.
    pub(crate) server: usize,
    /// Which tag.
    pub(crate) tag: usize,
    /// Before the request was sent.
    pub(crate) sent: Instant,
    /// After the response was read.
    pub(crate) received: Instant,
    /// What came, in order.
    pub(crate) ids: Vec<i64>,
}

/// P1: no id of a tag was answered twice; and each answer ascends. Gives the number of ids.
pub(crate) fn assert_unique(answers: &[Answer]) -> usize {
    let mut by_tag: HashMap<usize, Vec<i64>> = HashMap::new();
    for answer in answers {
        let ascends = answer.ids.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(ascends, "not ascending: {answer:?}");
        by_tag.entry(answer.tag).or_default().extend(&answer.ids);
    }
    let mut count = 0;
    for (tag, ids) in &mut by_tag {
        count += ids.len();
        ids.sort_unstable();
        let twice = ids.windows(2).find(|pair| pair[0] == pair[1]);
        assert!(twice.is_none(), "tag {tag}: id answered twice: {twice:?}");
        assert!(ids.first().is_some_and(|&id| id > 0), "tag {tag}: id 0");
    }
    count
}

/// P1 for one list of ids.
pub(crate) fn assert_distinct(ids: &[i64]) {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    assert!(twice.is_none(), "id answered twice: {twice:?}");
}

/// P2 for all pairs per server and tag: an answer received before another request was sent has the
/// smaller ids. In O(n log n): requests in the order in which they were sent are held against the
/// greatest id of all answers received before.
pub(crate) fn assert_ordered(answers: &[Answer]) {
    let mut groups: HashMap<(usize, usize), Vec<&Answer>> = HashMap::new();
    for answer in answers {
        let group = groups.entry((answer.server, answer.tag)).or_default();
        group.push(answer);
    }
    for group in groups.values() {
        let mut by_sent = group.clone();
        by_sent.sort_by_key(|answer| answer.sent);
        let mut by_received = group.clone();
        by_received.sort_by_key(|answer| answer.received);
        let mut earlier = by_received.into_iter().peekable();
        let mut greatest: Option<(i64, &Answer)> = None;
        for answer in by_sent {
            while let Some(before) = earlier.next_if(|before| before.received < answer.sent) {
                let last = before.ids.iter().copied().max().unwrap_or(i64::MIN);
                if greatest.is_none_or(|(id, _)| last > id) {
                    greatest = Some((last, before));
                }
            }
            let first = answer.ids.iter().copied().min().unwrap_or(i64::MAX);
            if let Some((id, before)) = greatest {
                assert!(id < first, "P2 broken: {before:?} came before {answer:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// An answer to a request that was under way from `sent` to `received`, in milliseconds.
    fn answer(zero: Instant, server: usize, sent: u64, received: u64, ids: &[i64]) -> Answer {
        Answer {
            server,
            tag: 0,
            sent: zero + Duration::from_millis(sent),
            received: zero + Duration::from_millis(received),
            ids: ids.to_vec(),
        }
    }

    #[test]
    fn requests_that_overlap_and_other_servers_may_come_in_any_order() {
        let zero = Instant::now();
        let answers = [
            answer(zero, 0, 0, 10, &[5, 6]),
            answer(zero, 0, 9, 11, &[1, 2]),
            answer(zero, 0, 12, 13, &[7]),
            answer(zero, 1, 20, 21, &[3]),
        ];
        assert_ordered(&answers);
        assert_eq!(assert_unique(&answers), 6);
    }

    #[test]
    #[should_panic(expected = "P2 broken")]
    fn a_smaller_id_after_a_greater_one_is_found_though_others_lie_between() {
        let zero = Instant::now();
        assert_ordered(&[
            answer(zero, 0, 0, 1, &[9]),
            answer(zero, 0, 0, 5, &[2]),
            answer(zero, 0, 0, 6, &[3]),
            answer(zero, 0, 7, 8, &[4]),
        ]);
    }

    #[test]
    #[should_panic(expected = "answered twice")]
    fn an_id_that_two_servers_answered_is_found() {
        let zero = Instant::now();
        let twice = [
            answer(zero, 0, 0, 1, &[1, 2]),
            answer(zero, 1, 0, 1, &[2, 3]),
        ];
        assert_unique(&twice);
    }
}
