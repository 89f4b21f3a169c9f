//! HAProxy with the configuration that is shipped, `deploy/haproxy.cfg`, byte for byte: its settings are
//! given by the environment, as operators give them.

use super::ports::reserved_port;
use super::program::{self, Program, shipped};
use super::{PATIENCE, eventually};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The servers' names in the configuration.
pub(crate) const NAMES: [&str; 3] = ["one", "two", "three"];

/// A running HAProxy, killed when dropped.
pub(crate) struct HaProxy {
    program: Program,
    /// `http://127.0.0.1:PORT`, where callers come in.
    pub(crate) base: String,
    /// The same of the statistics.
    pub(crate) statistics: String,
}

impl HaProxy {
    /// Starts it in front of three servers (`http://host:port`), with more settings, and waits until
    /// it has found all of them well.
    pub(crate) async fn before(servers: [&str; 3], settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let (callers, statistics) = (reserved_port(), reserved_port());
        let log = std::fs::File::create(directory.path().join("log")).expect("a log file");
        let mut command = Command::new(program::path("haproxy"));
        for (name, _) in std::env::vars() {
            if name.starts_with("ID_ALLOC") {
                command.env_remove(name);
            }
        }
        for (number, server) in servers.iter().enumerate() {
            let address = server.trim_start_matches("http://");
            command.env(format!("ID_ALLOC_SERVER_{}", number + 1), address);
        }
        let child = command
            .args(["-db", "-f"])
            .arg(shipped("haproxy.cfg"))
            .env("ID_ALLOC_UNPRIVILEGED", "1")
            .env("ID_ALLOC_BIND", format!("127.0.0.1:{callers}"))
            .env("ID_ALLOC_STATS", format!("127.0.0.1:{statistics}"))
            .env("ID_ALLOC_SOCKET", directory.path().join("s"))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("haproxy: run ./scripts/test");
        let has_socket = async |place: &Path| UnixStream::connect(place.join("s")).await.is_ok();
        let haproxy = Self {
            program: Program::up("HAProxy", child, directory, has_socket).await,
            base: format!("http://127.0.0.1:{callers}"),
            statistics: format!("http://127.0.0.1:{statistics}"),
        };
        for name in NAMES {
            haproxy.until("id_alloc", name, "UP").await;
        }
        haproxy
    }

    /// What it holds of a server (or `BACKEND`): `status`, `chkfail`, `stot`, …, see `show stat` in its
    /// management guide.
    pub(crate) async fn look(&self, backend: &str, server: &str) -> Look {
        let text = self.say("show stat").await;
        let mut lines = text.lines();
        let names = lines.next().unwrap_or_default().trim_start_matches("# ");
        let fields = lines
            .map(|line| line.split(',').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&backend) && fields.get(1) == Some(&server))
            .unwrap_or_else(|| panic!("no {backend}/{server} in {text}"));
        let of = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Look(names.split(',').zip(fields).map(of).collect())
    }

    /// Waits until a server's status begins with `status`: `UP` (2/2 are well), `DOWN`. While a change
    /// is near it is `UP 1/2`, which is not `UP`.
    pub(crate) async fn until(&self, backend: &str, server: &str, status: &str) -> Look {
        let what = format!("{backend}/{server} being {status}");
        eventually(&what, PATIENCE, async || {
            let look = self.look(backend, server).await;
            (look.status() == status).then_some(look)
        })
        .await
    }

    async fn say(&self, what: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.expect("a socket");
        let line = format!("{what}\n");
        stream.write_all(line.as_bytes()).await.expect("a socket");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        text
    }

    fn socket(&self) -> PathBuf {
        self.program.directory().join("s")
    }
}

/// A line of HAProxy's statistics.
#[derive(Debug)]
pub(crate) struct Look(HashMap<String, String>);

impl Look {
    /// `UP`, `DOWN`, `UP 1/2`, …
    pub(crate) fn status(&self) -> &str {
        self.0.get("status").expect("a status")
    }

    /// One of the counters.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let value = self.0.get(name).unwrap_or_else(|| panic!("no {name}"));
        value.parse().unwrap_or(0)
    }
}
