//! The layers of the architecture, held by looking at what each file names:
//! `main → cli → startup → everything`; http → the `Allocator`, configuration, metrics (the admin API: the store
//! trait too); redis → what http does and http's refusals; actors → the store trait, configuration, metrics; storage →
//! configuration; all of them → domain, which uses nothing of ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests fails by panicking"
)]

mod services;
mod sources;

use sources::{Source, named_after, names_crate, sources};
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

/// The files of which this is so.
fn files_where(is_so: impl Fn(&Source) -> bool) -> Vec<PathBuf> {
    let broken = sources().into_iter().filter(is_so);
    broken.map(|source| source.path).collect()
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
    let broken = files_where(|source| source.layer != "actors" && word(&source.code));
    assert!(broken.is_empty(), "Addr is named in {broken:#?}");
}

#[test]
fn http_and_actors_know_the_store_only_as_a_trait() {
    let broken = files_where(|source| {
        ["http", "actors"].contains(&source.layer.as_str())
            && source.without_tests().contains("storage::sql")
    });
    assert!(broken.is_empty(), "storage::sql is named in {broken:#?}");
}

#[test]
fn of_http_the_admin_api_and_what_makes_tags_alone_know_the_store() {
    let knows =
        |path: &Path| path.starts_with("http/admin") || path == Path::new("http/wire/new_tags.rs");
    let broken = files_where(|source| {
        source.layer == "http"
            && !knows(&source.path)
            && named_after(source.without_tests(), "crate::").contains("storage")
    });
    assert!(broken.is_empty(), "storage is named in {broken:#?}");
}

#[test]
fn of_http_the_command_line_knows_the_shapes_of_bodies_alone() {
    let broken = files_where(|source| {
        // The client's crate `http` is another.
        let code = source.without_tests().replace("ureq::http::", "");
        source.layer == "cli"
            && code.matches("http::").count() != code.matches("http::model").count()
    });
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
