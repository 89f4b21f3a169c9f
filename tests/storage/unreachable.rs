//! A database that cannot be reached or lets nobody in: which it is, why, and no password.

use crate::helpers::{Db, Take as _, ask, on_servers, open};
use crate::support::ports::reserved_port;
use id_alloc::config::Database;
use id_alloc::storage::{Listing, SegmentStore as _, StoreError, TagAdministration as _, Unusable};
use std::time::Duration;

#[tokio::test]
async fn an_unreachable_server_is_named_with_the_reason_by_everything_that_needs_it() {
    let nobody = reserved_port();
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for (port, why) in [
        (nobody, "Connection refused"),
        (silent_port, "no answer within 0.2 s"),
    ] {
        let db = Db::sqlite().await;
        let store = open(Database {
            url: format!("mysql://u:geheim@127.0.0.1:{port}/db")
                .parse()
                .unwrap(),
            acquire_timeout: Duration::from_millis(200),
            ..db.settings()
        });
        for error in [
            store.take(&ask("test")).await.unwrap_err(),
            store.list(&Listing::page(None, 1)).await.unwrap_err(),
            store.check().await.unwrap_err(),
            store.ping().await.unwrap_err(),
            store.migrate_up().await.unwrap_err(),
            store.migrate_status().await.unwrap_err(),
        ] {
            let StoreError::Transient(text) = error else {
                panic!("{error:?}")
            };
            let place = format!("cannot reach mysql://u@127.0.0.1:{port}/db: {why}");
            assert!(text.starts_with(&place), "{text}");
            assert!(
                text.contains("check that the database runs there"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_refused_password_and_database_are_permanent_and_never_shown() {
    on_servers(async |db| {
        let at = db.url.rsplit_once('@').unwrap().1;
        let wrong = |url: String| {
            open(Database {
                url: url.parse().unwrap(),
                ..db.settings()
            })
        };
        let denied = wrong(format!("mysql://nobody:geheim@{at}"))
            .check()
            .await
            .unwrap_err();
        assert!(
            matches!(denied, StoreError::Unusable(Unusable::AccessDenied(_))),
            "{denied:?}"
        );
        assert!(!format!("{denied:?}").contains("geheim"));
        let gone = wrong(format!("{}x", db.url)).check().await.unwrap_err();
        assert!(
            matches!(gone, StoreError::Unusable(Unusable::WrongDatabase(_))),
            "{gone:?}"
        );
    })
    .await;
}
