//! The sources below `src/`, read as text: what of them is code, and which names it uses. Comments and string literals
//! are left out, everything else counts.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) layer: String,
    pub(crate) code: String,
}

impl Source {
    /// The code above the unit tests; nothing for a file or a folder of tests (`…_tests.rs`, `…_tests/`).
    pub(crate) fn without_tests(&self) -> &str {
        let is_tests = |part: &OsStr| {
            let name = part.to_string_lossy();
            name.trim_end_matches(".rs").ends_with("tests")
        };
        if self.path.iter().any(is_tests) {
            return "";
        }
        self.code.split("#[cfg(test)]\nmod ").next().unwrap_or("")
    }
}

pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).unwrap().to_path_buf();
                let layer = inside.iter().next().unwrap().to_str().unwrap();
                found.push(Source {
                    layer: layer.trim_end_matches(".rs").to_owned(),
                    code: without_comments_and_strings(&std::fs::read_to_string(&path).unwrap()),
                    path: inside,
                });
            }
        }
    }
    found
}

/// Blanks comments and string literals, which may speak of anything.
fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut kept = String::new();
    let mut at = 0;
    let end_of = |from: usize, pattern: &str| {
        let end = text[from..].find(pattern);
        end.map_or(text.len(), |end| from + end + pattern.len())
    };
    while at < bytes.len() {
        let rest = &text[at..];
        if rest.starts_with("//") {
            at = end_of(at, "\n");
            kept.push('\n');
        } else if rest.starts_with("/*") {
            at = end_of(at + 2, "*/");
        } else if rest.starts_with("r#\"") {
            at = end_of(at + 3, "\"#");
        } else if rest.starts_with("'\"'") {
            at += 3;
        } else if rest.starts_with('"') {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 1;
            kept.push_str("\"\"");
        } else {
            let letter = rest.chars().next().unwrap();
            kept.push(letter);
            at += letter.len_utf8();
        }
    }
    kept
}

/// The names which follow `prefix` (`crate::`), with `crate::{a, b::c}` taken apart.
pub(crate) fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let word =
            |text: &str| -> String { text.trim().chars().take_while(|&c| is_word(c)).collect() };
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, 0);
            for (index, letter) in group.char_indices() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        names.insert(word(&group[start..index]));
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.insert(word(&group[start..index]));
                        start = index + 1;
                    }
                    _ => {}
                }
            }
        } else {
            names.insert(word(rest));
        }
    }
    names.remove("");
    names
}

/// Whether `word` stands in `code` as a path's first part (`word::`) or after `use`.
pub(crate) fn names_crate(code: &str, word: &str) -> bool {
    let boundary = |letter: Option<char>| {
        letter.is_none_or(|letter| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
    };
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + word.len()..];
        boundary(before)
            && (after.starts_with("::")
                || (code[..at].ends_with("use ") && after.starts_with([';', ' '])))
    })
}

#[test]
fn the_reader_of_sources_leaves_out_what_is_not_code() {
    let text = "use a; // sea_orm::x\nlet b = \"sea_orm::y\"; /* sea_orm::z */ r#\"sea_orm::\"#";
    assert!(!names_crate(&without_comments_and_strings(text), "sea_orm"));
    assert!(names_crate("use sea_orm::Database;", "sea_orm"));
    assert!(!names_crate("use actix_web::App;", "actix"));
    let named = named_after(
        "use crate::{a::{x, y}, b, c as d}; crate::e::f()",
        "crate::",
    );
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "e"]);
}
