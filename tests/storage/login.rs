//! How MySQL lets its users in: by a hash that it keeps until it is restarted, else by the password, which is sent
//! encrypted with the server's RSA key where there is no TLS. An `alloc.json` of go-id-alloc says nothing of TLS.

mod on_mysql {
    use crate::helpers::{Db, Take as _, ask, open};
    use crate::support::flavour::Flavour;
    use crate::support::own_database::OwnDatabase;
    use id_alloc::config::Database;
    use id_alloc::storage::{StoreError, Unusable};

    #[tokio::test]
    #[ignore = "needs MySQL"]
    async fn who_comes_without_tls_is_let_in_also_after_the_server_was_restarted() {
        let mut server = OwnDatabase::start(Flavour::MySql, &[]).await;
        let db = Db::mysql(&server.url()).await;
        db.ready().await;
        for sql in [
            "CREATE USER app@'127.0.0.1' IDENTIFIED WITH caching_sha2_password BY 'geheim'",
            "CREATE USER old@'127.0.0.1' IDENTIFIED WITH sha256_password BY 'geheim'",
            "GRANT ALL ON *.* TO app@'127.0.0.1'",
            "GRANT ALL ON *.* TO old@'127.0.0.1'",
        ] {
            db.sql(sql).await;
        }
        let store = |user: &str| {
            let url = format!("{}?ssl-mode=DISABLED", db.url.replace("root@", user));
            open(Database {
                url: url.parse().unwrap(),
                ..db.settings()
            })
        };
        let mut end = 0;
        for _ in 0..2 {
            for user in ["app:geheim@", "old:geheim@"] {
                end += 100;
                let claim = store(user).take(&ask("test")).await;
                assert_eq!(claim.unwrap().max_id, end, "{user}");
            }
            let wrong = store("app:falsch@").take(&ask("test")).await;
            let is_refused = matches!(wrong, Err(StoreError::Unusable(Unusable::AccessDenied(_))));
            assert!(is_refused, "{wrong:?}");
            // It forgets the hashes.
            server.shut_down().await;
            server.restart().await;
        }
    }
}
