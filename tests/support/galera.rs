//! A Galera cluster that belongs to one test, which may kill its nodes, stop them, have them join
//! again, and declare one of them the primary component.
//!
//! A state transfer starts shells and an rsync daemon that outlive a mariadbd which is killed. So a
//! node dies together with all that carries its directory in the command line, and their children.

use super::database::connect;
use super::flavour::{is_root, program};
use super::own_database::value;
use super::ports::reserved_port;
use super::processes::end_all_of;
use super::{eventually, freeze, signal};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A join copies the whole data directory, on a machine that runs all tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// How soon the nodes notice that one is gone; the defaults take 6 s. A node that is held up for
/// longer than this loses its place for a while, which the cluster mends by itself.
const TIMEOUTS: &str = "evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.3S;\
     evs.suspect_timeout=PT3S;evs.inactive_timeout=PT8S;evs.install_timeout=PT5S;pc.announce_timeout=PT0.5S;gcache.size=16M";

/// Where the packages of Debian, Red Hat and the vendors put the library.
const PROVIDERS: [&str; 4] = [
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib64/galera/libgalera_smm.so",
];

/// Nodes of one cluster, each a whole copy of the data.
pub(crate) struct Galera {
    directory: TempDir,
    /// `wsrep_cluster_name`.
    pub(crate) name: String,
    nodes: Vec<Node>,
}

struct Node {
    home: PathBuf,
    port: u16,
    /// Between the nodes.
    group_port: u16,
    /// For the write sets that a node missed.
    increment_port: u16,
    /// For the whole data directory.
    transfer_port: u16,
    process: Option<Child>,
}

impl Galera {
    /// Starts `count` nodes, of which the first makes the cluster, and waits until all are in it.
    pub(crate) async fn start(count: usize) -> Self {
        let provider = PROVIDERS.iter().any(|path| Path::new(path).exists());
        assert!(
            provider,
            "the Galera library is missing: run ./scripts/test, or install galera-4 and rsync"
        );
        let directory = TempDir::new().expect("a directory");
        let mut ports = HashSet::new();
        while ports.len() < 4 * count {
            ports.insert(reserved_port());
        }
        let ports: Vec<u16> = ports.into_iter().collect();
        let nodes = ports.chunks(4).enumerate().map(|(number, ports)| Node {
            home: directory.path().join(format!("node{number}")),
            port: ports[0],
            group_port: ports[1],
            increment_port: ports[2],
            transfer_port: ports[3],
            process: None,
        });
        let mut cluster = Self {
            nodes: nodes.collect(),
            name: format!("test-{:08x}", fastrand::u32(..)),
            directory,
        };
        cluster.make_directories().await;
        cluster.spawn(0, true);
        cluster.joined(0).await;
        for node in 1..count {
            cluster.spawn(node, false);
        }
        for node in 0..count {
            cluster.joined(node).await;
        }
        cluster
    }

    /// `mysql://root@127.0.0.1:PORT` of a node.
    pub(crate) fn url(&self, node: usize) -> String {
        format!("mysql://root@{}", self.address(node))
    }

    /// `127.0.0.1:PORT` of a node.
    pub(crate) fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.nodes[node].port)
    }

    /// SIGKILL: a crash.
    pub(crate) fn kill9(&mut self, node: usize) {
        let mut process = self.nodes[node].process.take().expect("it runs");
        process.kill().expect("kill");
        process.wait().expect("wait");
        end_all_of(&self.nodes[node].home);
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub(crate) async fn stop(&self, node: usize) {
        freeze(self.pid(node)).await;
    }

    /// SIGCONT, after [`Galera::stop`].
    pub(crate) fn cont(&self, node: usize) {
        signal(self.pid(node), "CONT");
    }

    /// Starts a node that was killed, and waits until it has the data of the others again.
    pub(crate) async fn rejoin(&mut self, node: usize) {
        self.spawn(node, false);
        self.joined(node).await;
    }

    /// Waits until a node is a synced part of a cluster that may write.
    pub(crate) async fn joined(&mut self, node: usize) {
        let home = self.nodes[node].home.clone();
        let process = self.nodes[node].process.as_mut().expect("it runs");
        let process = std::cell::RefCell::new(process);
        eventually("a node's joining the cluster", PATIENCE, async || {
            let ended = process.borrow_mut().try_wait().expect("wait");
            assert!(ended.is_none(), "node {node} ended: {ended:?}");
            let state = ask(&home, "SHOW STATUS LIKE 'wsrep_local_state_comment'").await?;
            let ready = ask(&home, "SHOW STATUS LIKE 'wsrep_ready'").await?;
            (state.ends_with("\tSynced") && ready.ends_with("\tON")).then_some(())
        })
        .await;
    }

    /// Waits until a node has noticed that it is one of too few.
    pub(crate) async fn without_quorum(&self, node: usize) {
        let home = &self.nodes[node].home;
        eventually("the loss of the quorum", PATIENCE, async || {
            let status = ask(home, "SHOW STATUS LIKE 'wsrep_cluster_status'").await?;
            status.ends_with("\tnon-Primary").then_some(())
        })
        .await;
    }

    /// What an operator does when the others do not come back: this node is the cluster.
    pub(crate) async fn bootstrap(&mut self, node: usize) {
        let sql = "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'";
        let home = &self.nodes[node].home;
        eventually("the bootstrap", PATIENCE, async || ask(home, sql).await).await;
        self.joined(node).await;
    }

    /// A text that a node reads from `database`.
    pub(crate) async fn text(&self, node: usize, database: &str, sql: &str) -> String {
        let connection = connect(&format!("{}/{database}", self.url(node))).await;
        let text = value(&connection, sql).await;
        connection.close().await.expect("close");
        text
    }

    fn pid(&self, node: usize) -> u32 {
        self.nodes[node].process.as_ref().expect("it runs").id()
    }

    /// Only the first node needs tables of its own: the others get its data when they join.
    async fn make_directories(&self) {
        for node in &self.nodes {
            for name in ["d", "t"] {
                std::fs::create_dir_all(node.home.join(name)).expect("a directory");
            }
        }
        if is_root() {
            // As root the transfer fails: rsync drops to a user who may not write.
            let owner = Command::new("chown")
                .args(["-R", "mysql:"])
                .arg(self.directory.path())
                .status()
                .expect("chown");
            assert!(owner.success(), "the user mysql is missing");
        }
        let home = self.nodes[0].home.display();
        let output = tokio::process::Command::new(program("mariadb-install-db"))
            .arg("--no-defaults")
            .args(as_user())
            .args([format!("--datadir={home}/d"), format!("--tmpdir={home}/t")])
            .args([
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=8M",
            ])
            .output()
            .await
            .expect("mariadb-install-db: run ./scripts/test");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mariadb-install-db: {text}");
    }

    fn spawn(&mut self, number: usize, makes_the_cluster: bool) {
        let addresses: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.group_port))
            .collect();
        let found = PROVIDERS.iter().find(|path| Path::new(path).exists());
        let provider = found.expect("the Galera library");
        let node = &mut self.nodes[number];
        assert!(node.process.is_none(), "it runs already");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(node.home.join("log"))
            .expect("a log file");
        let home = node.home.display();
        let options = format!(
            "gmcast.listen_addr=tcp://127.0.0.1:{};ist.recv_addr=127.0.0.1:{};{TIMEOUTS}",
            node.group_port, node.increment_port
        );
        let mut command = Command::new(program("mariadbd"));
        command
            .arg("--no-defaults")
            .args(as_user())
            .args([format!("--datadir={home}/d"), format!("--tmpdir={home}/t")])
            .args([format!("--socket={home}/s"), format!("--pid-file={home}/p")])
            .arg(format!("--port={}", node.port))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-log-file-size=8M",
                "--innodb-buffer-pool-size=32M",
                "--binlog-format=ROW",
                "--innodb-autoinc-lock-mode=2",
                "--wsrep-on=ON",
                "--wsrep-sst-method=rsync",
            ])
            .arg(format!("--wsrep-provider={provider}"))
            .arg(format!("--wsrep-provider-options={options}"))
            .arg(format!("--wsrep-cluster-name={}", self.name))
            .arg(format!(
                "--wsrep-cluster-address=gcomm://{}",
                addresses.join(",")
            ))
            .arg(format!("--wsrep-node-name=node{number}"))
            .arg(format!(
                "--wsrep-node-address=127.0.0.1:{}",
                node.group_port
            ))
            .arg(format!(
                "--wsrep-sst-receive-address=127.0.0.1:{}",
                node.transfer_port
            ));
        if makes_the_cluster {
            command.arg("--wsrep-new-cluster");
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mariadbd: run ./scripts/test");
        node.process = Some(process);
    }
}

impl Drop for Galera {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut process) = node.process.take() {
                // SIGKILL ends a stopped process too.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
        end_all_of(self.directory.path());
        if std::thread::panicking() {
            for node in &self.nodes {
                let log = std::fs::read_to_string(node.home.join("log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(30)..].join("\n");
                eprintln!("--- end of the log of {}:\n{end}", node.home.display());
            }
        }
    }
}

/// The answer of the node at `home`, columns separated by tabs; `None` where it gives none.
///
/// By its own client, since a node that is not in a cluster answers few statements.
async fn ask(home: &Path, sql: &str) -> Option<String> {
    let client = tokio::process::Command::new(program("mariadb"))
        .args(["--no-defaults", "--user=root", "--skip-column-names"])
        .args(["--batch", "--connect-timeout=5", "--execute", sql])
        .arg(format!("--socket={}/s", home.display()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let limit = Duration::from_secs(10);
    let output = tokio::time::timeout(limit, client).await.ok()?;
    let output = output.expect("the client mariadb: run ./scripts/test");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn as_user() -> Option<&'static str> {
    is_root().then_some("--user=mysql")
}
