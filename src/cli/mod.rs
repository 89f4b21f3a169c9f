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
//! | a tag that is not there | `named.rs` |
//! | text and JSON | `output.rs` |
//! | signals | `signals.rs` |
//! | exit codes | `exit.rs` |
//! | the log | `logging.rs`, `log_queue.rs`, `log_bursts.rs` |

mod advance;
mod alloc;
mod arguments;
mod doctor;
mod drop_buffers;
mod exit;
mod export;
mod health;
mod import;
mod log_bursts;
mod log_queue;
mod logging;
mod named;
mod output;
mod remote;
mod server;
mod shell;
mod signals;
mod table;
mod tags;
mod token;
mod trace;

pub use arguments::Cli;
pub use exit::Exit;
pub use output::last_words;

use crate::{
    config::{Config, Loaded},
    startup::{self, Application},
};
use actix_web::rt::System;
use arguments::{Alone, Command, ConfigCommand, Configured, Guard, Token};
use logging::Logging;
use output::Output;
use signals::Signals;
use std::{mem::ManuallyDrop, path::Path};

impl Cli {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// [`Exit`] with the code and the line to print.
    pub fn run(self) -> Result<(), Exit> {
        let output = Output::new(self.json);
        let file = self.config.as_deref();
        let command = match self.command {
            None => Configured::Serve,
            Some(Command::Configured(command)) => command,
            Some(Command::Alone(command)) => return alone(command, file, output),
        };
        // Never dropped: that would wait for its threads, such as one that looks up a name.
        let system = ManuallyDrop::new(System::new());
        system.block_on(configured(command, file, output))
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
    // Its end sends off what traces and lines are left.
    let logging = logging::init(&config.telemetry)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match command {
        Configured::Serve => serve(config, output, &logging).await,
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
    let config = || {
        let Loaded { config, warnings } = load(file)?;
        for warning in warnings {
            output::note(&format!("warning: {warning}"));
        }
        Ok(config)
    };
    match command {
        Alone::Alloc(call) => alloc::run(&call, config, output),
        Alone::Health(call) => health::run(&call, config, output),
        Alone::Server(command) => server::run(&command, config, output),
        Alone::Token(Token::New(call)) => token::new(&call, output),
        Alone::Completions { shell } => shell::completions(shell, output),
        Alone::Man(man) => shell::man(&man, output),
    }
}

async fn serve(config: Config, output: Output, logging: &Logging) -> Result<(), Exit> {
    // Each connection takes two files; the soft limit is often 1024. As far as the hard limit allows.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit on open files stays as it is");
    }
    // Before anything starts, so that no signal is missed.
    let mut signals = Signals::listen()?;
    let application = tokio::select! {
        built = Application::build(config) => built?,
        _ = signals.stop() => return Ok(()),
    };
    logging.count_dropped(application.log_lines_dropped());
    output.unread_line(application.start_line()).await?;
    application
        .run_until_stopped(async || signals.stop().await)
        .await?;
    Ok(())
}
