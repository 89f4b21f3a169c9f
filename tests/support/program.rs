//! HAProxy or nginx as a process of a test: it has come up, it is killed when dropped, and its log is shown where a test
//! fails.

use super::{PATIENCE, eventually};
use std::path::{Path, PathBuf};
use std::process::Child;
use tempfile::TempDir;

/// A running program, killed when dropped.
pub(super) struct Program {
    name: &'static str,
    child: Child,
    /// Where it runs, and where its `log` is.
    directory: TempDir,
}

impl Program {
    /// Waits until it is up, as long as it lives.
    pub(super) async fn up(
        name: &'static str,
        child: Child,
        directory: TempDir,
        is_up: impl AsyncFn(&Path) -> bool,
    ) -> Self {
        let mut program = Self {
            name,
            child,
            directory,
        };
        let place = program.directory.path();
        let child = std::cell::RefCell::new(&mut program.child);
        let came_up = eventually(name, PATIENCE, async || {
            if child.borrow_mut().try_wait().expect("wait").is_some() {
                return Some(false);
            }
            is_up(place).await.then_some(true)
        })
        .await;
        assert!(came_up, "{name} ended: {}", program.log());
        program
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it logged so far.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- end of {}'s log:\n{}", self.name, end.join("\n"));
        }
    }
}

/// Where a program is. Debian puts these where the PATH of an ordinary user does not look.
pub(super) fn path(name: &str) -> PathBuf {
    let sbin = Path::new("/usr/sbin").join(name);
    if sbin.exists() { sbin } else { name.into() }
}

/// A file of `deploy/` as it is shipped.
pub(super) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name)
}
