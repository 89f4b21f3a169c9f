//! What can be typed: commands, arguments, and the help that clap makes of them.
//!
//! | commands | file |
//! |---|---|
//! | `tag …` | `tags.rs` |
//! | those that call a running server | `remote.rs` |
//! | all others | this one |

mod number;
mod remote;
mod tags;

pub(super) use remote::{Alloc, Health, Reach, Server};
pub(super) use tags::{Advance, Export, From, Import, List, Order, Tag};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const AFTER: &str = "\
Exit codes:
  0   done
  1   `doctor`: not safe to serve from
  2   `doctor`: could not tell
  64  wrong call, unknown tag, a file with wrong lines, a change that is refused
  65  the table, or the tag's row, cannot serve
  69  database or server unreachable, or not able to serve now (`serve` waits instead)
  70  internal error
  71  cannot listen on the address
  77  wrong password or token, or a right that is missing
  78  wrong configuration

Examples:
  id-alloc                                      serve on 127.0.0.1:8880 from a file
  id-alloc tag create order --step 1000         make a tag
  id-alloc alloc order --count 10               take ten ids
  id-alloc --json tag list | jq '.tags[].step'  results for scripts
  id-alloc completions bash > /etc/bash_completion.d/id-alloc
  id-alloc man tag import | man -l -            this help as a manual page";

/// What is typed; its first line is the description in Cargo.toml.
#[derive(Debug, Parser)]
#[command(name = "id-alloc", version, about, long_about = None, after_help = AFTER)]
pub struct Cli {
    /// A TOML or JSON file, or go-id-alloc's alloc.json. Environment variables
    /// `ID_ALLOC__SECTION__KEY` win over it.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print the result as one line of JSON, in the shapes of the HTTP API where it has one.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

/// Of these arguments, one has to be given.
fn one_of(names: [&'static str; 2]) -> ArgGroup {
    ArgGroup::new("one").required(true).args(names)
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Configured(Configured),
    #[command(flatten)]
    Alone(Alone),
}

/// Commands that work with the configuration, and most of them with the database.
#[derive(Debug, Subcommand)]
pub(super) enum Configured {
    /// Serve ids over HTTP; so does `id-alloc` alone.
    ///
    /// Everything about the server is set in the configuration: in the file that --config names, or by environment
    /// variables. `id-alloc config check` shows every key with its value.
    #[command(after_help = "\
Examples:
  id-alloc serve
  ID_ALLOC__SERVER__PORT=8881 id-alloc serve
  id-alloc --config id-alloc.toml serve")]
    Serve,
    /// Create or inspect the table.
    #[command(subcommand)]
    Migrate(Migrate),
    /// Manage tags, in the database.
    #[command(subcommand)]
    Tag(Box<Tag>),
    /// Look at the guard against duplicates.
    #[command(subcommand)]
    Guard(Guard),
    /// Say whether it is safe to serve from the table, and name everything that is wrong with it.
    #[command(after_help = "\
Exit codes: 0 safe, 1 not safe, 2 could not tell (the database does not answer, or something has to be judged).

Examples:
  id-alloc doctor
  id-alloc doctor --in-use order=shop.orders.id --in-use invoice=invoices.number
  id-alloc --json doctor | jq -r '.findings[].todo'")]
    Doctor(Doctor),
    /// Say which server claimed an id, and when; needs `database.claim_records`.
    #[command(after_help = "\
Example:
  id-alloc trace order 4711")]
    Trace(Trace),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Commands that need no database, and the configuration at most to find a server.
#[derive(Debug, Subcommand)]
pub(super) enum Alone {
    /// Take ids of a tag from a running server; one per line.
    #[command(after_help = "\
Examples:
  id-alloc alloc order
  id-alloc alloc order --count 10 --server https://ids.internal:8880 --token-file token")]
    Alloc(Alloc),
    /// Ask a running server whether it can serve, as load balancers do; exit code 0 if it can.
    #[command(after_help = "\
The server's own address is taken from the configuration, and its certificate is then not checked: a
container asks itself, at an address that no certificate names. With --server or --ca-file it is checked.

Examples:
  id-alloc health
  id-alloc health order --server https://ids.internal:8880")]
    Health(Health),
    /// Look at a running server, over its admin API.
    #[command(subcommand)]
    Server(Server),
    /// Make tokens for the admin API and for /alloc.
    #[command(subcommand)]
    Token(Token),
    /// Print the completions for a shell.
    #[command(after_help = "\
Examples:
  id-alloc completions bash > /etc/bash_completion.d/id-alloc
  id-alloc completions zsh > /usr/local/share/zsh/site-functions/_id-alloc
  id-alloc completions fish > ~/.config/fish/completions/id-alloc.fish")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of a command.
    #[command(after_help = "\
Examples:
  id-alloc man | man -l -
  id-alloc man tag import | man -l -
  id-alloc man --dir /usr/local/share/man/man1")]
    Man(Man),
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// The command, such as `tag import`; none for the program as a whole.
    #[arg(conflicts_with = "dir")]
    pub(super) command: Vec<String>,
    /// Write the pages of all commands into this directory instead.
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    /// Create the table, or add what a go-id-alloc table lacks. Can be repeated.
    Up,
    /// Show which migrations are applied; exit code 65 if any is pending.
    Status,
}

#[derive(Debug, Subcommand)]
pub(super) enum Guard {
    /// Say whether claims are guarded, and what weakens the promise.
    Status,
}

#[derive(Debug, Args)]
pub(super) struct Trace {
    /// The tag's name.
    pub(super) tag: String,
    /// The id.
    #[arg(value_parser = number::from::<1, i64>)]
    pub(super) id: i64,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// A column that holds ids of a tag, in the same database server: the tag's next ids must lie above all of them.
    /// Can be repeated.
    #[arg(long, value_name = "TAG=TABLE.COLUMN")]
    pub(super) in_use: Vec<String>,
    /// Accept rows claimed on another database server: you know that the database was moved or failed over, and that
    /// the old one takes no writes.
    #[arg(long)]
    pub(super) moved: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the effective configuration without secrets, or every mistake in it.
    Check,
}

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token and the entry by which a server knows it. The token itself is kept nowhere else.
    #[command(after_help = "\
Examples:
  id-alloc token new ops --scope read,write --write token >> tokens.toml     for admin.tokens_file
  id-alloc token new shop --tags order,shop.* --write shop >> callers.toml   for alloc.tokens_file
  id-alloc token new ops --scope read                                        print token and entry")]
    New(NewToken),
}

#[derive(Debug, Args)]
#[command(group = one_of(["scope", "tags"]))]
pub(super) struct NewToken {
    /// Who uses it; the name appears in the audit log.
    pub(super) name: String,
    /// For admin.tokens_file: `read`, `write` or both.
    #[arg(long, value_delimiter = ',')]
    pub(super) scope: Vec<Scope>,
    /// For alloc.tokens_file: biz_tags, or beginnings followed by `*`.
    #[arg(long, value_delimiter = ',')]
    pub(super) tags: Vec<String>,
    /// With --tags: how many ids of each tag it may take in a second, on each server.
    #[arg(long, value_name = "N", requires = "tags", value_parser = number::from::<1, u64>)]
    pub(super) ids_per_second: Option<u64>,
    /// With --tags: how many ids of each tag it may take in a day, on each server.
    #[arg(long, value_name = "N", requires = "tags", value_parser = number::from::<1, u64>)]
    pub(super) ids_per_day: Option<u64>,
    /// Write the token into this new file, which only you can read, and print the entry alone.
    #[arg(long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Scope {
    Read,
    Write,
}
