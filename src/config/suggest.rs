//! "Did you mean": the known key that a misspelt one is nearest to.

/// The candidate at most a third of `word` away from it, if any.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    // Comparing takes time with the square of the length, and no key is that long.
    if word.len() > 64 {
        return None;
    }
    candidates
        .map(|candidate| (distance(&word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| distance * 3 <= word.len().max(candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            let next = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *cell = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        let keys = ["drain_delay", "port"];
        assert_eq!(
            nearest("drain-delay", keys.into_iter()),
            Some("drain_delay")
        );
        assert_eq!(nearest("PORTS", keys.into_iter()), Some("port"));
        assert_eq!(nearest("colour", keys.into_iter()), None);
    }
}
