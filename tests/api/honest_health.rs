//! Health is green exactly when this server can serve, and tells strangers nothing of the database.

use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use crate::support::ports::reserved_port;
use crate::support::proxy::Proxy;
use crate::support::server::Server;
use crate::support::{PATIENCE, eventually};
use sea_orm::ConnectionTrait as _;

const UP: &str = "id_alloc_store_up ";

/// The URL of a user who may do what servers need, and no more.
async fn plain_user(root: &str) -> String {
    let admin = connect(root).await;
    for sql in [
        "CREATE USER app@'127.0.0.1' IDENTIFIED BY 'x'",
        "GRANT SELECT, INSERT, UPDATE ON segments TO app@'127.0.0.1'",
    ] {
        admin.execute_unprepared(sql).await.unwrap();
    }
    let mut url = url::Url::parse(root).unwrap();
    url.set_username("app").unwrap();
    url.set_password(Some("x")).unwrap();
    url.into()
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_database_that_takes_no_writes_is_red_once_no_ids_are_left_and_green_when_it_does() {
    let database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let root = database.holding(&[("test", 0, 10), ("other", 0, 10)]).await;
    let url = plain_user(&root).await;
    let server = Server::start(&[
        ("database.url", url.as_str()),
        ("database.statement_timeout", "500ms"),
        ("limits.request_deadline", "300ms"),
    ])
    .await;
    let admin = connect(&root).await;
    for (stop, go_on) in [
        ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"),
        ("FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"),
        (
            "REVOKE UPDATE ON segments FROM app@'127.0.0.1'",
            "GRANT UPDATE ON segments TO app@'127.0.0.1'",
        ),
    ] {
        server.until("/alloc?biz_tag=test", 200, PATIENCE).await;
        admin.execute_unprepared(stop).await.unwrap();
        eventually("red", PATIENCE, async || {
            // To the last one.
            while server.get("/alloc?biz_tag=test").await.status == 200 {}
            (server.get("/health").await.status == 503).then_some(())
        })
        .await;
        // It stays red while nobody asks for ids, and a balancer sends nobody.
        eventually(
            "a store that is known to take no writes",
            PATIENCE,
            async || {
                assert_eq!(server.get("/health").await.status, 503, "{stop}");
                (server.metric(UP).await? == 0.0).then_some(())
            },
        )
        .await;
        admin.execute_unprepared(go_on).await.unwrap();
        server.until("/health", 200, PATIENCE).await;
        server
            .until("/alloc?biz_tag=test&count=7", 200, PATIENCE)
            .await;
        assert_eq!(server.get("/health").await.status, 200, "{go_on}");
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn connections_that_were_cut_while_idle_are_no_database_that_is_lost() {
    let database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let url = database.holding(&[("test", 0, 1)]).await;
    let (proxy, url) = Proxy::before(&url).await;
    let settings = [("database.url", url.as_str()), ("allocation.refresh", "1s")];
    let server = Server::start(&settings).await;
    let checks = "id_alloc_store_ping_duration_seconds_count ";
    eventually("the first check", PATIENCE, async || {
        (server.metric(checks).await? > 0.0).then_some(())
    })
    .await;
    for _ in 0..4 {
        let before = server.metric(checks).await.unwrap();
        proxy.cut_open();
        eventually("another check", PATIENCE, async || {
            assert_eq!(server.metric(UP).await, Some(1.0), "{}", server.stderr());
            (server.metric(checks).await? > before).then_some(())
        })
        .await;
        assert_eq!(server.get("/alloc?biz_tag=test&count=20").await.status, 200);
    }
    let log = server.stderr();
    assert!(!log.contains("is lost") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn answers_tell_strangers_neither_where_the_database_is_nor_what_it_says() {
    let port = reserved_port();
    let url = format!("mysql://the_user:pw@127.0.0.1:{port}/the_schema?ssl-mode=disabled");
    let settings = [
        ("database.url", url.as_str()),
        ("database.acquire_timeout", "300ms"),
        ("limits.request_deadline", "300ms"),
    ];
    let server = Server::start(&settings).await;
    eventually("a log that says what is wrong", PATIENCE, async || {
        let log = server.stderr();
        (log.contains("the_user") && log.contains("the_schema")).then_some(())
    })
    .await;
    for path in [
        "/health",
        "/readyz",
        "/health?biz_tag=a",
        "/alloc?biz_tag=a",
        "/range?biz_tag=a&count=3",
    ] {
        let refused = server.until(path, 503, PATIENCE).await;
        for told in [
            "127.0.0.1",
            &port.to_string(),
            "the_user",
            "the_schema",
            "os error",
            "mysql",
        ] {
            assert!(!refused.body.contains(told), "{path}: {}", refused.body);
        }
    }
}
