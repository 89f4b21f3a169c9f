//! `tag import --from`: the tags of Leaf and of tinyid, whose tokens come too, and of tables that count by themselves.

use super::moves::{LEAF, databases, import};
use crate::support::local::Local;
use crate::support::server::cli;
use tempfile::TempDir;

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
