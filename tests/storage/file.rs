//! SQLite's file is deleted, replaced or overwritten while a server has it open: nothing more is claimed, with a reason,
//! and who is started on what is there then repeats no id.

use crate::helpers::{Db, Take as _, ask, open};
use id_alloc::config::{Config, Database};
use id_alloc::storage::{SegmentStore as _, StoreError, Unusable};
use std::fs;
use std::path::{Path, PathBuf};

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn without_log(file: &Path) {
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(file, end));
    }
}

/// What the claim after the change is refused with, and what a server claims that is started on a file put in place.
async fn changed(change: impl FnOnce(&Path, &Path)) -> (String, PathBuf, Option<(i64, i64)>) {
    let db = Db::sqlite().await;
    let url = db.url.strip_prefix("sqlite://").unwrap();
    let file = PathBuf::from(url.split('?').next().unwrap());
    let backup = beside(&file, "-backup");
    let store = db.ready().await;
    store.beat().await.unwrap();
    db.sql(&format!("VACUUM INTO '{}'", backup.display())).await;
    let mut end = 0;
    for _ in 0..5 {
        end = store.take(&ask("test")).await.unwrap().max_id;
    }
    // It has the file open too.
    db.raw.close_by_ref().await.unwrap();
    change(&file, &backup);
    let Err(StoreError::Unusable(Unusable::WrongDatabase(why))) = store.take(&ask("test")).await
    else {
        panic!("it was not refused")
    };
    assert!(store.take(&ask("test")).await.is_err());
    assert!(store.check().await.is_err());
    assert!(store.beat().await.is_err());
    let first = match file.exists() {
        false => None,
        true => {
            let (claim, _, moved) = db.store().repair(&ask("test")).await;
            assert_eq!(moved, 1);
            Some((end, claim.range.first()))
        }
    };
    (why, file, first)
}

#[tokio::test]
async fn a_file_that_was_deleted_is_not_claimed_from_and_not_made_anew() {
    let (why, file, _) = changed(|file, _| {
        fs::remove_file(file).unwrap();
        without_log(file);
    })
    .await;
    assert!(why.contains("the file was deleted"), "{why}");
    assert!(why.contains("restart"), "{why}");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_backup_in_the_place_of_the_file_repeats_nothing() {
    let (why, _, claimed) = changed(|file, backup| {
        fs::rename(backup, file).unwrap();
        without_log(file);
    })
    .await;
    assert!(why.contains("the file was replaced"), "{why}");
    let (end, first) = claimed.unwrap();
    assert!(first >= end, "{first} {end}");
}

#[tokio::test]
async fn a_backup_over_the_file_repeats_nothing() {
    let (why, _, claimed) = changed(|file, backup| {
        fs::copy(backup, file).unwrap();
        without_log(file);
    })
    .await;
    assert!(why.contains("write-ahead log"), "{why}");
    let (end, first) = claimed.unwrap();
    assert!(first >= end, "{first} {end}");
}

#[tokio::test]
async fn a_file_that_was_deleted_before_a_start_is_not_made_anew_while_its_neighbour_says_that_it_was_there()
 {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.db");
    let settings = Database {
        url: format!("sqlite://{}?mode=rwc", file.display())
            .parse()
            .unwrap(),
        ..Config::default().database
    };
    let store = open(settings.clone());
    store.prepare_embedded().await.unwrap();
    store.take(&ask("test")).await.unwrap();
    store.close().await;
    fs::remove_file(&file).unwrap();
    for _ in 0..2 {
        let store = open(settings.clone());
        for refused in [
            store.prepare_embedded().await,
            store.prepare_new_file().await,
            store.migrate_up().await.map(drop),
        ] {
            let why = refused.unwrap_err().to_string();
            assert!(why.contains("t.db is gone"), "{why}");
        }
        // Nor does anything else that opens it make an empty one.
        store.check().await.unwrap_err();
        store.take(&ask("test")).await.unwrap_err();
        assert!(!file.exists());
    }
    // Who wants to begin anew says so.
    fs::remove_file(folder.path().join("t.db-claimed")).unwrap();
    let store = open(settings);
    store.prepare_embedded().await.unwrap();
    assert_eq!(store.take(&ask("test")).await.unwrap().range.first(), 1);
}
