//! `id-alloc` as a process: started on a free port, spoken to over HTTP, killed when dropped.

use super::caller::Caller;
use super::{PATIENCE, eventually, freeze, signal};
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use tempfile::TempDir;

/// What a command printed, and how it ended.
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary with `settings` (`"server.port"` → `"0"`) in its environment and nothing inherited
/// that could change what it does. A port of 0 is the default here.
pub(crate) fn command(directory: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_id-alloc"));
    for (name, _) in std::env::vars() {
        if name.starts_with("ID_ALLOC") || ["RUST_LOG", "IDA_TOKEN"].contains(&&*name) {
            command.env_remove(name);
        }
    }
    command.current_dir(directory).stdin(Stdio::null());
    command.env("ID_ALLOC__SERVER__PORT", "0");
    // The allocator keeps nothing for later, so that the memory that a server has is what it uses.
    command.env("MIMALLOC_PURGE_DELAY", "0");
    for (key, value) in settings {
        let name = format!("ID_ALLOC__{}", key.to_uppercase().replace('.', "__"));
        command.env(name, value);
    }
    command
}

/// Runs a command to its end, at most [`PATIENCE`].
pub(crate) async fn run(directory: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::from(command(directory, settings));
    command.args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .unwrap_or_else(|_| panic!("still runs after {PATIENCE:?}: id-alloc {arguments:?}"))
        .expect("the binary");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command that must succeed, on the database at `url`, and gives its standard output.
pub(crate) async fn cli(url: &str, arguments: &[&str]) -> String {
    let directory = TempDir::new().expect("a directory");
    // A database that has just started, on a busy machine, is slow.
    let settings = [
        ("database.url", url),
        ("database.acquire_timeout", "20s"),
        ("database.statement_timeout", "20s"),
    ];
    let output = run(directory.path(), &settings, arguments).await;
    assert_eq!(
        output.code,
        Some(0),
        "id-alloc {arguments:?}: {}",
        output.stderr
    );
    output.stdout
}

/// `migrate up`, then `tag create` for each name with its start and step.
pub(crate) async fn prepare(url: &str, tags: &[(&str, i64, i64)]) {
    cli(url, &["migrate", "up"]).await;
    for (name, start, step) in tags {
        let (start, step) = (start.to_string(), step.to_string());
        let call = ["tag", "create", name, "--start", &start, "--step", &step];
        cli(url, &call).await;
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    directory: Arc<TempDir>,
    caller: Caller,
    /// The line it printed when it was ready.
    pub(crate) start_line: String,
}

impl Deref for Server {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Server {
    /// Starts `serve` in an empty directory and waits for its start line.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(Arc::new(TempDir::new().expect("a directory")), settings).await
    }

    /// Starts `serve` on the database at `url`.
    pub(crate) async fn on(url: &str) -> Self {
        Self::start(&[("database.url", url)]).await
    }

    /// Starts `serve` in `directory`, where its embedded database may already be.
    pub(crate) async fn start_in(directory: Arc<TempDir>, settings: &[(&str, &str)]) -> Self {
        Self::start_with(directory, settings, &[]).await
    }

    /// The same, with arguments.
    pub(crate) async fn start_with(
        directory: Arc<TempDir>,
        settings: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        let mut command = command(directory.path(), settings);
        command.args(arguments);
        Self::spawn(directory, command).await
    }

    /// A server that may open so many files.
    pub(crate) async fn with_files(files: u32, settings: &[(&str, &str)]) -> Self {
        let directory = Arc::new(TempDir::new().expect("a directory"));
        let plain = command(directory.path(), settings);
        let mut limited = Command::new("bash");
        limited
            .args(["-c", &format!("ulimit -n {files}; exec \"$0\"")])
            .arg(plain.get_program())
            .current_dir(directory.path());
        limited.envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        Self::spawn(directory, limited).await
    }

    /// Starts `command`, which becomes the server, and waits for its start line.
    pub(crate) async fn spawn(directory: Arc<TempDir>, mut command: Command) -> Self {
        let log = std::fs::File::create(directory.path().join("stderr.log")).expect("a log file");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary");
        let stdout = child.stdout.take().expect("its output");
        let (lines, printed) = mpsc::channel();
        // Reads on to the end, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let mut server = Self {
            child,
            directory,
            caller: Caller::new(""),
            start_line: String::new(),
        };
        let found = eventually("the start line", PATIENCE, async || {
            match printed.try_recv() {
                Ok(line) if line.contains("listening on http") => Some(Ok(line)),
                Err(mpsc::TryRecvError::Disconnected) => Some(Err("it ended")),
                _ => None,
            }
        })
        .await;
        let Ok(line) = found else {
            panic!("no start line; it printed: {}", server.stderr());
        };
        let (_, rest) = line.split_once("listening on ").expect("an address");
        let end = rest.find([',', ' ']).unwrap_or(rest.len());
        server.caller = Caller::new(rest[..end].trim_end_matches('/'));
        server.start_line = line;
        server
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("stderr.log")).unwrap_or_default()
    }

    /// Its log once it says this: lines are written by a thread of their own, a moment after what they tell of.
    pub(crate) async fn says(&self, text: &str) -> String {
        eventually(&format!("a line with {text:?}"), PATIENCE, async || {
            Some(self.stderr()).filter(|log| log.contains(text))
        })
        .await
    }

    /// The directory it runs in, for another start in it.
    pub(crate) fn directory(&self) -> Arc<TempDir> {
        Arc::clone(&self.directory)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// SIGSTOP: connections stay open and nothing answers.
    pub(crate) async fn freeze(&self) {
        freeze(self.child.id()).await;
    }

    /// Kills it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let status = std::cell::RefCell::new(child);
        eventually("the server's end", PATIENCE, async || {
            status.borrow_mut().try_wait().expect("wait")
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.stderr();
            let from = log
                .char_indices()
                .rev()
                .nth(4000)
                .map_or(0, |(index, _)| index);
            eprintln!("--- end of the server's log:\n{}", &log[from..]);
        }
    }
}
