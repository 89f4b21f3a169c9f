//! A database server that belongs to one test, which may kill it, stop it and start it again.

use super::database::connect;
use super::flavour::Flavour;
use super::ports::reserved_port;
use super::server::prepare;
use super::{eventually, freeze, signal};
use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TryGetable};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A private server. Its port stays the same over restarts.
pub(crate) struct OwnDatabase {
    flavour: Flavour,
    directory: TempDir,
    arguments: Vec<String>,
    port: u16,
    process: Option<Child>,
}

impl OwnDatabase {
    /// Makes the data directory without starting anything.
    pub(crate) async fn prepare(flavour: Flavour, arguments: &[&str]) -> Self {
        let directory = TempDir::new().expect("a directory");
        flavour.install(directory.path()).await;
        Self {
            flavour,
            directory,
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            port: reserved_port(),
            process: None,
        }
    }

    /// Makes and starts one, with more arguments of the server.
    pub(crate) async fn start(flavour: Flavour, arguments: &[&str]) -> Self {
        let mut database = Self::prepare(flavour, arguments).await;
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

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the server, which must not run, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let log_path = self.directory.path().join("log");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .expect("a log file");
        let mut child = self
            .flavour
            .command(self.directory.path(), self.port)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the database server: run ./scripts/test");
        let deadline = Instant::now() + PATIENCE;
        while !self.answers().await {
            let ended = child.try_wait().expect("wait").is_some();
            if ended || Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                panic!("{:?} does not start: {log}", self.flavour);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.process = Some(child);
    }

    /// Whether it lets somebody in by now, or says that there are too many.
    async fn answers(&self) -> bool {
        let path = self.directory.path().join("s");
        let options = MySqlConnectOptions::new().username("root").socket(path);
        match options.connect().await {
            Ok(connection) => {
                let _ = connection.close().await;
                true
            }
            Err(error) => matches!(error, sqlx::Error::Database(_)),
        }
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

    /// SIGCONT, after [`OwnDatabase::stop`].
    pub(crate) fn cont(&self) {
        signal(self.pid(), "CONT");
    }

    /// An orderly end.
    pub(crate) async fn shut_down(&mut self) {
        signal(self.pid(), "TERM");
        let process = std::cell::RefCell::new(self.process.take().expect("it runs"));
        eventually("the server's end", PATIENCE, async || {
            process.borrow_mut().try_wait().expect("wait")
        })
        .await;
    }

    fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }
}

/// The first column of the only row.
pub(crate) async fn value<T: TryGetable>(connection: &DatabaseConnection, sql: &str) -> T {
    let statement = Statement::from_string(DbBackend::MySql, sql);
    let row = connection.query_one_raw(statement).await.expect(sql);
    row.expect("a row").try_get_by_index(0).expect("a value")
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // SIGKILL ends a stopped process too.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::flavour::on_both;

    async fn answers(connection: &DatabaseConnection) -> bool {
        let limit = Duration::from_millis(500);
        let answer = connection.execute_unprepared("SELECT 1");
        matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(_)))
    }

    on_both!(a_database_can_be_stopped_killed_and_started_with_its_data);

    async fn a_database_can_be_stopped_killed_and_started_with_its_data(flavour: Flavour) {
        let mut database = OwnDatabase::start(flavour, &["--autocommit=0"]).await;
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
