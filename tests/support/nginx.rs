//! nginx with the configuration that is shipped, `deploy/nginx.conf`: only its addresses are replaced.

use super::ports::reserved_port;
use super::program::{self, Program, shipped};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// The shipped file's addresses of the servers.
const SERVERS: [&str; 3] = ["10.0.0.11:8880", "10.0.0.12:8880", "10.0.0.13:8880"];

/// A running nginx, killed when dropped.
pub(crate) struct Nginx {
    program: Program,
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
}

impl Nginx {
    /// Checks the configuration (`nginx -t`), starts it in front of three servers (`http://host:port`)
    /// and waits until it listens. `changed` is the shipped file with what a test wants otherwise.
    pub(crate) async fn before(servers: [&str; 3], changed: impl Fn(String) -> String) -> Self {
        let directory = TempDir::new().expect("a directory");
        let port = reserved_port();
        let mut site =
            changed(std::fs::read_to_string(shipped("nginx.conf")).expect("deploy/nginx.conf"));
        let listen = format!("listen 127.0.0.1:{port};");
        let mut replace = |from: &str, to: &str| {
            assert_eq!(site.matches(from).count(), 1, "{from} in {site}");
            site = site.replace(from, to);
        };
        replace("listen 8880;", &listen);
        for (from, server) in SERVERS.iter().zip(servers) {
            replace(from, server.trim_start_matches("http://"));
        }
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("site.conf"), site).expect("a file");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};", path(kind).display()));
        // What a distribution's nginx.conf has round the files in conf.d. One process: killing it
        // leaves nothing behind.
        let main = format!(
            "daemon off; master_process off; pid {}; error_log {} info;
             events {{}}
             http {{ access_log off; {} include {}; }}",
            path("pid").display(),
            path("log").display(),
            temporary.join(" "),
            path("site.conf").display(),
        );
        std::fs::write(path("nginx.conf"), main).expect("a file");
        let command = || {
            let mut command = Command::new(program::path("nginx"));
            command.arg("-p").arg(directory.path());
            command.arg("-e").arg(path("log"));
            command.arg("-c").arg(path("nginx.conf"));
            command.stdin(Stdio::null());
            command
        };
        let checked = command()
            .arg("-t")
            .output()
            .expect("nginx: run ./scripts/test");
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "nginx -t: {said}");
        assert!(!said.contains("[warn]"), "nginx -t: {said}");

        let child = command().spawn().expect("nginx");
        let listens = async |_: &Path| TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        Self {
            program: Program::up("nginx", child, directory, listens).await,
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        self.program.log()
    }
}
