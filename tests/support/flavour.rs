//! MariaDB, MySQL and TiDB, as far as starting and replicating them differs.

use super::database::connect;
use super::own_database::value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A kind of server that tests start for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    MariaDb,
    /// MySQL 9, which `./scripts/test` gets.
    MySql,
    /// One node with its store within, which `./scripts/test distributed` builds. It has no replica.
    TiDb,
}

/// Tests of these functions, which take a [`Flavour`]: each on MariaDB and on MySQL. Where no MySQL can be had,
/// `./scripts/test` leaves out what has `on_mysql` in its name, and says so.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_mariadb {
            use crate::support::flavour::Flavour;
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = "needs MariaDB"]
                async fn $test() {
                    super::$test(Flavour::MariaDb).await;
                }
            )+
        }
        mod on_mysql {
            use crate::support::flavour::Flavour;
            $(
                #[tokio::test(flavor = "multi_thread")]
                #[ignore = "needs MySQL"]
                async fn $test() {
                    super::$test(Flavour::MySql).await;
                }
            )+
        }
    };
}
pub(crate) use on_both;

/// Nothing is forced to the disk: tests kill processes and cut no power, and on a busy machine a
/// single fsync can take longer than a request may wait.
const NO_SYNC: [&str; 2] = ["--innodb-flush-method=nosync", "--debug-no-sync"];

impl Flavour {
    /// Makes a data directory `d` and one for temporary files, `t`, in `directory`.
    pub(super) async fn install(self, directory: &Path) {
        // Not the common /tmp: a mariadbd that starts clears away what looks like its temporary tables.
        std::fs::create_dir(directory.join("t")).expect("a directory");
        let mut install = match self {
            Self::MariaDb => {
                let mut install = tokio::process::Command::new(program("mariadb-install-db"));
                install.arg("--no-defaults").args(as_root());
                install.arg(format!("--datadir={}", directory.join("d").display()));
                install.arg(format!("--tmpdir={}", directory.join("t").display()));
                install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
                install.arg("--innodb-log-file-size=8M").args(NO_SYNC);
                install
            }
            // One was made by the script; to make one takes seconds.
            Self::MySql => {
                let mut copy = tokio::process::Command::new("cp");
                copy.arg("-r").arg(mysql().join("data"));
                copy.arg(directory.join("d"));
                copy
            }
            Self::TiDb => return,
        };
        let output = install.output().await.expect("run ./scripts/test");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?} is not made: {text}");
    }

    /// The server's program with what each of them needs on this directory.
    pub(super) fn command(self, directory: &Path, port: u16) -> Command {
        if self == Self::TiDb {
            return tidb(directory, port);
        }
        let mut command = Command::new(match self {
            Self::MariaDb => program("mariadbd"),
            Self::MySql => mysql().join("mysqld"),
            Self::TiDb => unreachable!("it has options of its own"),
        });
        command.arg("--no-defaults").args(as_root());
        for (option, file) in [
            ("datadir", "d"),
            ("socket", "s"),
            ("pid-file", "pid"),
            ("tmpdir", "t"),
        ] {
            command.arg(format!("--{option}={}", directory.join(file).display()));
        }
        command.arg(format!("--port={port}"));
        command.args(["--bind-address=127.0.0.1", "--skip-name-resolve"]);
        command.arg("--innodb-buffer-pool-size=32M");
        match self {
            Self::MariaDb => command.arg("--innodb-log-file-size=8M").args(NO_SYNC),
            _ => command.args([
                "--mysqlx=OFF",
                "--performance-schema=OFF",
                "--innodb-redo-log-capacity=8M",
                NO_SYNC[0],
            ]),
        };
        command
    }

    /// What a primary and its replica have in common, besides the format of the binary log.
    pub(super) fn replicating(self) -> &'static [&'static str] {
        match self {
            Self::MariaDb => &["--log-bin=binlog", "--log-slave-updates"],
            _ => &[
                "--log-bin=binlog",
                "--sync-binlog=0",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
            ],
        }
    }

    /// Makes a server a replica of another one.
    pub(super) fn follow(self, port: u16) -> [String; 2] {
        match self {
            Self::MariaDb => [
                format!(
                    "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', \
                     MASTER_PASSWORD = '', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1"
                ),
                "START SLAVE".to_owned(),
            ],
            _ => [
                format!(
                    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, \
                     SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, \
                     GET_SOURCE_PUBLIC_KEY = 1"
                ),
                "START REPLICA".to_owned(),
            ],
        }
    }

    /// Receives on and applies nothing any more.
    pub(super) fn stop_applier(self) -> &'static str {
        match self {
            Self::MariaDb => "STOP SLAVE SQL_THREAD",
            _ => "STOP REPLICA SQL_THREAD",
        }
    }

    /// Makes a replica, as far as it has come, a primary.
    pub(super) fn promote(self) -> [&'static str; 3] {
        match self {
            Self::MariaDb => ["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = 0"],
            _ => [
                "STOP REPLICA",
                "RESET REPLICA ALL",
                "SET GLOBAL read_only = 0",
            ],
        }
    }

    /// Whether the replica has applied all that the primary has committed.
    pub(super) async fn has_caught_up(self, primary: &str, replica: &str) -> bool {
        let (primary, replica) = (connect(primary).await, connect(replica).await);
        let caught_up = match self {
            Self::MariaDb => {
                let committed: String = value(&primary, "SELECT @@global.gtid_binlog_pos").await;
                let applied: String = value(&replica, "SELECT @@global.gtid_slave_pos").await;
                committed == applied
            }
            _ => {
                let committed: String = value(&primary, "SELECT @@global.gtid_executed").await;
                let within = format!("SELECT GTID_SUBSET('{committed}', @@global.gtid_executed)");
                value::<i64>(&replica, &within).await == 1
            }
        };
        primary.close().await.expect("close");
        replica.close().await.expect("close");
        caught_up
    }
}

fn tidb(directory: &Path, port: u16) -> Command {
    let program = std::env::var_os("ID_ALLOC_TEST_TIDB");
    let mut command = Command::new(program.expect("run ./scripts/test distributed"));
    command.args([
        "-host=127.0.0.1",
        "-store=unistore",
        "-report-status=false",
        "-L=warn",
    ]);
    command.arg(format!("-P={port}"));
    for (option, file) in [
        ("path", "d"),
        ("socket", "s"),
        ("temp-dir", "t"),
        ("log-slow-query", "slow"),
    ] {
        command.arg(format!("-{option}={}", directory.join(file).display()));
    }
    command
}

/// Where `./scripts/test` has put MySQL: its program, and a data directory to be copied.
fn mysql() -> PathBuf {
    std::env::var_os("ID_ALLOC_TEST_MYSQL")
        .expect("ID_ALLOC_TEST_MYSQL is not set: run ./scripts/test")
        .into()
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

fn as_root() -> Option<&'static str> {
    is_root().then_some("--user=root")
}
