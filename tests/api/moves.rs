//! Moving over from other systems: Leaf's table as it is, a table that counts by itself, and the orders of steps in
//! docs/migrate.md, each with the old system at work beside this one. `moves_import.rs` has what `tag import --from` does.

use crate::support::checks::assert_distinct;
use crate::support::database::{TestDatabase, connect};
use crate::support::local::Local;
use crate::support::server::{Output, cli, prepare, run};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;

/// As Leaf makes it, with some tags.
pub(super) const LEAF: &[&str] = &[
    "CREATE TABLE leaf_alloc (
        biz_tag varchar(128) NOT NULL DEFAULT '',
        max_id bigint(20) NOT NULL DEFAULT '1',
        step int(11) NOT NULL,
        description varchar(256) DEFAULT NULL,
        update_time timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
        PRIMARY KEY (biz_tag)
    ) ENGINE=InnoDB",
    "INSERT INTO leaf_alloc (biz_tag, max_id, step, description) VALUES
        ('order', 70001, 2000, 'of the shop'), ('big', 5, 500000, NULL)",
];

/// `tag import --from …` of the tables in `source` into the table in `ours`.
pub(super) async fn import(
    ours: &TestDatabase,
    source: &TestDatabase,
    arguments: &[&str],
) -> Output {
    let directory = TempDir::new().unwrap();
    let (url, source) = (ours.url(), source.url());
    let call = [&["tag", "import", "--source", &source, "--from"], arguments].concat();
    run(directory.path(), &[("database.url", &url)], &call).await
}

pub(super) async fn databases() -> (TestDatabase, TestDatabase) {
    let (ours, source) = (
        TestDatabase::on_mariadb().await,
        TestDatabase::on_mariadb().await,
    );
    prepare(&ours.url(), &[]).await;
    (ours, source)
}

/// A claim as Leaf's server makes it.
async fn leaf_claims(leaf: &DatabaseConnection) -> std::ops::Range<i64> {
    let text = |sql: &str| Statement::from_string(DbBackend::MySql, sql);
    for sql in [
        "BEGIN",
        "UPDATE leaf_alloc SET max_id = max_id + step WHERE biz_tag = 'order'",
    ] {
        leaf.execute_unprepared(sql).await.unwrap();
    }
    let row = leaf
        .query_one_raw(text(
            "SELECT max_id, step FROM leaf_alloc WHERE biz_tag = 'order'",
        ))
        .await
        .unwrap()
        .unwrap();
    leaf.execute_unprepared("COMMIT").await.unwrap();
    let max_id: i64 = row.try_get_by_index(0).unwrap();
    let step: i32 = row.try_get_by_index(1).unwrap();
    max_id - i64::from(step)..max_id
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn leafs_table_is_used_as_it_is_while_leaf_goes_on_and_after_migrate_up_too() {
    for database in TestDatabase::on_all().await {
        database.execute(LEAF).await;
        let leaf = connect(&database.url()).await;
        let url = database.url();
        let settings = [
            ("database.url", &*url),
            ("database.table", "leaf_alloc"),
            ("wire.leaf", "true"),
        ];
        let mut ids: Vec<i64> = Vec::new();
        for round in 0..2 {
            let server = Local::start(&settings).await;
            for _ in 0..5 {
                ids.extend(leaf_claims(&leaf).await);
                // More than a segment, so that claims of both alternate.
                for _ in 0..3 {
                    ids.extend(server.ids("order", 1500).await);
                    let answer = server.get("/api/segment/get/order").await;
                    ids.push(answer.body.parse().expect(&answer.body));
                }
            }
            let directory = TempDir::new().unwrap();
            let call = ["tag", "set", "order", "--step", "3000000000"];
            let settings = [&settings[..], &[("allocation.max_step", "9000000000")]].concat();
            let refused = run(directory.path(), &settings, &call).await;
            assert_eq!(refused.code, Some(64), "{}", refused.stderr);
            assert!(
                refused.stderr.contains("from 1 to 2147483647"),
                "{}",
                refused.stderr
            );
            let list = run(directory.path(), &settings, &["tag", "list"]).await;
            assert!(list.stdout.contains("of the shop"), "{}", list.stderr);
            if round == 0 {
                let up = run(directory.path(), &settings, &["migrate", "up"]).await;
                assert_eq!(up.code, Some(0), "{}", up.stderr);
            } else {
                let guard = run(directory.path(), &settings, &["guard", "status"]).await;
                assert!(guard.stdout.contains("guard     on"), "{}", guard.stdout);
            }
        }
        assert_distinct(&ids);
        let step = "SELECT CAST(step AS SIGNED) FROM leaf_alloc WHERE biz_tag = 'order'";
        assert_eq!(database.number(step).await, 2000);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_table_that_counts_by_itself_is_written_by_old_and_new_programs_at_once() {
    let (ours, shop) = databases().await;
    shop.execute(&[
        "CREATE TABLE orders (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, made_by CHAR(3) NOT NULL)",
        "INSERT INTO orders (made_by) SELECT 'old' FROM (SELECT 1 UNION SELECT 2 UNION SELECT 3) AS t",
        "INSERT INTO orders (id, made_by) VALUES (900, 'old')",
        "DELETE FROM orders WHERE id = 900",
    ])
    .await;
    let done = import(
        &ours,
        &shop,
        &[
            "auto-increment",
            "--table",
            "orders=order",
            "--margin",
            "1000",
        ],
    )
    .await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        done.stdout,
        "order: the first id is 1901, step 1000 (AUTO_INCREMENT 901, largest id 3)\n\
         created 1, already there 0, different 0\n"
    );
    cli(&ours.url(), &["tag", "set", "order", "--limit", "1000000"]).await;
    // Old programs count on above a window that is left to new ones.
    shop.execute(&["ALTER TABLE orders AUTO_INCREMENT = 1000000"])
        .await;
    let server = Local::on(&ours.url()).await;
    let writer = connect(&shop.url()).await;
    let insert = async |sql: String| {
        let statement = Statement::from_string(DbBackend::MySql, sql);
        writer.execute_raw(statement).await.expect("no id twice");
    };
    for round in 0..2 {
        for _ in 0..50 {
            let id = server.ids("order", 1).await[0];
            if round == 0 {
                assert!(id < 1_000_000, "{id}");
                insert("INSERT INTO orders (made_by) VALUES ('old')".to_owned()).await;
            }
            insert(format!("INSERT INTO orders VALUES ({id}, 'new')")).await;
        }
        // The old programs are gone: what comes next lies above their rows.
        let next = shop.number("SELECT MAX(id) + 1 FROM orders").await;
        if round == 0 {
            assert_eq!(next, 1_000_050);
            cli(&ours.url(), &["tag", "set", "order", "--limit", "0"]).await;
            cli(
                &ours.url(),
                &[
                    "tag",
                    "advance",
                    "order",
                    "--to",
                    &next.to_string(),
                    "--now",
                ],
            )
            .await;
        }
        let claimed = server.ids("order", 2500).await;
        assert!(
            round == 1 || *claimed.last().unwrap() >= 1_000_050,
            "{claimed:?}"
        );
    }
    assert_eq!(shop.number("SELECT COUNT(*) FROM orders").await, 153);
}
