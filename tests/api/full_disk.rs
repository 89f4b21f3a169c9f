//! A full disk under SQLite: claims that were not stored give no ids.
//!
//! The disk is full for one process only: a limit on the size of its files, whose signal is ignored,
//! makes writes fail, and is lifted while the server runs.

use crate::support::checks::assert_distinct;
use crate::support::server::{Server, command, run};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SETTINGS: [(&str, &str); 1] = [("allocation.max_step", "10")];

#[tokio::test]
async fn a_full_disk_under_sqlite_gives_no_id_twice_and_ends_when_there_is_room() {
    let directory = Arc::new(TempDir::new().unwrap());
    // Makes the embedded database, and a tag whose claims stay small: many writes.
    Server::start_in(directory.clone(), &[]).await.kill();
    let create = ["tag", "create", "small", "--step", "10"];
    let created = run(directory.path(), &[], &create).await;
    assert_eq!(created.code, Some(0), "{}", created.stderr);

    let plain = command(directory.path(), &SETTINGS);
    let mut limited = Command::new("bash");
    let script = r#"trap "" XFSZ; ulimit -Sf 512; exec "$0""#;
    limited.args(["-c", script]).arg(plain.get_program());
    limited.current_dir(directory.path());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let server = Server::spawn(directory.clone(), limited).await;

    let path = "/alloc?biz_tag=small&count=100";
    let mut ids = Vec::new();
    let mut refused = 0;
    for _ in 0..2000 {
        let answer = server.get(path).await;
        match answer.status {
            200 => ids.extend(answer.ids()),
            503 => refused += 1,
            status => panic!("{status}: {}", answer.body),
        }
        if refused == 3 {
            break;
        }
    }
    assert!(refused > 0, "the disk was never full");
    assert_distinct(&ids);

    let lifted = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &server.pid().to_string()])
        .status()
        .unwrap();
    assert!(lifted.success());
    for _ in 0..20 {
        let answer = server.until(path, 200, Duration::from_secs(15)).await;
        ids.extend(answer.ids());
    }
    server.kill();
    let again = Server::start_in(directory, &[]).await;
    ids.extend(again.ids("small", 100).await);
    assert_distinct(&ids);
}
