//! What an operator may rely on about configuration: the shipped files are right, later layers win,
//! every mistake is named at once, go-id-alloc's file is taken, and no password is shown.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod documentation;
mod go_id_alloc;
mod layers;
mod mistakes;
mod shipped;

use std::{fs, path::PathBuf};

use id_alloc::config::{Config, ConfigError, Loaded};
use tempfile::TempDir;

/// A directory with one file in it.
struct File {
    _dir: TempDir,
    path: PathBuf,
}

fn file(name: &str, text: &str) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    File { _dir: dir, path }
}

fn load(file: Option<&File>, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(file.map(|file| file.path.as_path()), env)
}

fn config(file: Option<&File>, env: &[(&str, &str)]) -> Config {
    load(file, env).unwrap().config
}

/// The problems, without the directory of the file.
fn problems(file: Option<&File>, env: &[(&str, &str)]) -> Vec<String> {
    let dir = file.map_or(String::from("\0"), |f| {
        format!("{}/", f.path.parent().unwrap().display())
    });
    let error = load(file, env).unwrap_err();
    assert_eq!(error.to_string(), error.problems.join("\n"));
    error
        .problems
        .iter()
        .map(|problem| problem.replace(&dir, ""))
        .collect()
}

#[track_caller]
fn assert_named(problems: &[String], expected: &[&str]) {
    for part in expected {
        assert!(
            problems.iter().any(|p| p.contains(part)),
            "{part:?} not in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}
