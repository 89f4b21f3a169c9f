//! Each way to fail has its exit code and one clear line on standard error.

use crate::support::database::{TestDatabase, mysql_urls};
use crate::support::ports::reserved_port;
use crate::support::server::{Output, Server, prepare, run};
use tempfile::TempDir;

async fn failing(settings: &[(&str, &str)], arguments: &[&str], code: i32) -> Output {
    let directory = TempDir::new().unwrap();
    let output = run(directory.path(), settings, arguments).await;
    let said = format!("{arguments:?}: {}{}", output.stdout, output.stderr);
    assert_eq!(output.code, Some(code), "{said}");
    assert!(!output.stderr.trim().is_empty(), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    output
}

/// `mysql://user:password@host:port/name` with another user.
fn as_user(database: &TestDatabase, user: &str) -> String {
    let mut url = url::Url::parse(&database.url()).unwrap();
    let (name, password) = user.split_once(':').unwrap();
    url.set_username(name).unwrap();
    url.set_password(Some(password)).unwrap();
    url.to_string()
}

#[tokio::test]
async fn a_wrong_call_is_64() {
    failing(&[], &["serv"], 64).await;
    failing(&[], &["tag", "create"], 64).await;
    failing(&[], &["tag", "create", "a", "--step", "many"], 64).await;
    failing(&[], &["--no-such-flag"], 64).await;
    let directory = TempDir::new().unwrap();
    for call in ["--help", "--version"] {
        let output = run(directory.path(), &[], &[call]).await;
        assert_eq!(output.code, Some(0), "{call}: {}", output.stderr);
        assert!(!output.stdout.is_empty(), "{call}");
    }
}

#[tokio::test]
async fn a_used_port_is_71_and_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = failing(&[("server.port", &port)], &["serve"], 71).await;
    for part in [
        &*port,
        "choose another server.port, for example ID_ALLOC__SERVER__PORT=",
    ] {
        assert!(output.stderr.contains(part), "{}", output.stderr);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_wrong_password_or_database_is_77_and_no_password_is_shown() {
    for database in TestDatabase::on_all().await {
        let url = as_user(&database, "nobody_at_all:s3cr3tw0rd");
        for call in [&["serve"][..], &["tag", "list"], &["migrate", "up"]] {
            let output = failing(&[("database.url", &url)], call, 77).await;
            assert!(!output.stderr.contains("s3cr3tw0rd"), "{}", output.stderr);
        }
    }
    let url = format!("{}/no_such_database_here", mysql_urls()[0]);
    for call in [&["serve"][..], &["tag", "list"]] {
        let directory = TempDir::new().unwrap();
        let output = run(directory.path(), &[("database.url", &url)], call).await;
        assert!(
            matches!(output.code, Some(65 | 69 | 77 | 78)),
            "{:?}: {}",
            output.code,
            output.stderr
        );
        let said = output.stderr.contains("no_such_database_here");
        assert!(said, "{}", output.stderr);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn the_password_may_stand_in_a_file_of_its_own() {
    for database in TestDatabase::on_all().await {
        prepare(&database.url(), &[("test", 0, 10)]).await;
        let user = format!("filed{:08x}", fastrand::u32(..));
        let make = format!("CREATE USER '{user}' IDENTIFIED BY 's3cr3t: w0rd/@'");
        // `*` is the database of the connection.
        let grant = format!("GRANT ALL ON * TO '{user}'");
        database.execute(&[&make, &grant]).await;

        let mut url = url::Url::parse(&database.url()).unwrap();
        url.set_username(&user).unwrap();
        url.set_password(None).unwrap();
        let directory = TempDir::new().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        // The newline that editors and `echo` put at the end is no part of it.
        let right = file("right", "s3cr3t: w0rd/@\n");
        let settings = |file| {
            [
                ("database.url", url.as_str()),
                ("database.password_file", file),
            ]
        };
        let server = Server::start(&settings(&right)).await;
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
        let said = format!("{} {}", server.start_line, server.stderr());
        assert!(!said.contains("s3cr3t"), "{said}");

        let wrong = file("wrong", "wr0ngw0rd\n");
        for call in [&["serve"][..], &["tag", "list"]] {
            let output = failing(&settings(&wrong), call, 77).await;
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(
                said.contains(&user) && !said.contains("wr0ngw0rd"),
                "{said}"
            );
        }
        let missing = directory.path().join("missing");
        let missing = missing.to_str().unwrap();
        let output = failing(&settings(missing), &["serve"], 78).await;
        assert!(output.stderr.contains(missing), "{}", output.stderr);
        database.execute(&[&format!("DROP USER '{user}'")]).await;
    }
}

#[tokio::test]
async fn an_unreachable_database_is_69_for_all_commands_but_serve() {
    let url = format!("mysql://root:s3cr3tw0rd@127.0.0.1:{}/ids", reserved_port());
    for call in [
        &["tag", "list"][..],
        &["tag", "create", "test"],
        &["migrate", "up"],
        &["migrate", "status"],
    ] {
        let output = failing(&[("database.url", &url)], call, 69).await;
        assert!(!output.stderr.contains("s3cr3tw0rd"), "{}", output.stderr);
        // Not only that the time was up: why.
        let why = call[0] != "tag" || output.stderr.contains("refused");
        assert!(why, "{}", output.stderr);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_table_that_would_repeat_ids_is_65_with_the_alter_to_run() {
    let column = "CREATE TABLE segments (biz_tag varchar(32) PRIMARY KEY, max_id bigint NOT NULL, \
         step bigint NOT NULL, description varchar(1024) DEFAULT '' NOT NULL, \
         update_time datetime DEFAULT CURRENT_TIMESTAMP)";
    let wrong = [
        column.replace("max_id bigint", "max_id int"),
        column.replace("step bigint", "step int unsigned"),
        column.replace("PRIMARY KEY", "NOT NULL"),
        format!("{column} ENGINE=MyISAM"),
    ];
    for database in TestDatabase::on_all().await {
        for create in &wrong {
            let drop = "DROP TABLE IF EXISTS segments";
            database.execute(&[drop, create]).await;
            let url = database.url();
            let output = failing(&[("database.url", &url)], &["serve"], 65).await;
            let said = output.stderr.to_uppercase().contains("ALTER TABLE");
            assert!(said, "{create}: {}", output.stderr);
        }
    }
}

#[tokio::test]
async fn every_mistake_in_the_configuration_is_named_with_file_and_key() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("mine.toml");
    std::fs::write(
        &file,
        "[server]\nprot = 1\n[limits]\nrequest_deadline = \"soon\"\nmax_count = 0\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    for command in [&["config", "check"][..], &["serve"]] {
        let call = [&["--config", file][..], command].concat();
        let output = failing(&[], &call, 78).await;
        for part in ["prot", "request_deadline", "max_count", "mine.toml"] {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
    }
    failing(&[("server.colour", "red")], &["config", "check"], 78).await;
    failing(&[("server.port", "70000")], &["config", "check"], 78).await;
    failing(&[("database.table", "a`b")], &["config", "check"], 78).await;
    let missing = ["--config", "/no/such/file.toml", "config", "check"];
    failing(&[], &missing, 78).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn an_alloc_json_of_go_id_alloc_is_accepted_as_the_file() {
    for database in TestDatabase::on_all().await {
        prepare(&database.url(), &[("test", 0, 10)]).await;
        let url = url::Url::parse(&database.url()).unwrap();
        let dsn = format!(
            "{}:{}@tcp({}:{}){}?charset=utf8mb4&parseTime=true",
            url.username(),
            url.password().unwrap_or_default(),
            url.host_str().unwrap(),
            url.port().unwrap_or(3306),
            url.path()
        );
        let directory = std::sync::Arc::new(TempDir::new().unwrap());
        let file = serde_json::json!({
            "DSN": dsn, "table": "segments", "httpPort": 9999,
            "httpReadTimeout": 5000, "httpWriteTimeout": 5000,
        });
        std::fs::write(directory.path().join("alloc.json"), file.to_string()).unwrap();
        let call = ["--config", "alloc.json"];
        let server = Server::start_with(directory, &[], &call).await;
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_table_that_vanished_is_not_made_anew_without_a_word() {
    for database in TestDatabase::on_all().await {
        let url = database.url();
        prepare(&url, &[("order", 500, 10)]).await;
        database.execute(&["DROP TABLE segments"]).await;
        let output = failing(&[("database.url", &url)], &["migrate", "up"], 65).await;
        assert!(output.stderr.contains("restore"), "{}", output.stderr);
    }
}
