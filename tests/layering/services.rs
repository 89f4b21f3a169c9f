//! Tests that need a database say so by `#[ignore = "needs …"]`: `./scripts/test quick` runs where there is none.

use std::fs;
use std::path::{Path, PathBuf};

/// What begins a database, or needs one that runs.
const BEGIN: &[&str] = &["on_servers(", "OwnDatabase::", "Replicated::", "Galera::"];

#[test]
fn tests_that_need_a_database_are_left_out_of_the_quick_run() {
    let (mut seen, mut broken) = (0, Vec::new());
    for path in tests() {
        let text = fs::read_to_string(&path).unwrap();
        let bodies = text.split("test]\n").skip(1);
        for test in bodies.filter_map(|rest| rest.split("\n}\n").next()) {
            let Some((attributes, body)) = test.split_once("fn ") else {
                continue;
            };
            if !BEGIN.iter().any(|begin| body.contains(begin)) {
                continue;
            }
            seen += 1;
            if !attributes.contains("#[ignore") {
                let name = body.split('(').next().unwrap();
                broken.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(seen > 20, "the helpers have other names: {seen}");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The files of the tests that begin servers.
fn tests() -> impl Iterator<Item = PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folders = ["api", "storage", "actors"].map(|folder| root.join(folder));
    let entries = folders
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
}
