//! `tag import`: thousands of tags, checked whole before the first is made, and again after an
//! interruption.

use crate::support::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::server::{Output, Server, cli, command, prepare, run};
use std::process::Stdio;
use tempfile::TempDir;

/// Imports a file with this text.
async fn import(url: &str, text: &str, more: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("tags.csv"), text).unwrap();
    let call = [&["tag", "import", "tags.csv"], more].concat();
    run(directory.path(), &[("database.url", url)], &call).await
}

/// So many tags, `t0` to …, with a start, a step and a description of their own.
fn many(count: usize) -> String {
    let line = |number| format!("t{number},{number},{},\"tag, no. {number}\"\n", number + 1);
    let lines: String = (0..count).map(line).collect();
    format!("biz_tag,start,step,description\n{lines}")
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn ten_thousand_tags_are_made_in_one_go_and_an_import_can_be_repeated() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        prepare(&url, &[]).await;
        let text = many(10_000);
        let dry = import(&url, &text, &["--dry-run"]).await;
        assert_eq!(dry.code, Some(0), "{}", dry.stderr);
        assert!(
            dry.stdout.starts_with("to be created 10000, "),
            "{}",
            dry.stdout
        );
        assert_eq!(database.number("SELECT COUNT(*) FROM segments").await, 0);

        let output = import(&url, &text, &[]).await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(
            output.stdout,
            "created 10000, already there 0, different 0\n"
        );
        // No terminal, no progress.
        let place = "written to table segments of mysql://";
        assert!(output.stderr.starts_with(place), "{}", output.stderr);
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        let right = "SELECT COUNT(*) FROM segments WHERE biz_tag = CONCAT('t', max_id) AND \
             step = max_id + 1 AND description = CONCAT('tag, no. ', max_id) AND claimed_on <> ''";
        assert_eq!(database.number(right).await, 10_000);

        let again = import(&url, &text, &[]).await;
        assert_eq!(again.code, Some(0), "{}", again.stderr);
        assert_eq!(
            again.stdout,
            "created 0, already there 10000, different 0\n"
        );
        let server = Server::on(&url).await;
        assert_eq!(server.get("/alloc?biz_tag=t777").await.ids(), [777]);
        // A tag that was claimed from meanwhile is no other one.
        let again = import(&url, &text, &["--json"]).await;
        assert_eq!(
            again.stdout,
            "{\"dry_run\":false,\"created\":0,\"identical\":10000,\"different\":[]}\n"
        );
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn with_a_wrong_line_nothing_is_written_and_every_one_is_named() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        prepare(&url, &[]).await;
        let long = "x".repeat(1025);
        let text = format!(
            "biz_tag,start,step,description\ngood,0,10,\n_bad,0,10,\na,0,ten,\nb,-1,10,\nc,0,0,\n\
             d,0,10\ngood,0,10,again\ne,0,10,{long}\nf,0,99999999999,\ngood2,,10,\n"
        );
        let output = import(&url, &text, &[]).await;
        assert_eq!(output.code, Some(64), "{}", output.stderr);
        for said in [
            "tags.csv:3: ",
            "tags.csv:4: step is \"ten\", which is not a whole number",
            "tags.csv:5: start is -1, it must be 0 to",
            "tags.csv:6: step is 0, but it must be from 1 to",
            "tags.csv:7: has 3 fields, but the first line has 4",
            "tags.csv:8: biz_tag good is in line 2 too",
            "tags.csv:9: description has 1025 characters",
            "tags.csv:10: step is 99999999999",
            "8 lines are wrong; nothing was written",
        ] {
            assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
        }
        assert_eq!(output.stderr.lines().count(), 9, "{}", output.stderr);
        assert_eq!(database.number("SELECT COUNT(*) FROM segments").await, 0);
        for (text, said) in [
            (
                "",
                "tags.csv:1: the column biz_tag is missing: biz_tag and step are required, start, ",
            ),
            (
                "order,1000\n",
                "tags.csv:1: the first line must name the columns",
            ),
        ] {
            let output = import(&url, text, &[]).await;
            assert_eq!(output.code, Some(64), "{}", output.stderr);
            assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
        }
    }
    let output = run(
        TempDir::new().unwrap().path(),
        &[],
        &["tag", "import", "/no/file"],
    )
    .await;
    assert_eq!(output.code, Some(64), "{}", output.stderr);
    assert!(
        output.stderr.contains("/no/file: No such file"),
        "{}",
        output.stderr
    );
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn tags_that_differ_are_reported_and_left_and_the_others_are_made() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        let there = [
            ("same", 5, 10),
            ("step", 0, 11),
            ("low", 3, 10),
            ("gone", 0, 10),
            ("back", 0, 10),
        ];
        prepare(&url, &there).await;
        let blind = "ALTER TABLE segments MODIFY biz_tag varchar(128) \
             CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL";
        database.execute(&[blind]).await;
        cli(&url, &["tag", "set", "step", "--description", "mine"]).await;
        for name in ["gone", "back"] {
            cli(&url, &["tag", "advance", name, "--to", "100"]).await;
            cli(&url, &["tag", "delete", name, "--confirm", name]).await;
        }
        let text = "step,biz_tag,start\n10,same,5\n10,step,0\n10,low,4\n10,gone,99\n10,back,100\n\
             10,new,1\n10,SAME,0\n";
        let dry = import(&url, text, &["--dry-run"]).await;
        assert_eq!(dry.code, Some(64), "{}", dry.stderr);
        assert_eq!(database.number("SELECT COUNT(*) FROM segments").await, 5);

        let output = import(&url, text, &[]).await;
        assert_eq!(output.code, Some(64), "{}", output.stderr);
        for said in [
            "tags.csv:3: biz_tag step exists with step 11, not 10",
            "tags.csv:4: biz_tag low exists with max_id 3, below the start 4",
            "tags.csv:5: biz_tag gone was deleted after ids below 100 had been claimed",
            // Another name, but not to the column's collation.
            "tags.csv:8: the column's collation treats biz_tag SAME as equal to",
            "4 tags differ from the file and were left as they are",
        ] {
            assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
        }
        assert_eq!(output.stdout, "created 2, already there 1, different 4\n");
        let live = "SELECT COUNT(*) FROM segments WHERE retired_at IS NULL";
        assert_eq!(database.number(live).await, 5);
        let untouched = "SELECT COUNT(*) FROM segments WHERE step = 11 AND description = 'mine'";
        assert_eq!(database.number(untouched).await, 1);
        let revived = "SELECT max_id FROM segments WHERE biz_tag = 'back' AND retired_at IS NULL";
        assert_eq!(database.number(revived).await, 100);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn an_import_that_was_killed_is_finished_by_the_next_one() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    prepare(&url, &[]).await;
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("tags.csv"), many(60_000)).unwrap();
    let settings = [("database.url", url.as_str())];
    let mut child = command(directory.path(), &settings)
        .args(["tag", "import", "tags.csv"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the first tags", PATIENCE, async || {
        (database.number("SELECT COUNT(*) FROM segments").await > 0).then_some(())
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let made = database.number("SELECT COUNT(*) FROM segments").await;
    let output = run(directory.path(), &settings, &["tag", "import", "tags.csv"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    // A statement that was under way when it was killed may have come through after the count.
    let summary = output.stdout.trim();
    let numbers: Vec<i64> = summary
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    assert_eq!(numbers[0] + numbers[1], 60_000, "{summary}");
    assert!(numbers[1] >= made, "{summary}, {made} before");
    assert_eq!(
        database.number("SELECT COUNT(*) FROM segments").await,
        60_000
    );
}

#[tokio::test]
async fn a_file_may_come_from_standard_input() {
    let directory = TempDir::new().unwrap();
    let migrated = run(directory.path(), &[], &["migrate", "up"]).await;
    assert_eq!(migrated.code, Some(0), "{}", migrated.stderr);
    for (text, code, said) in [
        ("biz_tag,step\norder,10\n", 0, "created 1, "),
        ("biz_tag,step\norder,ten\n", 64, "standard input:2: step"),
    ] {
        std::fs::write(directory.path().join("in"), text).unwrap();
        let input = std::fs::File::open(directory.path().join("in")).unwrap();
        let output = command(directory.path(), &[])
            .args(["tag", "import", "-"])
            .stdin(input)
            .output()
            .unwrap();
        let all = [output.stdout, output.stderr].concat();
        let all = String::from_utf8(all).unwrap();
        assert_eq!(output.status.code(), Some(code), "{all}");
        assert!(all.contains(said), "{said}: {all}");
    }
}
