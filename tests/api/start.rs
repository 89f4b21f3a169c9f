//! How servers start: what the start line says, several at once, and without their database.

use crate::support::checks::assert_distinct;
use crate::support::database::TestDatabase;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use crate::support::server::{Server, prepare};
use std::time::Duration;

#[tokio::test]
async fn the_embedded_default_serves_a_stranger_and_names_its_file() {
    let server = Server::start(&[]).await;
    let line = &server.start_line;
    let version = env!("CARGO_PKG_VERSION");
    assert!(line.starts_with(&format!(
        "id-alloc {version} listening on http://127.0.0.1:"
    )));
    let file = server.directory().path().join("data/id-alloc.db");
    assert!(line.contains(file.to_str().unwrap()), "{line}");
    assert!(
        line.ends_with(", 1 tags") || line.ends_with(", 1 tag"),
        "{line}"
    );
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn the_start_line_names_the_database_without_password_and_counts_tags() {
    for database in TestDatabase::on_all().await {
        let tags = [("a", 0, 10), ("b", 0, 10), ("c", 0, 10)];
        prepare(&database.url(), &tags).await;
        let server = Server::on(&database.url()).await;
        let line = &server.start_line;
        let url = url::Url::parse(&database.url()).unwrap();
        assert!(line.contains(", database mysql://"), "{line}");
        assert!(line.contains(url.path()), "{line}");
        assert!(line.ends_with(", 3 tags"), "{line}");
        if let Some(password) = url.password() {
            assert!(!line.contains(&format!(":{password}@")), "{line}");
        }
    }
}

#[tokio::test]
async fn ids_go_on_after_a_crash_of_the_embedded_server() {
    let first = Server::start(&[]).await;
    let mut ids = first.ids("test", 1000).await;
    let directory = first.directory();
    first.kill();
    let second = Server::start_in(directory, &[]).await;
    let more = second.ids("test", 1000).await;
    assert!(more[0] > ids[999]);
    ids.extend(more);
    assert_distinct(&ids);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn four_servers_at_once_on_an_empty_database_all_serve_once_it_is_migrated() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    let start = || Server::on(&url);
    let servers: [Server; 4] = tokio::join!(start(), start(), start(), start()).into();
    prepare(&url, &[("test", 0, 10)]).await;
    let mut ids = Vec::new();
    for server in &servers {
        let limit = Duration::from_secs(5);
        let answer = server.until("/alloc?biz_tag=test", 200, limit).await;
        ids.extend(answer.ids());
        ids.extend(server.ids("test", 100).await);
    }
    assert_distinct(&ids);
}

#[tokio::test]
async fn four_servers_at_once_in_one_empty_directory_share_the_embedded_database() {
    let directory = std::sync::Arc::new(tempfile::TempDir::new().unwrap());
    let start = || Server::start_in(directory.clone(), &[]);
    let servers: [Server; 4] = tokio::join!(start(), start(), start(), start()).into();
    let mut ids = Vec::new();
    for server in &servers {
        ids.extend(server.ids("test", 1000).await);
    }
    assert_distinct(&ids);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_server_started_before_its_database_serves_when_that_comes_up() {
    let mut database = OwnDatabase::prepare(Flavour::MariaDb, &[]).await;
    let url = format!("{}/ids", database.url());
    let server = Server::on(&url).await;
    let answer = server.get("/alloc?biz_tag=test").await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_ne!(answer.header("retry-after"), "");
    assert_eq!(server.get("/health").await.status, 503);
    assert_eq!(server.get("/readyz").await.status, 503);
    assert_eq!(server.get("/livez").await.status, 200);

    database.restart().await;
    database.holding(&[("test", 0, 10)]).await;
    let limit = Duration::from_secs(10);
    let answer = server.until("/alloc?biz_tag=test", 200, limit).await;
    assert_eq!(answer.ids(), [1]);
    server.until("/health", 200, limit).await;
    server.until("/readyz", 200, limit).await;
}
