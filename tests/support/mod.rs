//! What the black-box tests share: databases, servers as processes, faults, and checks of promises.
//!
//! | what you want to see | file |
//! |---|---|
//! | calls of the admin API, files of tokens | `admin.rs` |
//! | a Chromium that looks at pages | `browser.rs` |
//! | a database per test on every server of the run | `database.rs` |
//! | `id-alloc` as a process | `server.rs` |
//! | `id-alloc` within the test's own process | `local.rs` |
//! | one who calls either of them | `caller.rs` |
//! | a response, its ids, its code | `http.rs` |
//! | a server of the test's own, to be killed and stopped; MariaDB or MySQL | `own_database.rs`, `flavour.rs` |
//! | a primary and a replica that falls behind | `replicated.rs` |
//! | a Galera cluster of the test's own | `galera.rs` |
//! | an end of all that belongs to a directory | `processes.rs` |
//! | servers whose rows are changed by hand | `run.rs` |
//! | a TCP link that can be cut and slowed | `proxy.rs` |
//! | a Prometheus that scrapes servers of the test, promtool | `prometheus.rs` |
//! | a client of Redis' protocol | `redis.rs` |
//! | bytes that are hardly HTTP, and what a server holds | `raw.rs` |
//! | certificates, connections over TLS | `tls.rs` |
//! | unique ids, and P2 over all pairs | `checks.rs` |
//! | clients that take ids through everything | `load.rs` |
//! | a server with a link of its own, which ends and comes back | `member.rs` |
//! | ports for programs that cannot choose their own | `ports.rs` |
//! | HAProxy and nginx as they are shipped; callers behind them | `haproxy.rs`, `nginx.rs`, `program.rs`, `callers.rs` |
//!
//! Every process started here is killed when its value is dropped. Nothing sleeps to let something
//! happen: [`eventually`] looks for the condition until a deadline.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a helper of tests fails by panicking"
)]

pub(crate) mod admin;
pub(crate) mod browser;
pub(crate) mod caller;
pub(crate) mod callers;
pub(crate) mod checks;
pub(crate) mod database;
pub(crate) mod flavour;
pub(crate) mod galera;
pub(crate) mod haproxy;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod local;
pub(crate) mod member;
pub(crate) mod nginx;
pub(crate) mod own_database;
pub(crate) mod ports;
mod processes;
mod program;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod replicated;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod tls;

use std::future::Future;
use std::time::{Duration, Instant};

/// Whether rounds are to be run in full, not shortened as in every run of the suite.
pub(crate) fn full() -> bool {
    std::env::var("ID_ALLOC_TEST_FULL").is_ok_and(|value| value == "1")
}

/// How long a server may take to start, to answer or to end: a machine that runs all tests is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Looks every 20 ms until `look` gives a value, and panics with `what` after `limit`.
pub(crate) async fn eventually<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a signal (`TERM`, `KILL`, `CONT`, `INT`) to a process that this test started.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = std::process::Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .expect("the program kill");
    assert!(status.success(), "kill -{name} {pid}");
}

/// SIGSTOP, in effect once this returns: `kill` returns before, when a thread may still be answering.
pub(crate) async fn freeze(pid: u32) {
    signal(pid, "STOP");
    eventually("the process stands still", PATIENCE, async || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
        let mut stats = threads.map(|thread| {
            let path = thread.expect("a thread").path().join("stat");
            std::fs::read_to_string(path).unwrap_or_default()
        });
        // "PID (NAME) STATE …"; one that has just ended has no text.
        let is_still = |stat: String| stat.is_empty() || stat.contains(") T ");
        stats.all(is_still).then_some(())
    })
    .await;
}
