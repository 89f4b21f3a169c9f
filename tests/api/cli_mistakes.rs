//! What is typed wrong is refused in words that say what happened, to what, and what to do next.

use crate::support::database::TestDatabase;
use crate::support::ports::reserved_port;
use crate::support::server::{Output, command, prepare, run};
use tempfile::TempDir;

/// It ends with this code, and these words on standard error.
#[track_caller]
fn says(output: &Output, code: i32, words: &str) {
    let (said, stdout) = (&output.stderr, &output.stdout);
    assert!(said.contains(words), "{words:?} is not in: {said}");
    assert_eq!(output.code, Some(code), "{said}{stdout}");
}

#[tokio::test]
async fn a_tag_that_is_not_there_is_named_with_what_to_do() {
    let directory = TempDir::new().unwrap();
    let call = async |arguments: &[&str]| run(directory.path(), &[], arguments).await;
    assert_eq!(call(&["tag", "create", "order"]).await.code, Some(0));
    let about = |name: &'static str| {
        [
            vec!["tag", "show", name],
            vec!["tag", "set", name, "--step", "5"],
            vec!["tag", "delete", name, "--confirm", name],
            vec!["tag", "advance", name, "--by", "5"],
            vec!["tag", "export", name],
            vec!["trace", name, "5"],
        ]
    };
    for arguments in about("ordre") {
        let words = "tag \"ordre\" does not exist: id-alloc tag list shows those that do";
        says(&call(&arguments).await, 64, words);
    }
    let in_use = ["doctor", "--in-use", "ordre=segments.max_id"];
    says(&call(&in_use).await, 64, "tag \"ordre\" does not exist");
    for arguments in about("") {
        says(&call(&arguments).await, 64, "id-alloc: biz_tag is empty");
    }
    let delete = ["tag", "delete", "order", "--confirm", "order"];
    assert_eq!(call(&delete).await.code, Some(0));
    for arguments in [
        &delete[..],
        &["tag", "set", "order", "--step", "5"],
        &["tag", "advance", "order", "--by", "5"],
    ] {
        let words = "tag \"order\" is deleted: id-alloc tag create makes it again, with --start 0";
        says(&call(arguments).await, 64, words);
    }
}

#[tokio::test]
async fn a_wrong_number_is_told_what_it_must_be() {
    let directory = TempDir::new().unwrap();
    for arguments in [
        &["alloc", "order", "--count", "0"][..],
        &["alloc", "order", "--count", "abc"],
        &["alloc", "order", "--range", "1.5"],
        &["trace", "order", "abc"],
        &["tag", "create", "order", "--step", "many"],
        &["tag", "advance", "order", "--by", "0"],
        &["tag", "list", "--limit", "0"],
        &["token", "new", "shop", "--tags", "*", "--ids-per-day", "0"],
    ] {
        let output = run(directory.path(), &[], arguments).await;
        says(&output, 64, "it must be a whole number, 1 or more");
    }
    let large = ["alloc", "order", "--count", "4294967296"];
    says(
        &run(directory.path(), &[], &large).await,
        64,
        "it is too large",
    );
}

#[tokio::test]
async fn where_one_of_two_is_missing_both_are_named() {
    let directory = TempDir::new().unwrap();
    for (arguments, both) in [
        (&["token", "new", "ops"][..], ["--scope", "--tags"]),
        (&["tag", "advance", "order"], ["--by", "--to"]),
        (&["tag", "import"], ["FILE", "--from"]),
    ] {
        let output = run(directory.path(), &[], arguments).await;
        let (missing, _) = output.stderr.split_once("Usage").unwrap();
        for one in both {
            assert!(missing.contains(one), "{one}: {missing}");
        }
        assert_eq!(output.code, Some(64));
    }
}

#[test]
fn a_variable_that_is_not_used_is_named_by_commands_that_call_a_server_too() {
    let directory = TempDir::new().unwrap();
    let port = reserved_port().to_string();
    let settings = [("server.port", port.as_str())];
    let warned = |arguments: &[&str], code| {
        let mut command = command(directory.path(), &settings);
        let command = command.env("ID_ALLOC_SERVER__HOST", "x").args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let words = "ID_ALLOC_SERVER__HOST is not used; write ID_ALLOC__SERVER__HOST";
        assert!(said.contains(words), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
    };
    warned(&["alloc", "order"], 69);
    warned(&["config", "check"], 0);
}

#[tokio::test]
async fn several_mistakes_in_the_configuration_are_counted_and_one_is_not() {
    let directory = TempDir::new().unwrap();
    let wrong = [("server.prt", "1"), ("limits.max_count", "0")];
    let output = run(directory.path(), &wrong, &["config", "check"]).await;
    says(&output, 78, "id-alloc: 2 mistakes in the configuration:\n");
    let output = run(directory.path(), &wrong[..1], &["config", "check"]).await;
    says(&output, 78, "id-alloc: environment variable ");
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn whoever_the_database_refuses_is_told_what_to_check() {
    for database in TestDatabase::on_all().await {
        prepare(&database.url(), &[("test", 0, 10)]).await;
        let user = format!("refused{:08x}", fastrand::u32(..));
        let make = format!("CREATE USER '{user}' IDENTIFIED BY 'right'");
        database.execute(&[&make]).await;
        let at = |password: &str, table: &'static str| {
            let mut url = url::Url::parse(&database.url()).unwrap();
            url.set_username(&user).unwrap();
            url.set_password(Some(password)).unwrap();
            [
                ("database.url", url.to_string()),
                ("database.table", table.to_owned()),
            ]
        };
        let call = async |settings: &[(&str, String)], arguments: &[&str]| {
            let directory = TempDir::new().unwrap();
            let settings: Vec<_> = settings
                .iter()
                .map(|(key, to)| (*key, to.as_str()))
                .collect();
            run(directory.path(), &settings, arguments).await
        };
        for arguments in [&["serve"][..], &["tag", "list"], &["migrate", "up"]] {
            let refused = call(&at("wrong", "segments"), arguments).await;
            says(&refused, 77, "check user and password in database.url");
            let elsewhere = call(&at("right", "segments"), arguments).await;
            says(&elsewhere, 77, "check the database's name in database.url");
        }
        database
            .execute(&[&format!("GRANT SELECT, INSERT, UPDATE ON * TO '{user}'")])
            .await;
        let migrate = call(&at("right", "others"), &["migrate", "up"]).await;
        says(&migrate, 77, "as a user with CREATE and ALTER");
        database.execute(&[&format!("DROP USER '{user}'")]).await;
    }
}
