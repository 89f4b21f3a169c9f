//! Moving over from other systems: `tag import --from`, Leaf's table as it is, and the orders of steps in docs/migrate.md,
//! each with the old system at work beside this one.

use crate::support::checks::assert_distinct;
use crate::support::database::{TestDatabase, connect};
use crate::support::local::Local;
use crate::support::server::{Output, cli, prepare, run};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;

/// As Leaf makes it, with some tags.
const LEAF: &[&str] = &[
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

const TINYID: &[&str] = &[
    "CREATE TABLE tiny_id_info (
        id bigint(20) unsigned NOT NULL AUTO_INCREMENT, biz_type varchar(63) NOT NULL DEFAULT '',
        begin_id bigint(20) NOT NULL DEFAULT '0', max_id bigint(20) NOT NULL DEFAULT '0',
        step int(11) DEFAULT '0', delta int(11) NOT NULL DEFAULT '1', remainder int(11) NOT NULL DEFAULT '0',
        create_time timestamp NOT NULL DEFAULT '2010-01-01 00:00:00',
        update_time timestamp NOT NULL DEFAULT '2010-01-01 00:00:00', version bigint(20) NOT NULL DEFAULT '0',
        PRIMARY KEY (id), UNIQUE KEY uniq_biz_type (biz_type)) ENGINE=InnoDB",
    "CREATE TABLE tiny_id_token (
        id int(11) unsigned NOT NULL AUTO_INCREMENT, token varchar(255) NOT NULL DEFAULT '',
        biz_type varchar(63) NOT NULL DEFAULT '', remark varchar(255) NOT NULL DEFAULT '',
        create_time timestamp NOT NULL DEFAULT '2010-01-01 00:00:00',
        update_time timestamp NOT NULL DEFAULT '2010-01-01 00:00:00', PRIMARY KEY (id)) ENGINE=InnoDB",
    "INSERT INTO tiny_id_info (biz_type, begin_id, max_id, step, delta, remainder) VALUES
        ('order', 1, 300001, 100000, 1, 0), ('odd', 1, 1001, 10, 2, 1)",
    "INSERT INTO tiny_id_token (token, biz_type) VALUES
        ('0f673adf80504e2eaa552f5d791b644c', 'order'), ('0f673adf80504e2eaa552f5d791b644c', 'odd'), ('other', 'odd')",
];

/// `tag import --from …` of the tables in `source` into the table in `ours`.
async fn import(ours: &TestDatabase, source: &TestDatabase, arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let (url, source) = (ours.url(), source.url());
    let call = [&["tag", "import", "--source", &source, "--from"], arguments].concat();
    run(directory.path(), &[("database.url", &url)], &call).await
}

async fn databases() -> (TestDatabase, TestDatabase) {
    let (ours, source) = (
        TestDatabase::on_mariadb().await,
        TestDatabase::on_mariadb().await,
    );
    prepare(&ours.url(), &[]).await;
    (ours, source)
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn leafs_tags_begin_above_all_that_it_handed_out_and_an_import_can_be_repeated() {
    let (ours, source) = databases().await;
    source.execute(LEAF).await;
    let dry = import(&ours, &source, &["leaf", "--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert_eq!(
        dry.stdout,
        "big: the first id is 5000005, step 500000 (max_id 5)\n\
         order: the first id is 1070001, step 2000 (max_id 70001)\n\
         to be created 2, already there 0, different 0\n"
    );
    assert_eq!(ours.number("SELECT COUNT(*) FROM segments").await, 0);
    let done = import(&ours, &source, &["leaf"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let made = "created 2, already there 0, different 0\n";
    assert!(done.stdout.ends_with(made), "{}", done.stdout);
    let server = Local::on(&ours.url()).await;
    assert_eq!(server.ids("order", 1).await, [1_070_001]);
    let leaf = async |ids: i64| {
        let sql = format!("UPDATE leaf_alloc SET max_id = max_id + {ids} WHERE biz_tag = 'order'");
        source.execute(&[&sql]).await;
        import(&ours, &source, &["leaf", "--only", "order"]).await
    };
    let again = leaf(1_000_000).await;
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(
        again.stdout,
        "order: began at 1070001, a margin of 0 is left (max_id 1070001)\n\
         created 0, already there 1, different 0\n"
    );
    // However far the tag is by now: ids from its start on are in use.
    server.ids("order", 10_000).await;
    let late = leaf(1).await;
    assert_eq!(late.code, Some(64), "{}", late.stdout);
    let said =
        "biz_tag order began at 1070001, and the other system has passed that (max_id 1070002)";
    assert!(late.stderr.contains(said), "{}", late.stderr);
    cli(
        &ours.url(),
        &["tag", "set", "order", "--description", "mine"],
    )
    .await;
    let unsaid = leaf(0).await;
    assert!(
        unsaid.stderr.contains("does not say where it began"),
        "{}",
        unsaid.stderr
    );
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn tinyids_tags_and_tokens_come_over_and_its_clients_are_let_in_with_them() {
    let (ours, source) = databases().await;
    source.execute(TINYID).await;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tokens.toml").display().to_string();
    let call = ["tinyid", "--margin", "500", "--tokens", &file];
    let done = import(&ours, &source, &call).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(
        done.stdout,
        "odd: the first id is 1502, step 10 (max_id 1001, delta 2, remainder 1)\n\
         order: the first id is 300502, step 100000 (max_id 300001, delta 1, remainder 0)\n\
         created 2, already there 0, different 0\n"
    );
    let entries = std::fs::read_to_string(&file).unwrap();
    assert!(!entries.contains("0f673adf"), "{entries}");
    let settings = [
        ("database.url", &*ours.url()),
        ("wire.tinyid", "true"),
        ("alloc.tokens_file", &file),
    ];
    let server = Local::start(&settings).await;
    for (query, ids) in [
        (
            "bizType=order&token=0f673adf80504e2eaa552f5d791b644c",
            "300502",
        ),
        ("bizType=odd&token=0f673adf80504e2eaa552f5d791b644c", "1502"),
        ("bizType=odd&token=other", "1503"),
        ("bizType=order&token=other", ""),
    ] {
        let answer = server
            .get(&format!("/tinyid/id/nextIdSimple?{query}"))
            .await;
        assert_eq!(answer.body, ids, "{query}");
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn what_cannot_be_taken_over_is_said_and_nothing_is_written() {
    let (ours, source) = databases().await;
    source.execute(LEAF).await;
    source
        .execute(&[
            "INSERT INTO leaf_alloc (biz_tag, max_id, step) VALUES ('none', 1, 0), ('_x', 1, 1), ('minus', -5, 1)",
            "CREATE TABLE plain (id INT PRIMARY KEY)",
            "CREATE TABLE full (id INT PRIMARY KEY AUTO_INCREMENT)",
            "CREATE TABLE narrow (id SMALLINT UNSIGNED PRIMARY KEY AUTO_INCREMENT)",
            "INSERT INTO full VALUES (2147483000)",
        ])
        .await;
    for (call, said) in [
        (&["leaf"][..], "none: step is 0"),
        (&["leaf"], "a biz_tag may not begin with '_'"),
        (&["leaf"], "minus: max_id is \"-5\""),
        (
            &["leaf", "--only", "nosuch", "--only", "order"],
            "--only nosuch: there is none",
        ),
        (&["leaf", "--table", "nosuch"], "nosuch"),
        (&["leaf", "--table", "a`b"], "a`b"),
        (&["tinyid"], "tiny_id_info"),
        (&["auto-increment"], "--table orders"),
        (
            &["auto-increment", "--table", "plain"],
            "plain has no AUTO_INCREMENT column",
        ),
        (
            &["auto-increment", "--table", "full"],
            "give a smaller --margin",
        ),
    ] {
        let refused = import(&ours, &source, call).await;
        assert_ne!(refused.code, Some(0), "{call:?}: {}", refused.stdout);
        assert!(
            refused.stderr.contains(said),
            "{call:?}: {}",
            refused.stderr
        );
    }
    assert_eq!(ours.number("SELECT COUNT(*) FROM segments").await, 0);
    let done = import(&ours, &source, &["leaf", "--only", "order"]).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let call = ["auto-increment", "--table", "narrow", "--margin", "9"];
    let done = import(&ours, &source, &call).await;
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let limit = "SELECT id_limit FROM segments WHERE biz_tag = 'narrow'";
    assert_eq!(ours.number(limit).await, 65_536, "its column ends there");
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
