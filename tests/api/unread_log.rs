//! A log that nobody reads, or that cannot be written at all, stops no request, no actor, and not the end.

use crate::support::server::{Server, command};
use crate::support::{PATIENCE, eventually};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

const DROPPED: &str = "id_alloc_log_lines_dropped_total ";

/// The server with its log redirected by the shell, and more to say than any pipe holds.
async fn talkative(directory: &Arc<TempDir>, redirection: &str) -> Server {
    let settings = [
        ("server.drain_delay", "0s"),
        ("telemetry.log_level", "trace"),
    ];
    let plain = command(directory.path(), &settings);
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("exec \"$0\" {redirection}")]);
    shell.arg(plain.get_program()).current_dir(directory.path());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("RUST_LOG", "trace");
    Server::spawn(directory.clone(), shell).await
}

/// Requests of all kinds are answered, until lines were dropped.
async fn answers_until_lines_are_dropped(server: &Server) {
    eventually("lines that were dropped", PATIENCE, async || {
        for number in 0..100 {
            server.ids("test", 1).await;
            let strange = format!("/alloc?biz_tag=nobody-{number}");
            assert_eq!(server.get(&strange).await.status, 404);
        }
        assert_eq!(server.get("/health").await.status, 200);
        (server.metric(DROPPED).await? > 0.0).then_some(())
    })
    .await;
}

/// Reads the pipe until `text` comes.
fn read_until(pipe: &Path, text: &str) {
    let (mut pipe, mut seen) = (std::fs::File::open(pipe).expect("a pipe"), Vec::new());
    let mut piece = vec![0; 65_536];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let length = pipe.read(&mut piece).expect("lines");
        assert!(length > 0, "the log ended");
        let from = seen.len().saturating_sub(text.len());
        seen.drain(..from);
        seen.extend_from_slice(&piece[..length]);
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing_and_says_what_was_dropped_when_it_is_read_again() {
    let directory = Arc::new(TempDir::new().unwrap());
    let pipe = directory.path().join("log");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Open for reading too, by a process that never does, so that it blocks once it is full.
    let mut server = talkative(&directory, "2<>log").await;
    answers_until_lines_are_dropped(&server).await;
    let reading = tokio::task::spawn_blocking({
        let pipe = pipe.clone();
        move || read_until(&pipe, "log lines were dropped")
    });
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the line that says so")
        .unwrap();
    answers_until_lines_are_dropped(&server).await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_log_whose_reader_is_gone_ends_no_actor_and_no_task() {
    let directory = Arc::new(TempDir::new().unwrap());
    let mut server = talkative(&directory, "2> >(exec true)").await;
    answers_until_lines_are_dropped(&server).await;
    for actor in ["tag", "loader", "registry"] {
        let panics =
            format!("id_alloc_actor_restarts_total{{actor=\"{actor}\",reason=\"panic\"}} ");
        assert_eq!(server.metric(&panics).await, Some(0.0), "{actor}");
    }
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}
