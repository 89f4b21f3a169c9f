//! The command line: which command, and which exit code when it fails.
//!
//! Results go to standard output, as text or with `--json` as one line of JSON; one clear line about a
//! failure, progress, and logs go to standard error.
//!
//! | what you want to see | file |
//! |---|---|
//! | what can be typed, and its help | `arguments/` |
//! | `serve`; `config check` | this one |
//! | `migrate`, `guard status` | `table.rs` |
//! | `doctor`, `trace` | `doctor.rs`, `trace.rs` |
//! | `tag …` | `tags.rs`, `advance.rs`, `drop_buffers.rs`, `export.rs`, `import/` |
//! | `alloc`, `health`, `server …`: calls of a running server | `alloc.rs`, `health.rs`, `server.rs`, `remote.rs` |
//! | `token new` | `token.rs` |
//! | `completions`, `man` | `shell.rs` |
//! | text and JSON | `output.rs` |
//! | exit codes | `exit.rs` |
//! | the log | `logging.rs` |

mod advance;
mod alloc;
mod arguments;
mod doctor;
mod drop_buffers;
mod exit;
mod export;
mod health;
mod import;
mod logging;
mod output;
mod remote;
mod server;
mod shell;
mod table;
mod tags;
mod token;
mod trace;

pub use arguments::Cli;
pub use exit::Exit;

use crate::{
    config::{Config, Loaded},
    startup::{self, Application, Stop},
};
use arguments::{Alone, Command, ConfigCommand, Configured, Guard, Token};
use output::Output;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

impl Cli {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// [`Exit`] with the code and the line to print.
    pub async fn run(self) -> Result<(), Exit> {
        let output = Output::new(self.json);
        let file = self.config.as_deref();
        match self.command {
            None => configured(Configured::Serve, file, output).await,
            Some(Command::Configured(command)) => configured(command, file, output).await,
            Some(Command::Alone(command)) => alone(command, file, output),
        }
    }
}

/// Defaults, file and environment.
fn load(file: Option<&Path>) -> Result<Loaded, Exit> {
    let text = |value: std::ffi::OsString| value.into_string().ok();
    let env = std::env::vars_os();
    let env = env.filter_map(|(key, value)| Some((text(key)?, text(value)?)));
    Ok(Config::load(file, env)?)
}

async fn configured(command: Configured, file: Option<&Path>, output: Output) -> Result<(), Exit> {
    if matches!(command, Configured::Serve) {
        output.none()?;
    }
    let Loaded { config, warnings } = load(file)?;
    // Its end sends off what traces are left.
    let _logging = logging::init(&config.telemetry)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match command {
        Configured::Serve => serve(config, output).await,
        Configured::Config(ConfigCommand::Check) => {
            startup::check_tls(&config)?;
            output.say(&config, || config.effective().trim_end().to_owned())
        }
        Configured::Migrate(command) => table::migrate(&config, &command, output).await,
        Configured::Tag(command) => tags::run(&config, *command, output).await,
        Configured::Doctor(call) => doctor::run(&config, &call, output).await,
        Configured::Trace(call) => trace::run(&config, &call, output).await,
        Configured::Guard(Guard::Status) => table::guard_status(&config, output).await,
    }
}

/// Blocks where a server is called: nothing else runs in this process.
fn alone(command: Alone, file: Option<&Path>, output: Output) -> Result<(), Exit> {
    let config = || Ok(load(file)?.config);
    match command {
        Alone::Alloc(call) => alloc::run(&call, config, output),
        Alone::Health(call) => health::run(&call, config, output),
        Alone::Server(command) => server::run(&command, config, output),
        Alone::Token(Token::New(call)) => token::new(&call, output),
        Alone::Completions { shell } => shell::completions(shell, output),
        Alone::Man(man) => shell::man(&man, output),
    }
}

async fn serve(config: Config, output: Output) -> Result<(), Exit> {
    let failed = |error: std::io::Error| Exit::internal(error.to_string());
    // Each connection takes two files; the soft limit is often 1024. As far as the hard limit allows.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
    // Before anything starts, so that no signal is missed.
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let application = tokio::select! {
        built = Application::build(config) => built?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    output.line(application.start_line())?;
    application
        .run_until_stopped(async move {
            tokio::select! {
                _ = terminate.recv() => Stop::Drain,
                _ = interrupt.recv() => Stop::Now,
            }
        })
        .await?;
    Ok(())
}
