//! The drills of the runbook: a backup restored onto the same server, tags moved to another database, and ids in the
//! memory of servers dropped. No id comes twice, over all answers.

use crate::support::database::TestDatabase;
use crate::support::run::Run;
use crate::support::server::{Output, cli, prepare, run};
use crate::support::{PATIENCE, eventually, freeze, signal};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const ORDER: usize = 0;
const REFUND: usize = 1;

async fn tool(url: &str, call: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    run(directory.path(), &[("database.url", url)], call).await
}

/// A program of MariaDB's for the database at this URL.
fn client(program: &str, url: &str, more: &[&str]) -> Command {
    let url = url::Url::parse(url).unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let mut command = Command::new(program);
    command
        .args(["--no-defaults", "--protocol=tcp", "-h", host, "-P"])
        .arg(port.to_string())
        .args(["-u", url.username()])
        .args(more)
        .arg(url.path().trim_start_matches('/'));
    command
}

/// A backup, taken while servers claim.
async fn dump(url: &str) -> Vec<u8> {
    let mut command = client("mariadb-dump", url, &["--single-transaction"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn restore(url: &str, dump: &[u8]) {
    let mut command = client("mariadb", url, &[]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, dump).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// The command that the doctor says to run, after `id-alloc`, up to the remark in brackets.
fn advised<'a>(said: &'a str, command: &str) -> Vec<&'a str> {
    let at = said.find(command).unwrap_or_else(|| panic!("{said}"));
    let words = said[at..].split(" (").next().unwrap();
    words.split_whitespace().collect()
}

/// Two servers on a database with both tags, and the URL of it.
async fn two_servers(database: &TestDatabase) -> (Run, String) {
    let url = database.url();
    prepare(&url, &[("order", 0, 100), ("refund", 0, 100)]).await;
    let mut fleet = Run::of(&["order", "refund"]);
    fleet.serve(database, &[]).await;
    fleet.serve(database, &[]).await;
    (fleet, url)
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn after_a_restore_the_doctor_says_what_to_do_and_no_id_comes_twice() {
    let database = TestDatabase::on_mariadb().await;
    let (mut fleet, url) = two_servers(&database).await;
    fleet.take(0, REFUND, 3).await;
    let ((), backup) = tokio::join!(fleet.race(10), dump(&url));
    // What follows is not in the backup.
    fleet.race(40).await;
    fleet.take(1, REFUND, 3).await;
    fleet.servers.clear();
    let drop = "SET @all = (SELECT CONCAT('DROP TABLE ', GROUP_CONCAT(table_name)) FROM \
                information_schema.tables WHERE table_schema = DATABASE())";
    database
        .execute(&[drop, "PREPARE gone FROM @all", "EXECUTE gone"])
        .await;
    assert_eq!(tool(&url, &["doctor"]).await.code, Some(1), "no table");
    restore(&url, &backup);

    // Nobody who runs remembers: that is said, and how far to go.
    let doctor = async || {
        let said = tool(&url, &["doctor"]).await;
        said.stdout
            .contains("restored from a backup")
            .then_some(said)
    };
    let said = eventually("the doctor notices", PATIENCE, doctor).await;
    assert_eq!(said.code, Some(2), "{}", said.stdout);
    cli(&url, &advised(&said.stdout, "tag advance --all --now --by")).await;
    let said = tool(&url, &["doctor"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stdout);
    fleet.serve(&database, &[]).await;
    fleet.serve(&database, &[]).await;
    fleet.race(60).await;
    fleet.take(0, REFUND, 5).await;
    fleet.check();
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn tags_move_to_another_database_and_no_id_comes_twice() {
    let old = TestDatabase::on_mariadb().await;
    let new = TestDatabase::on_mariadb().await;
    prepare(&old.url(), &[("order", 0, 100), ("refund", 7, 100)]).await;
    let old_url = old.url();
    for call in [
        &["tag", "set", "refund", "--limit", "2147483647"][..],
        &["tag", "create", "gone", "--start", "900"],
        &["tag", "delete", "gone", "--confirm", "gone"],
    ] {
        cli(&old_url, call).await;
    }
    let mut fleet = Run::of(&["order", "refund"]);
    fleet.serve(&old, &[]).await;
    fleet.serve(&old, &[]).await;
    fleet.race(10).await;
    fleet.take(0, REFUND, 3).await;

    // Written while servers claim and hand out.
    let export = ["tag", "export", "--retire"];
    let ((), moved) = tokio::join!(fleet.race(1), cli(&old_url, &export));
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("tags.csv");
    std::fs::write(&file, &moved).unwrap();
    cli(&new.url(), &["migrate", "up"]).await;
    let import = ["tag", "import", file.to_str().unwrap()];
    cli(&new.url(), &import).await;
    // An import that was interrupted is repeated.
    cli(&new.url(), &import).await;
    let said = tool(&new.url(), &["doctor"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stdout);

    // Those of the old database hand out what they have beside the new ones, and claim nothing.
    let first = fleet.servers.len();
    fleet.serve(&new, &[]).await;
    fleet.serve(&new, &[]).await;
    for server in first..fleet.servers.len() {
        fleet.take(server, ORDER, 10).await;
        fleet.take(server, REFUND, 3).await;
    }
    let (refused, _) = fleet.drain(0, ORDER).await;
    assert_eq!(refused.code(), "unknown_tag", "{}", refused.body);
    fleet.check();
    let shown = cli(&new.url(), &["tag", "show", "refund"]).await;
    assert!(shown.contains("limit        2147483647"), "{shown}");
    let again = tool(&new.url(), &["tag", "create", "gone", "--start", "899"]).await;
    assert!(
        again.stderr.contains("start 900 or more"),
        "{}",
        again.stderr
    );
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn every_server_drops_what_it_has_and_who_does_not_is_named() {
    let database = TestDatabase::on_mariadb().await;
    let (mut fleet, url) = two_servers(&database).await;
    for server in 0..2 {
        fleet.take(server, ORDER, 2).await;
        fleet.take(server, REFUND, 2).await;
    }
    let both = async || {
        let said = tool(&url, &["doctor"]).await.stdout;
        (said.matches("\nserver ").count() == 2).then_some(())
    };
    eventually("both are written down", PATIENCE, both).await;
    let advance = "tag advance order --to 1000000 --now --drop-buffers";
    let advance: Vec<&str> = advance.split(' ').collect();
    let said = tool(&url, &advance).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stderr.contains("dropped by 2: "), "{}", said.stderr);
    for server in 0..2 {
        let answer = fleet.when_served(server, ORDER, 5).await;
        assert!(answer.ids[0] >= 1_000_000, "{:?}", answer.ids);
        // The other tag was left alone.
        let answer = fleet.when_served(server, REFUND, 5).await;
        assert!(answer.ids[0] < 1000, "{:?}", answer.ids);
    }

    freeze(fleet.servers[1].pid()).await;
    let more = [
        &advance[..4],
        &["2000000", "--now", "--drop-buffers", "--wait", "5"],
    ]
    .concat();
    let said = tool(&url, &more).await;
    signal(fleet.servers[1].pid(), "CONT");
    assert_eq!(said.code, Some(69), "{}", said.stderr);
    for part in ["dropped by 1: ", "not dropped by 1: "] {
        assert!(said.stderr.contains(part), "{}", said.stderr);
    }
    // It does so as soon as it can.
    let late = async || {
        let answer = fleet.when_served(1, ORDER, 1).await;
        (answer.ids[0] >= 2_000_000).then_some(())
    };
    eventually("the last one drops them too", PATIENCE, late).await;
    fleet.check();
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn who_claimed_an_id_is_known_where_claims_are_written_down() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        prepare(&url, &[("order", 0, 100)]).await;
        let mut fleet = Run::of(&["order"]);
        fleet.serve(&database, &[]).await;
        fleet.take(0, ORDER, 1).await;
        let said = tool(&url, &["trace", "order", "1"]).await;
        assert_eq!(said.code, Some(64));
        assert!(said.stderr.contains("not written down"), "{}", said.stderr);

        fleet
            .serve(&database, &[("database.claim_records", "1d")])
            .await;
        fleet.take(1, ORDER, 3).await;
        let id = *fleet.ids(ORDER).last().unwrap();
        let said = tool(&url, &["trace", "order", &id.to_string()]).await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let port = fleet.servers[1].base.rsplit(':').next().unwrap();
        for part in [
            &format!("{id} was claimed at 20"),
            &format!(":{port} (version "),
        ] {
            assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
        }
        let said = tool(&url, &["trace", "order", "4000000000"]).await;
        assert!(said.stderr.contains("not claimed yet"), "{}", said.stderr);

        // As it would look had another server claimed the same.
        let twice = "INSERT INTO segments_claims (biz_tag, first_id, end_id, claimed_at, server, name, version) \
                     SELECT biz_tag, first_id, end_id, claimed_at, 'x', 'x', 'x' FROM segments_claims";
        database.execute(&[twice]).await;
        let said = tool(&url, &["trace", "order", &id.to_string()]).await;
        assert_eq!(said.code, Some(65), "{}", said.stdout);
        assert!(said.stderr.contains("claimed 2 times"), "{}", said.stderr);

        // Records are deleted once they are older than is asked for.
        let old = "UPDATE segments_claims SET claimed_at = claimed_at - 172800000000";
        database.execute(&[old]).await;
        fleet
            .serve(&database, &[("database.claim_records", "1d")])
            .await;
        let count = "SELECT COUNT(*) FROM segments_claims";
        let gone = async || (database.number(count).await == 0).then_some(());
        eventually("old records are gone", PATIENCE, gone).await;
    }
}
