//! Problems: collects every mistake, each with where it was written, before anything is refused; what a misspelt key
//! may have meant.

use std::fmt;

/// Where a value was written, as an operator finds it again: a file, a key of go-id-alloc's `alloc.json`, an
/// environment variable.
pub(super) type Origin = String;

/// The origin of a value in `config/default.toml`; a problem there is a bug of this program, or of two values together.
pub(super) const DEFAULT: &str = "built-in default";

/// Everything that is wrong with a configuration; displayed one line per problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// One line each: where it was written, the dotted key, what is wrong. Never a password.
    pub problems: Vec<String>,
}

/// Mistakes and warnings found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Problems {
    /// A problem with the value of one key.
    pub(super) fn at(&mut self, origin: &str, key: &str, message: impl fmt::Display) {
        self.general(format!("{origin}: {key}: {message}"));
    }

    /// A problem that belongs to no key, such as an unreadable file.
    pub(super) fn general(&mut self, message: String) {
        self.problems.push(one_line(&message));
    }

    /// Something legal that is likely not meant.
    pub(super) fn warn(&mut self, message: String) {
        self.warnings.push(one_line(&message));
    }

    /// Whether a problem with this key is recorded.
    pub(super) fn name(&self, key: &str) -> bool {
        let part = format!(": {key}: ");
        self.problems.iter().any(|problem| problem.contains(&part))
    }

    /// What was made and the warnings, or the error where there is any problem.
    pub(super) fn finish<T>(self, made: Option<T>) -> Result<(T, Vec<String>), ConfigError> {
        match made {
            Some(made) if self.problems.is_empty() => Ok((made, self.warnings)),
            _ => Err(ConfigError {
                problems: self.problems,
            }),
        }
    }
}

/// Keys and file names come from outside: no control character may break a line in two.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The candidate that a misspelt word is nearest to, at most a third of it away.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // Comparing takes time with the square of the length, and no key is that long.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    candidates
        .map(|candidate| (strsim::levenshtein(&word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| distance * 3 <= word.len().max(candidate.len()))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let keys = ["drain_delay", "port"];
        for (word, found) in [
            ("drain-delay", Some("drain_delay")),
            ("PORTS", Some("port")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys.into_iter()), found, "{word}");
        }
    }
}
