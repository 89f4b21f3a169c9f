//! Migrations: several programs at once, and the embedded database, which migrates itself.

use crate::helpers::{Db, Take as _, ask, everywhere, on_servers, open};
use id_alloc::config::Database;
use id_alloc::storage::SegmentStore as _;
use migration::MigratorTraitSelf as _;

#[tokio::test(flavor = "multi_thread")]
async fn four_migrate_at_once() {
    everywhere(async |db| {
        let all: Vec<_> = (0..4)
            .map(|_| {
                let store = db.store();
                tokio::spawn(async move { store.migrate_up().await })
            })
            .collect();
        let mut applied = 0;
        for one in all {
            applied += one.await.unwrap().unwrap().len();
        }
        let all = db.store().migrate_status().await.unwrap();
        assert_eq!(applied, all.len(), "each of the migrations once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB"]
async fn who_migrates_is_safe_from_others_who_heed_no_lock() {
    on_servers(async |db| {
        // Behind Vitess the lock may exclude nobody.
        let others = (0..3).map(|_| {
            let url = db.url.clone();
            tokio::spawn(async move {
                let raw = crate::helpers::raw(&url).await;
                // Fails where another was faster.
                let _ = migration::Migrator::new("segments").up(&raw, None).await;
            })
        });
        let others: Vec<_> = others.collect();
        let ours = (0..3).map(|_| {
            let store = db.store();
            tokio::spawn(async move { store.migrate_up().await })
        });
        for one in ours.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
        }
        for other in others {
            other.await.unwrap();
        }
        let status = db.store().migrate_status().await.unwrap();
        assert!(status.iter().all(|(_, applied)| *applied), "{status:?}");
        assert!(db.ready().await.check().await.unwrap().guard_active);
    })
    .await;
}

#[tokio::test]
async fn the_embedded_default_makes_its_folder_and_a_tag_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/a/b/c.db?mode=rwc", folder.path().display());
    let url = url.parse().unwrap();
    let db = Db::sqlite().await;
    let settings = Database {
        url,
        ..db.settings()
    };
    for max_id in [100_000, 200_000] {
        let store = open(settings.clone());
        store.prepare_embedded().await.unwrap();
        assert_eq!(store.take(&ask("test")).await.unwrap().max_id, max_id);
        let report = store.check().await.unwrap();
        assert!(
            report.guard_active && report.warnings.is_empty(),
            "{report:?}"
        );
    }
}
