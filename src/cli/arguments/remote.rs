//! Arguments of the commands that call a running server.

use super::number;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// How a running server is reached.
#[derive(Debug, Args)]
pub(in crate::cli) struct Reach {
    /// Where the server is, such as `https://ids.internal:8880`; by default where the configuration says
    /// that one listens.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) server: Option<String>,
    /// File with the token; without it the environment variable IDA_TOKEN is used.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) token_file: Option<PathBuf>,
    /// PEM file with the authority that signed the server's certificate; by default those that the system
    /// trusts.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Alloc {
    /// The tag's name.
    pub(in crate::cli) tag: String,
    /// How many ids, up to the server's limits.max_count.
    #[arg(long, value_parser = number::from::<1, u32>)]
    pub(in crate::cli) count: Option<u32>,
    /// A range of so many ids without a gap, up to the server's limits.max_range; prints the first and the last.
    #[arg(long, value_name = "COUNT", conflicts_with = "count", value_parser = number::from::<1, u32>)]
    pub(in crate::cli) range: Option<u32>,
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Health {
    /// Ask about this tag; without it about the server as a whole.
    pub(in crate::cli) tag: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) reach: Reach,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Server {
    /// Show the server and its database.
    Status {
        #[command(flatten)]
        reach: Reach,
    },
    /// List the tags this server has in memory, or show one.
    #[command(after_help = "\
Examples:
  id-alloc server tags --prefix shop.
  id-alloc server tags order
  IDA_TOKEN=ida_… id-alloc --json server tags --server https://ids.internal:8880")]
    Tags {
        /// Only this tag, with its segments.
        #[arg(conflicts_with = "prefix")]
        tag: Option<String>,
        /// Only names that begin with this.
        #[arg(long)]
        prefix: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
}
