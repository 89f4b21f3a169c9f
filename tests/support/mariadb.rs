//! A MariaDB that belongs to one test, which may kill it, stop it and start it again.

use super::database::connect;
use super::ports::reserved_port;
use super::server::prepare;
use super::{eventually, freeze, signal};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TryGetable};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing is forced to the disk: tests kill processes and cut no power, and on a busy machine a
/// single fsync can take longer than a request may wait.
const NO_SYNC: [&str; 2] = ["--innodb-flush-method=nosync", "--debug-no-sync"];

/// A private mariadbd. Its port stays the same over restarts.
pub(crate) struct OwnMariaDb {
    directory: TempDir,
    arguments: Vec<String>,
    port: u16,
    process: Option<Child>,
}

impl OwnMariaDb {
    /// Makes the data directory without starting anything.
    pub(crate) async fn prepare(arguments: &[&str]) -> Self {
        let directory = TempDir::new().expect("a directory");
        // Not the common /tmp: a mariadbd that starts clears away what looks like its temporary tables.
        std::fs::create_dir(directory.path().join("t")).expect("a directory");
        let mut install = tokio::process::Command::new(program("mariadb-install-db"));
        install.arg("--no-defaults");
        if is_root() {
            install.arg("--user=root");
        }
        let output = install
            .arg(format!(
                "--datadir={}",
                directory.path().join("d").display()
            ))
            .arg(format!("--tmpdir={}", directory.path().join("t").display()))
            .args([
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-log-file-size=8M",
            ])
            .args(NO_SYNC)
            .output()
            .await
            .expect("mariadb-install-db: run ./scripts/test");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mariadb-install-db: {text}");
        Self {
            directory,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            port: reserved_port(),
            process: None,
        }
    }

    /// Makes and starts one, with more arguments of mariadbd.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut database = Self::prepare(arguments).await;
        database.restart().await;
        database
    }

    /// Makes the database `ids` with these tags (name, start, step); its address.
    pub(crate) async fn holding(&self, tags: &[(&str, i64, i64)]) -> String {
        let root = connect(&self.url()).await;
        let create = "CREATE DATABASE ids";
        root.execute_unprepared(create).await.expect(create);
        let url = format!("{}/ids", self.url());
        prepare(&url, tags).await;
        url
    }

    /// `mysql://root@127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts mariadbd, which must not run, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let socket = self.directory.path().join("s");
        let log_path = self.directory.path().join("log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .expect("a log file");
        let mut command = Command::new(program("mariadbd"));
        command.arg("--no-defaults");
        if is_root() {
            command.arg("--user=root");
        }
        let mut child = command
            .arg(format!(
                "--datadir={}",
                self.directory.path().join("d").display()
            ))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!(
                "--pid-file={}",
                self.directory.path().join("pid").display()
            ))
            .arg(format!(
                "--tmpdir={}",
                self.directory.path().join("t").display()
            ))
            .arg(format!("--port={}", self.port))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-log-file-size=8M",
                "--innodb-buffer-pool-size=32M",
            ])
            .args(NO_SYNC)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mariadbd: run ./scripts/test");
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let ready = tokio::process::Command::new(program("mariadb-admin"))
                .args(["--no-defaults", "--user=root", "ping"])
                .arg(format!("--socket={}", socket.display()))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .await
                .expect("mariadb-admin");
            if ready.success() {
                break;
            }
            let ended = child.try_wait().expect("wait").is_some();
            if ended || std::time::Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                panic!("mariadbd does not start: {log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.process = Some(child);
    }

    /// SIGKILL: a crash.
    pub(crate) fn kill9(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("kill");
        process.wait().expect("wait");
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub(crate) async fn stop(&self) {
        freeze(self.pid()).await;
    }

    /// SIGCONT, after [`OwnMariaDb::stop`].
    pub(crate) fn cont(&self) {
        signal(self.pid(), "CONT");
    }

    /// An orderly end.
    pub(crate) async fn shut_down(&mut self) {
        signal(self.pid(), "TERM");
        let process = std::cell::RefCell::new(self.process.take().expect("it runs"));
        eventually("MariaDB's end", PATIENCE, async || {
            process.borrow_mut().try_wait().expect("wait")
        })
        .await;
    }

    fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }
}

/// A primary and its asynchronous replica, which is read-only.
pub(crate) struct Replicated {
    pub(crate) primary: OwnMariaDb,
    pub(crate) replica: OwnMariaDb,
}

impl Replicated {
    /// Starts both with GTIDs and this `binlog_format`, and the replication.
    pub(crate) async fn start(binlog_format: &str) -> Self {
        let format = format!("--binlog-format={binlog_format}");
        let common = ["--log-bin=binlog", "--log-slave-updates", &format];
        let (primary, replica) = tokio::join!(
            async { OwnMariaDb::start(&[&common[..], &["--server-id=1"]].concat()).await },
            async {
                let own = ["--server-id=2", "--read-only=1"];
                OwnMariaDb::start(&[&common[..], &own].concat()).await
            },
        );
        let root = connect(&replica.url()).await;
        let source = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'root', \
             MASTER_PASSWORD = '', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1",
            primary.port
        );
        for sql in [source.as_str(), "START SLAVE"] {
            root.execute_unprepared(sql).await.expect(sql);
        }
        root.close().await.expect("close");
        Self { primary, replica }
    }

    /// Waits until the replica has applied all that the primary has committed.
    pub(crate) async fn caught_up(&self) {
        let primary = connect(&self.primary.url()).await;
        let replica = connect(&self.replica.url()).await;
        eventually("the replica's catching up", PATIENCE, async || {
            let committed: String = value(&primary, "SELECT @@global.gtid_binlog_pos").await;
            let applied: String = value(&replica, "SELECT @@global.gtid_slave_pos").await;
            (committed == applied).then_some(())
        })
        .await;
        primary.close().await.expect("close");
        replica.close().await.expect("close");
    }

    /// The replica receives on and applies nothing any more.
    pub(crate) async fn stop_applier(&self) {
        self.on_replica(&["STOP SLAVE SQL_THREAD"]).await;
    }

    /// Makes the replica, as far as it has come, a primary.
    pub(crate) async fn promote(&self) {
        let promote = ["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"];
        self.on_replica(&promote).await;
    }

    async fn on_replica(&self, statements: &[&str]) {
        let root = connect(&self.replica.url()).await;
        for sql in statements {
            root.execute_unprepared(sql).await.expect(sql);
        }
        root.close().await.expect("close");
    }
}

/// The first column of the only row.
pub(crate) async fn value<T: TryGetable>(connection: &DatabaseConnection, sql: &str) -> T {
    let statement = Statement::from_string(DbBackend::MySql, sql);
    let row = connection.query_one_raw(statement).await.expect(sql);
    row.expect("a row").try_get_by_index(0).expect("a value")
}

impl Drop for OwnMariaDb {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // SIGKILL ends a stopped process too.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Debian puts the server where the PATH of an ordinary user does not look.
pub(super) fn program(name: &str) -> PathBuf {
    let sbin = PathBuf::from("/usr/sbin").join(name);
    if sbin.exists() { sbin } else { name.into() }
}

pub(super) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answers(connection: &DatabaseConnection) -> bool {
        let limit = Duration::from_millis(500);
        let answer = connection.execute_unprepared("SELECT 1");
        matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(_)))
    }

    #[tokio::test]
    #[ignore = "needs MariaDB"]
    async fn a_database_can_be_stopped_killed_and_started_with_its_data() {
        let mut database = OwnMariaDb::start(&["--autocommit=0"]).await;
        let root = connect(&database.url()).await;
        root.execute_unprepared("CREATE DATABASE kept")
            .await
            .unwrap();
        database.stop().await;
        assert!(!answers(&root).await);
        database.cont();
        database.kill9();
        assert!(!answers(&root).await);
        database.restart().await;
        let kept = connect(&format!("{}/kept", database.url())).await;
        assert!(answers(&kept).await);
        database.shut_down().await;
        assert!(!answers(&kept).await);
    }
}
