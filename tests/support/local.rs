//! `id-alloc` within this process: built as `id-alloc serve` builds it, on a free port, spoken to over HTTP, ended when
//! dropped. For tests that need neither its log nor its end; those start a process (`server.rs`).

use super::caller::Caller;
use id_alloc::config::Config;
use id_alloc::startup::Application;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// What panicked on threads of servers. Their names begin with [`threads_of`] a system of actix.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The thread on which a server is built, and dropped.
const THREAD: &str = "local server";

/// Systems that were ended. Their runtimes are dropped as they are, at which sqlx may panic.
static ENDED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A running server.
pub(crate) struct Local {
    caller: Caller,
    /// What the names of its threads begin with.
    threads: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Where its embedded database is.
    _directory: TempDir,
}

impl Deref for Local {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Local {
    /// Starts one with `settings` (`"server.port"` → `"0"`), on an embedded database of its own unless they name another,
    /// and waits until it listens.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        watch_panics();
        let directory = TempDir::new().expect("a directory");
        let file = directory.path().join("data/id-alloc.db");
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let own = [("database.url", &*url), ("server.port", "0")];
        // The later of two wins.
        let all = own.iter().chain(settings);
        let env = all.map(|(key, value)| {
            let name = format!("ID_ALLOC__{}", key.to_uppercase().replace('.', "__"));
            (name, (*value).to_owned())
        });
        let config = Config::load(None, env).expect("good settings").config;
        let (stop, stopped) = oneshot::channel();
        let (started, start) = oneshot::channel();
        let serving = move || serve(config, started, stopped);
        let thread = std::thread::Builder::new().name(THREAD.to_owned());
        let thread = thread.spawn(serving).expect("a thread");
        let (base, threads) = start.await.expect("it starts");
        Self {
            caller: Caller::new(&base),
            threads,
            stop: Some(stop),
            thread: Some(thread),
            _directory: directory,
        }
    }

    /// Starts one on the database at `url`.
    pub(crate) async fn on(url: &str) -> Self {
        Self::start(&[("database.url", url)]).await
    }

    /// It serves `test` without giving an id twice, and nothing in it panicked.
    pub(crate) async fn unharmed(&self) {
        self.serves_on().await;
        let panics = locked(&PANICS).clone();
        let own = |panic: &&String| panic.starts_with(&self.threads);
        let own: Vec<_> = panics.iter().filter(own).collect();
        assert!(own.is_empty(), "{own:?}");
    }
}

/// Serves until `stopped`, then drops everything as it is: tests of draining start a process.
fn serve(
    config: Config,
    started: oneshot::Sender<(String, String)>,
    stopped: oneshot::Receiver<()>,
) {
    let scheme = match config.server.tls.cert_file {
        Some(_) => "https",
        None => "http",
    };
    let runner = actix_web::rt::System::new();
    runner.block_on(async {
        let application = Application::build(config).await.expect("it starts");
        let base = format!("{scheme}://127.0.0.1:{}", application.port());
        // Who waits for it may have been given up.
        let system = actix_web::rt::System::current();
        let threads = threads_of(system.id());
        let _ = started.send((base, threads.clone()));
        tokio::select! {
            ended = application.run_until_stopped(async || std::future::pending().await) => panic!("it ended: {ended:?}"),
            _ = stopped => {}
        }
        locked(&ENDED).push(threads);
        system.stop();
    });
    runner.run().expect("it stops");
}

impl Drop for Local {
    fn drop(&mut self) {
        drop(self.stop.take());
        // How it ends says nothing: everything is dropped as it is, a connection to the database too.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What actix has the names of a system's threads begin with.
fn threads_of(system: usize) -> String {
    format!("actix-rt|system:{system}|")
}

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            let ended = |system: &String| name.starts_with(system);
            let dropped = name == THREAD && panic.to_string().contains("requires a Tokio context");
            if dropped || locked(&ENDED).iter().any(ended) {
                return;
            }
            if name.starts_with("actix-rt|") {
                locked(&PANICS).push(format!("{name}: {panic}"));
            }
            before(panic);
        }));
    });
}

fn locked(texts: &'static Mutex<Vec<String>>) -> MutexGuard<'static, Vec<String>> {
    texts.lock().unwrap_or_else(PoisonError::into_inner)
}
