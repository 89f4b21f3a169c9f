//! First claims, whose tag's step is not known yet.

use crate::{
    helpers::{Db, Take as _, ask, everywhere, new},
    support::flavour::{Flavour, on_both},
    support::own_database::OwnDatabase,
};
use id_alloc::storage::{StoreError, TagAdministration as _};

#[tokio::test]
async fn a_step_that_was_guessed_wrong_is_read_and_nothing_is_claimed_with_it() {
    everywhere(async |db| {
        let store = db.ready().await;
        for name in ["a", "b", "c", "d"] {
            store.create(&new(name, 0, 100)).await.unwrap();
        }
        store.create(&new("other", 500, 7)).await.unwrap();
        for name in ["a", "b", "c"] {
            assert_eq!(store.take(&ask(name)).await.unwrap().max_id, 100);
        }
        // The next is tried with 100.
        let claim = store.take(&ask("other")).await.unwrap();
        assert_eq!(
            (claim.step, claim.range.first(), claim.max_id),
            (7, 500, 507)
        );
        assert_eq!(store.take(&ask("d")).await.unwrap().max_id, 100);
        assert_eq!(store.take(&ask("nope")).await, Err(StoreError::UnknownTag));
        let sum = "SELECT CAST(SUM(max_id) AS SIGNED) FROM segments WHERE biz_tag <> 'test'";
        assert_eq!(db.number(sum).await, 4 * 100 + 507);
    })
    .await;
}

on_both!(tags_of_one_step_cost_a_statement_each_once_that_is_seen);

async fn tags_of_one_step_cost_a_statement_each_once_that_is_seen(flavour: Flavour) {
    let server = OwnDatabase::start(flavour, &[]).await;
    let db = Db::mysql(&server.url()).await;
    let store = db.ready().await;
    for number in 0..20 {
        store
            .create(&new(&format!("t{number}"), 0, 50))
            .await
            .unwrap();
    }
    let mut read = Vec::new();
    for number in 0..20 {
        let before = db.status("Com_select").await;
        let claim = store.take(&ask(&format!("t{number}"))).await.unwrap();
        assert_eq!((claim.step, claim.max_id), (50, 50));
        read.push(db.status("Com_select").await - before);
    }
    assert_eq!(read[3..], [0; 17], "{read:?}");
    db.drop().await;
}
