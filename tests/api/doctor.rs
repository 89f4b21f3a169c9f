//! `id-alloc doctor`: what is wrong with a table is named, all of it, with what to do.

use crate::support::database::TestDatabase;
use crate::support::run::Run;
use crate::support::server::{Output, Server, cli, prepare, run};
use crate::support::{PATIENCE, eventually};
use tempfile::TempDir;

async fn doctor(url: &str, more: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let call = [&["doctor"], more].concat();
    run(directory.path(), &[("database.url", url)], &call).await
}

/// It says that the table is not safe, for this reason, and what to do.
#[track_caller]
fn names(output: &Output, code: i32, parts: &[&str]) {
    for part in parts {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    assert_eq!(output.code, Some(code), "{}", output.stdout);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn each_fault_of_a_table_is_named_with_what_to_do() {
    for (fault, more, parts) in [
        (
            &["ALTER TABLE segments MODIFY max_id INT NOT NULL"][..],
            &[][..],
            &[
                "max_id is int",
                "ALTER TABLE `segments` MODIFY max_id BIGINT NOT NULL;",
            ][..],
        ),
        (
            &["ALTER TABLE segments DROP PRIMARY KEY"],
            &[],
            &[
                "biz_tag is not unique",
                "ALTER TABLE `segments` ADD UNIQUE KEY (biz_tag);",
            ],
        ),
        (
            &["ALTER TABLE segments ENGINE = MyISAM"],
            &[],
            &[
                "its engine is MyISAM",
                "ALTER TABLE `segments` ENGINE = InnoDB;",
            ],
        ),
        (
            &["ALTER TABLE segments DROP COLUMN claimed_on"],
            &[],
            &[
                "the guard is off",
                "lacks claimed_on: run `id-alloc migrate up`",
            ],
        ),
        (
            &[
                "CREATE TABLE orders (id BIGINT PRIMARY KEY)",
                "INSERT INTO orders VALUES (3), (4711)",
            ],
            &["--in-use", "order=orders.id"],
            &[
                "orders.id holds ids up to 4711",
                "id-alloc tag advance order --to 4712 --now",
            ],
        ),
        (
            &["UPDATE segments SET claimed_on = 'another' WHERE biz_tag = 'order'"],
            &[],
            &[
                "on 2 database servers",
                "\"another\" (1 row)",
                "read_only = ON",
            ],
        ),
        // All of them, not only the first.
        (
            &["ALTER TABLE segments ENGINE = MyISAM, MODIFY max_id INT NOT NULL, DROP PRIMARY KEY"],
            &[],
            &[
                "its engine is MyISAM",
                "max_id is int",
                "biz_tag is not unique",
            ],
        ),
    ] {
        let database = TestDatabase::on_mariadb().await;
        let url = database.url();
        prepare(&url, &[("order", 0, 100), ("refund", 0, 100)]).await;
        let healthy = doctor(&url, &[]).await;
        names(&healthy, 0, &["safe to serve from"]);
        database.execute(fault).await;
        let found = doctor(&url, more).await;
        names(&found, 1, parts);
        names(&found, 1, &["fault", "not safe to serve from"]);
        assert!(!found.stderr.contains("not safe"), "{}", found.stderr);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn what_the_doctor_says_to_do_makes_the_table_safe() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    prepare(&url, &[("order", 0, 100)]).await;
    database
        .execute(&[
            "CREATE TABLE orders (id BIGINT PRIMARY KEY)",
            "INSERT INTO orders VALUES (4711)",
            "ALTER TABLE segments ENGINE = MyISAM, MODIFY max_id INT NOT NULL, DROP PRIMARY KEY",
        ])
        .await;
    let call = ["--json", "doctor", "--in-use", "order=orders.id"];
    let directory = TempDir::new().unwrap();
    let found = run(directory.path(), &[("database.url", &url)], &call).await;
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["verdict"], "not_safe");
    for finding in found["findings"].as_array().unwrap() {
        let todo = finding["todo"].as_str().unwrap();
        if todo.starts_with("ALTER") {
            database.execute(&[todo]).await;
        }
    }
    cli(&url, &["tag", "advance", "order", "--to", "4712", "--now"]).await;
    names(
        &doctor(&url, &["--in-use", "order=orders.id"]).await,
        0,
        &["safe"],
    );
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn what_cannot_be_told_is_said_so() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    let missing = doctor(&url, &[]).await;
    names(&missing, 1, &["fault", "id-alloc migrate up"]);
    let nobody = doctor("mysql://root@127.0.0.1:1/none", &[]).await;
    assert_eq!(nobody.code, Some(2), "{}", nobody.stderr);
    assert!(
        nobody.stderr.contains("could not tell"),
        "{}",
        nobody.stderr
    );

    prepare(&url, &[("order", 0, 100)]).await;
    let mut fleet = Run::of(&["order"]);
    fleet.serve(&database, &[]).await;
    fleet.take(0, 0, 3).await;
    let seen = async || {
        let found = doctor(&url, &[]).await;
        found.stdout.contains("server ").then_some(found)
    };
    let found = eventually("the server is written down", PATIENCE, seen).await;
    names(&found, 0, &[env!("CARGO_PKG_VERSION"), "seen"]);

    // As a backup of this table would look an hour later.
    fleet.servers.clear();
    let hour = "UPDATE segments_heartbeat SET beat = beat - 3600000000";
    database.execute(&[hour]).await;
    // Not where everything was claimed after that, by a server that has only just started.
    names(&doctor(&url, &[]).await, 0, &["safe to serve from"]);
    let rows = "UPDATE segments SET paid_until = paid_until - 3600000000";
    database.execute(&[rows]).await;
    let found = doctor(&url, &[]).await;
    names(&found, 2, &["unsure", "tag advance --all --now --by"]);
    let advance = found.stdout.split("id-alloc tag advance").nth(1).unwrap();
    let advance: Vec<&str> = advance
        .split(" (")
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    cli(&url, &[&["tag", "advance"], &advance[..]].concat()).await;
    names(&doctor(&url, &[]).await, 0, &["safe"]);
}

#[tokio::test]
async fn a_file_is_examined_too_and_a_server_that_ends_is_taken_out() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("t.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    cli(&url, &["tag", "create", "order"]).await;
    names(&doctor(&url, &[]).await, 0, &["safe to serve from"]);
    let mut server = Server::on(&url).await;
    let there = async || {
        doctor(&url, &[])
            .await
            .stdout
            .contains("server ")
            .then_some(())
    };
    eventually("it is written down", PATIENCE, there).await;
    server.signal("INT");
    assert!(server.ended().await.success());
    assert!(!doctor(&url, &[]).await.stdout.contains("server "));
}
