//! The layers of the architecture, held by looking at what each file names:
//! `main → cli → startup → everything`; http → the `Allocator`, configuration, metrics (the admin API: the store
//! trait too); redis → what http does and http's refusals; actors → the store trait, configuration, metrics; storage → configuration; all of them → domain, which
//! uses nothing of ours.
//!
//! It reads text, not types: comments and string literals are left out, everything else counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// For each layer (folder or file of `src/`) the layers whose names it may use, besides its own; all of them stand
/// above it. A layer that is missing here may use everything: `main`, `lib`, `startup`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("metrics", &["domain"]),
    ("auth", &[]),
    ("config", &["domain", "auth"]),
    ("storage", &["domain", "config"]),
    ("actors", &["domain", "config", "storage", "metrics"]),
    (
        "http",
        &["domain", "auth", "actors", "metrics", "config", "storage"],
    ),
    (
        "redis",
        &["domain", "auth", "actors", "metrics", "config", "http"],
    ),
    (
        "cli",
        &["startup", "auth", "config", "storage", "domain", "http"],
    ),
];

/// Crates that belong to some layers only.
const CONFINED: &[(&str, &[&str])] = &[
    ("sea_orm", &["storage"]),
    ("sea_orm_migration", &["storage"]),
    ("sqlx", &["storage"]),
    ("actix", &["actors", "main", "startup"]),
    ("actix_http", &["startup"]),
    ("actix_server", &["startup"]),
    ("actix_service", &["startup"]),
    ("actix_tls", &["startup"]),
    ("redis_protocol", &["redis"]),
    ("redis_client", &["cli"]),
    ("rustls", &["startup"]),
    ("webpki", &["startup"]),
    ("subtle", &["auth"]),
    ("actix_web", &["http", "main", "startup", "cli"]),
    ("tracing_actix_web", &["http", "startup"]),
    ("clap", &["cli", "main"]),
    ("ureq", &["cli", "http"]),
    ("csv", &["cli"]),
];

/// What the pure domain may name of other crates.
const DOMAIN_CRATES: &[&str] = &["std", "core", "id_alloc_range", "thiserror", "proptest"];

struct Source {
    path: PathBuf,
    layer: String,
    code: String,
}

fn sources() -> Vec<Source> {
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
fn named_after(code: &str, prefix: &str) -> BTreeSet<String> {
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
fn names_crate(code: &str, word: &str) -> bool {
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

impl Source {
    /// The code above the unit tests; nothing for a file of tests (`…_tests.rs`).
    fn without_tests(&self) -> &str {
        let stem = self.path.file_stem().and_then(|stem| stem.to_str());
        if stem.is_some_and(|stem| stem.ends_with("tests")) {
            return "";
        }
        self.code.split("#[cfg(test)]\nmod ").next().unwrap_or("")
    }
}

#[test]
fn no_two_layers_use_each_other() {
    let mut below = vec!["startup"];
    for (layer, used) in MAY_USE {
        for name in *used {
            assert!(
                below.contains(name),
                "{layer} may use {name}, which is not below it"
            );
        }
        below.push(layer);
    }
}

#[test]
fn each_layer_uses_only_those_below_it() {
    let sources = sources();
    let layers: BTreeSet<&str> = sources.iter().map(|source| source.layer.as_str()).collect();
    let mut broken = Vec::new();
    for source in &sources {
        let Some((_, allowed)) = MAY_USE.iter().find(|(layer, _)| *layer == source.layer) else {
            continue;
        };
        for used in named_after(source.without_tests(), "crate::") {
            let own = used == source.layer || !layers.contains(used.as_str());
            if !own && !allowed.contains(&used.as_str()) {
                broken.push(format!("{} uses {used}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn each_library_stays_in_its_layer() {
    let mut broken = Vec::new();
    for source in sources() {
        for (library, layers) in CONFINED {
            if names_crate(&source.code, library) && !layers.contains(&source.layer.as_str()) {
                broken.push(format!("{} names {library}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn no_actor_address_leaves_the_actors() {
    let word = |code: &str| {
        code.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .any(|word| ["Addr", "WeakAddr", "Recipient"].contains(&word))
    };
    let broken: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|source| source.layer != "actors" && word(&source.code))
        .map(|source| source.path)
        .collect();
    assert!(broken.is_empty(), "Addr is named in {broken:#?}");
}

#[test]
fn http_and_actors_know_the_store_only_as_a_trait() {
    let broken: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|source| ["http", "actors"].contains(&source.layer.as_str()))
        .filter(|source| source.without_tests().contains("storage::sql"))
        .map(|source| source.path)
        .collect();
    assert!(broken.is_empty(), "storage::sql is named in {broken:#?}");
}

#[test]
fn of_http_the_admin_api_and_what_makes_tags_alone_know_the_store() {
    let knows =
        |path: &Path| path.starts_with("http/admin") || path == Path::new("http/wire/new_tags.rs");
    let broken: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|source| source.layer == "http" && !knows(&source.path))
        .filter(|source| named_after(source.without_tests(), "crate::").contains("storage"))
        .map(|source| source.path)
        .collect();
    assert!(broken.is_empty(), "storage is named in {broken:#?}");
}

#[test]
fn of_http_the_command_line_knows_the_shapes_of_bodies_alone() {
    let broken: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|source| source.layer == "cli")
        .filter(|source| {
            // The client's crate `http` is another.
            let code = source.without_tests().replace("ureq::http::", "");
            code.matches("http::").count() != code.matches("http::model").count()
        })
        .map(|source| source.path)
        .collect();
    assert!(broken.is_empty(), "more than http::model in {broken:#?}");
}

#[test]
fn of_http_redis_knows_what_it_shares_alone() {
    let shared = ["Refused", "Refused as Reason", "Shared"];
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.layer == "redis") {
        for (at, _) in source.without_tests().match_indices("http::") {
            let rest = &source.without_tests()[at + "http::".len()..];
            let name = rest.split([',', ';', '>', '}', '\n']).next().unwrap();
            if !shared.contains(&name) {
                broken.push(format!("{} uses http::{name}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_domain_is_pure() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.layer == "domain") {
        let code = source.without_tests();
        for line in code.lines() {
            let line = line.trim().trim_start_matches("pub ");
            if let Some(path) = line.strip_prefix("use ") {
                let first = path.split([':', ';', ' ']).next().unwrap();
                let ours = ["crate", "self", "super"].contains(&first);
                let module = first
                    .chars()
                    .all(|letter| letter.is_lowercase() || letter == '_');
                if !ours && module && !DOMAIN_CRATES.contains(&first) {
                    let is_sibling = sources().iter().any(|other| {
                        other.layer == "domain"
                            && other.path.file_stem().is_some_and(|stem| stem == first)
                    });
                    if !is_sibling {
                        broken.push(format!("{} uses {first}", source.path.display()));
                    }
                }
            }
        }
        for impure in [
            "async fn",
            ".await",
            "Instant::now",
            "SystemTime::now",
            "std::fs",
            "std::net",
        ] {
            if code.contains(impure) {
                broken.push(format!("{} contains {impure}", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
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
