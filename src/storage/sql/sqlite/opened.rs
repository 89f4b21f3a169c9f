//! `Opened`: whether the file that was opened is the file that is there.
//!
//! SQLite writes on into a file that was deleted or replaced under it, and nobody can read that again. So each use of
//! a connection is preceded by a look at the file's number, and each claim is followed by one, before any of its ids
//! leaves. The write-ahead log beside the file is looked at too: who puts a backup over the file takes it away. What
//! was found lasts until the process ends. Where files have no numbers nothing is found.

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The device and number of a file.
type Number = (u64, u64);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Opened {
    file: PathBuf,
    log: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The file as this process opened it first.
    file: Option<Number>,
    /// The log as the present connection opened it.
    log: Option<Number>,
    /// What is wrong, once something is.
    fault: Option<String>,
}

impl Opened {
    pub(super) fn new(file: &Path) -> Self {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        Self {
            file: file.to_owned(),
            log: log.into(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a new connection has opened.
    pub(super) fn connected(&self) {
        let mut state = self.state();
        state.file = state.file.or_else(|| number(&self.file));
        state.log = number(&self.log);
    }

    /// What is wrong, if anything: to be asked while a connection is open.
    pub(super) fn look(&self) -> Result<(), String> {
        let mut state = self.state();
        if let Some(fault) = &state.fault {
            return Err(fault.clone());
        }
        let (file, log) = (number(&self.file), number(&self.log));
        let what = if state.file.is_some() && file.is_none() {
            "the file was deleted"
        } else if state.file.is_some() && file != state.file {
            "the file was replaced"
        } else if state.log.is_some() && log != state.log {
            "the file's write-ahead log (-wal) was deleted or replaced"
        } else {
            return Ok(());
        };
        let fault = format!(
            "{what} while this server had it open, so nothing more is claimed: put the newest copy in place and restart"
        );
        state.fault = Some(fault.clone());
        Err(fault)
    }

    /// What was found to be wrong, and whether there is a file.
    pub(super) fn fault(&self) -> Option<(String, bool)> {
        let fault = self.state().fault.clone()?;
        Some((fault, number(&self.file).is_some()))
    }

    /// Writes into the file that is there now.
    ///
    /// Where it is the same file with other contents, the connection that has it open holds a lock on it for as long as
    /// the process lives: then a copy is written, and takes its place.
    pub(super) async fn write(
        &self,
        statement: String,
        wait: Duration,
    ) -> Result<u64, sqlx::Error> {
        if number(&self.file) != self.state().file {
            return write(&self.file, statement, wait).await;
        }
        let mut copy = self.file.as_os_str().to_owned();
        copy.push("-copy");
        let copy = PathBuf::from(copy);
        copied(&self.file, &copy).await?;
        let rows = write(&copy, statement, wait).await;
        match &rows {
            Ok(_) => std::fs::rename(&copy, &self.file)?,
            Err(_) => std::fs::remove_file(&copy)?,
        }
        rows
    }
}

async fn write(file: &Path, statement: String, wait: Duration) -> Result<u64, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file);
    let mut connection = options.busy_timeout(wait).connect().await?;
    let done = sqlx::query(AssertSqlSafe(statement)).execute(&mut connection);
    let rows = done.await.map(|done| done.rows_affected());
    // Closing writes what its log holds into the file.
    connection.close().await?;
    rows
}

/// A large file takes a while.
async fn copied(from: &Path, to: &Path) -> Result<(), sqlx::Error> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || std::fs::copy(from, to)).await;
    copied.map_err(std::io::Error::other)??;
    Ok(())
}

#[cfg(unix)]
fn number(file: &Path) -> Option<Number> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(file).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn number(_: &Path) -> Option<Number> {
    None
}
