//! The command line: which command, and which exit code when it fails.
//!
//! Results go to standard output; one clear line about a failure, and logs, to standard error.

mod commands;
mod exit;
mod logging;
mod token;

pub use exit::Exit;

use crate::config::{Config, Loaded};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Unique, increasing 64-bit ids over HTTP, claimed in segments from MySQL.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None)]
pub struct Cli {
    /// A TOML or JSON file, or go-id-alloc's alloc.json. Environment variables
    /// `ID_ALLOC__SECTION__KEY` win over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve ids over HTTP; what a bare call does.
    Serve,
    /// Make or look at the table.
    #[command(subcommand)]
    Migrate(Migrate),
    /// Look after tags.
    #[command(subcommand)]
    Tag(Tag),
    /// Make tokens for the admin API and for /alloc.
    #[command(subcommand)]
    Token(Token),
    /// Look at the guard against duplicates.
    #[command(subcommand)]
    Guard(Guard),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum Migrate {
    /// Make the table, or add to a go-id-alloc table what is missing. Can be repeated.
    Up,
    /// Say which migrations are applied.
    Status,
}

#[derive(Debug, Subcommand)]
enum Tag {
    /// Make a tag.
    Create {
        /// Its name, 1 to 128 characters.
        name: String,
        /// The first id handed out (0 begins at 1).
        #[arg(long, default_value_t = 0)]
        start: i64,
        /// The least that a server claims at once.
        #[arg(long, default_value_t = 1000)]
        step: i64,
        /// Free text.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List all tags.
    List,
    /// Show one tag.
    Show {
        /// Its name.
        name: String,
    },
    /// Change step or description; servers take a step up at their next claim.
    Set {
        /// Its name.
        name: String,
        /// The least that a server claims at once.
        #[arg(long)]
        step: Option<i64>,
        /// Free text.
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete a tag. Its row stays, so that its ids are never handed out again; the name can be created
    /// again above them.
    Delete {
        /// Its name.
        name: String,
        /// Its name once more.
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
    /// Raise `max_id`. Ids already in the memory of servers are still handed out.
    Advance(Advance),
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Make a token, print it once, and the entry to put into the file of tokens.
    New(NewToken),
}

#[derive(Debug, Args)]
struct NewToken {
    /// Whose it is; stands in the audit log.
    name: String,
    /// For admin.tokens_file: `read`, `write` or both.
    #[arg(
        long,
        value_delimiter = ',',
        required_unless_present = "tags",
        conflicts_with = "tags"
    )]
    scope: Vec<Scope>,
    /// For alloc.tokens_file: biz_tags, or beginnings followed by `*`.
    #[arg(long, value_delimiter = ',')]
    tags: Vec<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Scope {
    Read,
    Write,
}

#[derive(Debug, Args)]
struct Advance {
    /// The tag's name.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    /// Every tag, for use after a restore.
    #[arg(long, requires = "by")]
    all: bool,
    /// Raise by so many ids.
    #[arg(long, required_unless_present = "to", conflicts_with = "to")]
    by: Option<i64>,
    /// Raise to this id.
    #[arg(long)]
    to: Option<i64>,
}

#[derive(Debug, Subcommand)]
enum Guard {
    /// Say whether claims are guarded, and what weakens the promise.
    Status,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the effective configuration without secrets, or every mistake in it.
    Check,
}

impl Cli {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// [`Exit`] with the code and the line to print.
    pub async fn run(self) -> Result<(), Exit> {
        let Loaded { config, warnings } = Config::load(
            self.config.as_deref(),
            std::env::vars_os().filter_map(|(key, value)| {
                Some((key.into_string().ok()?, value.into_string().ok()?))
            }),
        )?;
        // Its end sends off what traces are left.
        let _logging = logging::init(&config.telemetry)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => commands::serve(config).await,
            Command::Config(ConfigCommand::Check) => {
                crate::startup::check_tls(&config)?;
                commands::say(config.effective().trim_end())
            }
            Command::Migrate(command) => commands::migrate(&config, &command).await,
            Command::Token(Token::New(token)) => token::new(&token),
            Command::Tag(command) => commands::tag(&config, command).await,
            Command::Guard(Guard::Status) => commands::guard_status(&config).await,
        }
    }
}
