//! The commands besides `serve`, where they succeed.

use crate::support::database::TestDatabase;
use crate::support::server::{Output, Server, cli, prepare, run};
use tempfile::TempDir;
use tokio::task::JoinSet;

async fn status(url: &str) -> Output {
    let directory = TempDir::new().unwrap();
    run(
        directory.path(),
        &[("database.url", url)],
        &["migrate", "status"],
    )
    .await
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn who_may_not_see_what_is_applied_is_told_that() {
    let database = TestDatabase::on_mariadb().await;
    let (url, user) = (database.url(), format!("u{:08x}", fastrand::u32(..)));
    cli(&url, &["migrate", "up"]).await;
    database
        .execute(&[
            &format!("CREATE USER '{user}' IDENTIFIED BY 'p'"),
            &format!("GRANT SELECT, INSERT, UPDATE ON segments TO '{user}'"),
        ])
        .await;
    let output = status(&url.replace("root@", &format!("{user}:p@"))).await;
    assert_eq!(output.code, Some(77), "{}", output.stderr);
    assert_eq!(output.stdout, "");
    let told = output
        .stderr
        .contains("cannot see which migrations are applied");
    assert!(
        told && output.stderr.contains("segments_migrations"),
        "{}",
        output.stderr
    );
    database.execute(&[&format!("DROP USER '{user}'")]).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn migrate_up_is_idempotent_and_status_tells_before_and_after() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        let before = status(&url).await;
        assert_eq!(before.code, Some(65), "{}", before.stderr);
        assert!(
            before.stderr.contains("run `id-alloc migrate up`"),
            "{}",
            before.stderr
        );
        let before = before.stdout;
        cli(&url, &["migrate", "up"]).await;
        let after = cli(&url, &["migrate", "status"]).await;
        assert_ne!(before, after);
        cli(&url, &["migrate", "up"]).await;
        assert_eq!(cli(&url, &["migrate", "status"]).await, after);
        let columns = "SELECT COUNT(*) FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = 'segments' \
             AND column_name IN ('claimed_to', 'claimed_on', 'retired_at')";
        assert_eq!(database.number(columns).await, 3);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn the_table_and_its_companions_carry_the_configured_name() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    let directory = TempDir::new().unwrap();
    let settings = [("database.url", url.as_str()), ("database.table", "ids")];
    for call in [&["migrate", "up"][..], &["tag", "create", "test"]] {
        let output = run(directory.path(), &settings, call).await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }
    let server = Server::start(&settings).await;
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    let tables = "SELECT COUNT(*) FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name NOT LIKE 'ids%'";
    assert_eq!(database.number(tables).await, 0);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_tag_is_created_shown_listed_and_set() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        cli(&url, &["migrate", "up"]).await;
        let create = ["tag", "create", "order"];
        let rest = ["--start", "500", "--step", "77", "--description", "sold"];
        cli(&url, &[&create[..], &rest].concat()).await;
        cli(&url, &["tag", "create", "plain"]).await;

        let shown = cli(&url, &["tag", "show", "order"]).await;
        for part in ["order", "500", "77", "sold"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let listed = cli(&url, &["tag", "list"]).await;
        assert!(listed.contains("order") && listed.contains("plain"));

        let set = ["tag", "set", "order", "--step", "88"];
        cli(&url, &set).await;
        let step = "SELECT step FROM segments WHERE biz_tag = 'order'";
        assert_eq!(database.number(step).await, 88);

        let server = Server::on(&url).await;
        assert_eq!(server.get("/alloc?biz_tag=order").await.ids(), [500]);
        assert_eq!(server.get("/alloc?biz_tag=plain").await.ids(), [1]);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_tag_is_created_once_and_with_a_name_and_numbers_that_can_serve() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    prepare(&url, &[("order", 0, 10)]).await;
    let directory = TempDir::new().unwrap();
    let calls: [&[&str]; 5] = [
        &["tag", "create", "order"],
        &["tag", "create", "_reserved"],
        &["tag", "create", "zero", "--step", "0"],
        &["tag", "create", "negative", "--start=-1"],
        &["tag", "show", "nobody"],
    ];
    for call in calls {
        let output = run(directory.path(), &[("database.url", &url)], call).await;
        assert_ne!(output.code, Some(0), "{call:?}: {}", output.stdout);
        assert_ne!(output.code, Some(70), "{call:?}: {}", output.stderr);
        assert!(!output.stderr.trim().is_empty(), "{call:?}");
    }
    assert_eq!(database.number("SELECT COUNT(*) FROM segments").await, 1);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn advance_only_raises_and_names_the_first_id_to_be_claimed() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        prepare(&url, &[("order", 100, 10)]).await;
        let by = cli(&url, &["tag", "advance", "order", "--by", "900"]).await;
        assert!(by.contains("1000"), "{by}");
        let to = ["tag", "advance", "order", "--to", "5000", "--now"];
        let to = cli(&url, &to).await;
        assert!(to.contains("5000") && to.contains("from now on"), "{to}");

        let directory = TempDir::new().unwrap();
        let lower = ["tag", "advance", "order", "--to", "4999"];
        let output = run(directory.path(), &[("database.url", &url)], &lower).await;
        assert_ne!(output.code, Some(0), "{}", output.stdout);

        let max_id = "SELECT max_id FROM segments WHERE biz_tag = 'order'";
        assert_eq!(database.number(max_id).await, 5000);
        let server = Server::on(&url).await;
        assert_eq!(server.get("/alloc?biz_tag=order").await.ids(), [5000]);
    }
}

#[tokio::test]
async fn config_check_prints_what_counts_without_the_password() {
    let directory = TempDir::new().unwrap();
    let url = "mysql://someone:s3cr3tw0rd@db.example:3307/ids";
    let settings = [("database.url", url), ("limits.max_count", "123")];
    let output = run(directory.path(), &settings, &["config", "check"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let all = output.stdout + output.stderr.as_str();
    assert!(all.contains("123") && all.contains("db.example"), "{all}");
    assert!(!all.contains("s3cr3tw0rd"), "{all}");
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn four_migrations_at_once_on_an_empty_database_all_end_well() {
    for database in TestDatabase::on_all().await {
        for _ in 0..3 {
            database
                .execute(&["DROP TABLE IF EXISTS segments, segments_migrations"])
                .await;
            let mut running = JoinSet::new();
            for _ in 0..4 {
                let url = database.url();
                running.spawn(async move {
                    let directory = TempDir::new().unwrap();
                    let settings = [("database.url", url.as_str())];
                    run(directory.path(), &settings, &["migrate", "up"]).await
                });
            }
            for output in running.join_all().await {
                assert_eq!(output.code, Some(0), "{}", output.stderr);
            }
            cli(&database.url(), &["tag", "create", "test"]).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn guard_status_tells_of_each_tag_where_and_how_far_it_was_claimed_and_its_moves() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    prepare(
        &url,
        &[("order", 0, 10), ("idle", 700, 10), ("lost", 0, 10)],
    )
    .await;
    let server = Server::on(&url).await;
    server.ids("order", 100).await;
    server.ids("lost", 1).await;
    // No claim that is under way meets what is changed now.
    server.kill();
    database
        .execute(&[
            "UPDATE segments SET claimed_on = 'an old primary', moves = 2 WHERE biz_tag = 'lost'",
            "UPDATE segments SET max_id = 7 WHERE biz_tag = 'order'",
            "UPDATE segments SET claimed_on = '' WHERE biz_tag = 'idle'",
        ])
        .await;
    let status = cli(&url, &["guard", "status"]).await;
    assert!(status.contains("guard     on\n"), "{status}");
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name}: {status}"))
    };
    let order = line("order");
    assert!(order.contains("this database server"), "{status}");
    assert!(order.contains("gone backwards"), "{status}");
    assert!(line("idle").contains("700"), "{status}");
    assert!(line("idle").contains("nowhere yet"), "{status}");
    let moved = "    2  an old primary: the next claim moves it";
    assert!(line("lost").ends_with(moved), "{status}");
    let server = Server::on(&url).await;
    server.ids("order", 10_000).await;
    let status = cli(&url, &["guard", "status"]).await;
    let order = status.lines().find(|line| line.starts_with("order"));
    assert!(
        order.is_some_and(|line| line.ends_with("    1  this database server")),
        "{status}"
    );
}
