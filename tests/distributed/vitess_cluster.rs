//! A small Vitess of the test's own: a topology, a vtgate, and tablets with a MySQL each. `scripts/vitess-cluster` starts,
//! moves and ends them.

use crate::support::ports::reserved_port;
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;

/// How many ports there are besides those of tablets, which take three each: two for the topology, three for vtgate, one for
/// vtorc.
const PORTS: usize = 2 + 3 + 1;
/// The port of vtgate for MySQL's protocol.
const MYSQL: usize = 2;

/// See the module's documentation.
pub(crate) struct Vitess {
    home: TempDir,
    ports: Vec<String>,
}

impl Vitess {
    /// Starts a cluster with a tablet for each of `shards` (`keyspace/shard`), and waits until it takes writes. Tablets are
    /// numbered from 100; the first of a shard is its primary. `policy` says how durable a commit is.
    pub(crate) async fn start(policy: &str, shards: &[&str]) -> Self {
        let mut ports = HashSet::new();
        while ports.len() < PORTS + 3 * shards.len() {
            ports.insert(reserved_port().to_string());
        }
        let cluster = Self {
            home: TempDir::new().expect("a folder"),
            ports: ports.into_iter().collect(),
        };
        let shards = shards.join(",");
        let mut up = vec!["up", policy, &shards];
        up.extend(cluster.ports.iter().map(String::as_str));
        cluster.run(&up).await;
        cluster
    }

    /// `mysql://root@127.0.0.1:PORT/KEYSPACE`.
    pub(crate) fn url(&self, keyspace: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{keyspace}", self.ports[MYSQL])
    }

    /// Has another tablet be the shard's primary, as an operator plans it.
    pub(crate) async fn reparent(&self, shard: &str, tablet: u32) {
        self.run(&["reparent", shard, &tablet.to_string()]).await;
    }

    /// Has a replica receive nothing any more.
    pub(crate) async fn lag(&self, tablet: u32) {
        self.run(&["lag", &tablet.to_string()]).await;
    }

    /// Kills a tablet with its MySQL.
    pub(crate) async fn kill(&self, tablet: u32) {
        self.run(&["kill", &tablet.to_string()]).await;
    }

    /// Has another tablet be the shard's primary, after the one before died.
    pub(crate) async fn promote(&self, shard: &str, tablet: u32) {
        self.run(&["promote", shard, &tablet.to_string()]).await;
    }

    /// Has somebody watch for primaries that die and replace them.
    pub(crate) async fn watch(&self) {
        self.run(&["vtorc"]).await;
    }

    /// Runs a statement in a tablet's MySQL itself, and gives the rows as lines.
    pub(crate) async fn sql(&self, tablet: u32, statement: &str) -> String {
        self.run(&["sql", &tablet.to_string(), statement]).await
    }

    /// What the script printed.
    async fn run(&self, arguments: &[&str]) -> String {
        let output = tokio::process::Command::new(script())
            .arg(self.home.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .await
            .expect("scripts/vitess-cluster");
        let status = output.status;
        assert!(status.success(), "vitess-cluster {arguments:?}: {status}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Vitess {
    fn drop(&mut self) {
        let _ = std::process::Command::new(script())
            .arg(self.home.path())
            .arg("down")
            .stdin(Stdio::null())
            .status();
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/vitess-cluster")
}
