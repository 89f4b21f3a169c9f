//! Arguments of `tag …`.

use super::{number, one_of};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Tag {
    /// Create a tag.
    #[command(after_help = "\
Examples:
  id-alloc tag create order --step 1000 --description 'orders of the shop'
  id-alloc tag create invoice --start 500000    ids from 500000 on
  id-alloc tag create ticket --limit 2147483647   ids that fit a signed 32-bit integer")]
    Create {
        /// Its name: 1 to 128 characters, as many as the table's column holds (32 where `migrate up` made it).
        name: String,
        /// The first id handed out (0 begins at 1). The name of a deleted tag can be used again with a
        /// start not below what was ever claimed of it.
        #[arg(long, default_value_t = 0, value_parser = number::from::<0, i64>)]
        start: i64,
        /// The smallest number of ids that a server claims at once.
        #[arg(long, default_value_t = 1000, value_parser = number::from::<1, i64>)]
        step: i64,
        /// Free text, at most 1024 characters.
        #[arg(long, default_value = "")]
        description: String,
        /// All ids stay below this number, for columns or callers that hold no larger ones.
        #[arg(long, value_name = "ID", value_parser = number::from::<1, i64>)]
        limit: Option<i64>,
    },
    /// List tags by name, deleted ones too.
    #[command(after_help = "\
Examples:
  id-alloc tag list --prefix shop. --limit 100
  id-alloc tag list --order desc
  id-alloc --json tag list --limit 100 --after order")]
    List(List),
    /// Show one tag, deleted or not.
    Show {
        /// Its name.
        name: String,
    },
    /// Change step, description or limit; servers take a step up at their next claim.
    Set {
        /// Its name.
        name: String,
        /// The smallest number of ids that a server claims at once.
        #[arg(long, value_parser = number::from::<1, i64>)]
        step: Option<i64>,
        /// Free text, at most 1024 characters.
        #[arg(long)]
        description: Option<String>,
        /// All ids stay below this number, which may not be less than the tag's `max_id`; 0 takes the limit away.
        #[arg(long, value_name = "ID", value_parser = number::from::<0, i64>)]
        limit: Option<i64>,
    },
    /// Delete a tag. Its row stays, so that its ids are never handed out again; the name can be created
    /// again above them.
    #[command(after_help = "\
Example:
  id-alloc tag delete order --confirm order")]
    Delete {
        /// Its name.
        name: String,
        /// Its name again, to confirm.
        #[arg(long, value_name = "NAME")]
        confirm: String,
    },
    /// Raise `max_id`. Ids already in the memory of servers are still handed out.
    #[command(after_help = "\
Examples:
  id-alloc tag advance order --to 5000000
  id-alloc tag advance --all --now --by 1000000     after a restore, before the servers are started
  id-alloc tag advance order --by 1 --now --drop-buffers")]
    Advance(Advance),
    /// Write tags as CSV with all that is needed to serve them elsewhere: `tag import` reads it there.
    ///
    /// The column start is the end of everything that was ever claimed. While servers go on claiming, the file is old
    /// as soon as it is written: stop them, or use --retire.
    #[command(after_help = "\
Examples:
  id-alloc tag export > tags.csv
  id-alloc tag export order refund --retire > moved.csv")]
    Export(Export),
    /// Create the tags in a CSV file, or those of another id server.
    ///
    /// The first line names the columns, in any order: biz_tag and step, and optionally start (0 where it is
    /// missing or empty), description, limit, and deleted (`yes` for a name that was deleted). The whole file is checked first: with any wrong line nothing is
    /// written, and each is named by its number. A tag that exists as the file says is left alone, so that
    /// an import which was interrupted can be repeated; one that differs is reported and left as it is.
    ///
    /// With --from the tags are those of another system, read from its table in MySQL or MariaDB: leaf, tinyid, or the tables
    /// that --table names and whose AUTO_INCREMENT counts; or from the counters of a Redis. Each tag begins above everything handed out there, by --margin.
    /// docs/migrate.md says in which order to move.
    #[command(after_help = "\
Examples:
  id-alloc tag import tags.csv --dry-run
  id-alloc tag import tags.csv
  id-alloc tag import --from leaf --source mysql://reader@db:3306/leaf --dry-run
  id-alloc tag import --from auto-increment --source mysql://reader@db:3306/shop --table orders=order
  id-alloc tag import --from redis --source redis://cache:6379/0 --keys 'seq:*' --dry-run
  printf 'biz_tag,step\\norder,1000\\n' | id-alloc tag import -")]
    Import(Import),
}

impl Tag {
    /// Whether it has changed the table where it succeeds.
    pub(in crate::cli) fn writes(&self) -> bool {
        match self {
            // An import says so itself, where it has made any.
            Self::List(_) | Self::Show { .. } | Self::Import(_) => false,
            Self::Export(export) => export.retire,
            Self::Create { .. } | Self::Set { .. } | Self::Delete { .. } | Self::Advance(_) => true,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only names that begin with this.
    #[arg(long)]
    pub(in crate::cli) prefix: Option<String>,
    /// Order by name.
    #[arg(long, value_enum, default_value_t = Order::Asc)]
    pub(in crate::cli) order: Order,
    /// At most this many; without it, all.
    #[arg(long, value_parser = number::from::<1, u64>)]
    pub(in crate::cli) limit: Option<u64>,
    /// Only names after this one, in that order: the last one of the page before.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) after: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Order {
    Asc,
    Desc,
}

#[derive(Debug, Args)]
#[command(group = one_of(["file", "from"]))]
pub(in crate::cli) struct Import {
    /// The file; `-` reads standard input.
    pub(in crate::cli) file: Option<PathBuf>,
    /// Take the tags over from another system.
    #[arg(long, value_enum)]
    pub(in crate::cli) from: Option<From>,
    /// URL of its database, written as database.url, or redis://USER:PASSWORD@HOST:PORT/DATABASE; without it the
    /// environment variable IDA_SOURCE, else database.url.
    #[arg(long, value_name = "URL", requires = "from")]
    pub(in crate::cli) source: Option<String>,
    /// Its table, where it is not leaf_alloc or tiny_id_info; for auto-increment each table that counts, and optionally the
    /// name of its tag.
    #[arg(long = "table", value_name = "TABLE[=TAG]", requires = "from")]
    pub(in crate::cli) tables: Vec<String>,
    /// Redis only: the keys that are counters, as SCAN's MATCH has them.
    #[arg(long, value_name = "PATTERN", requires = "from")]
    pub(in crate::cli) keys: Option<String>,
    /// Only tags of this name; can be repeated.
    #[arg(long, value_name = "NAME", requires = "from")]
    pub(in crate::cli) only: Vec<String>,
    /// How far above the ids handed out to begin; without it ten steps, at least a million.
    #[arg(long, value_name = "IDS", requires = "from", value_parser = number::from::<0, i64>)]
    pub(in crate::cli) margin: Option<i64>,
    /// The step of the tags; without it that of the other system, or 1000.
    #[arg(long, requires = "from", value_parser = number::from::<1, i64>)]
    pub(in crate::cli) step: Option<i64>,
    /// tinyid only: write its tokens into a new file for alloc.tokens_file.
    #[arg(long, value_name = "FILE", requires = "from")]
    pub(in crate::cli) tokens: Option<PathBuf>,
    /// Only say what would be done.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

/// What tags are taken over from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum From {
    /// Leaf's table, leaf_alloc.
    Leaf,
    /// tinyid's table, tiny_id_info.
    Tinyid,
    /// The AUTO_INCREMENT of tables.
    AutoIncrement,
    /// Keys of a Redis that INCR counts.
    Redis,
}

#[derive(Debug, Args)]
#[command(group = one_of(["by", "to"]))]
pub(in crate::cli) struct Advance {
    /// The tag's name.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(in crate::cli) name: Option<String>,
    /// Every tag, for use after a restore.
    #[arg(long, requires = "by")]
    pub(in crate::cli) all: bool,
    /// Raise by this many ids.
    #[arg(long, value_parser = number::from::<1, i64>)]
    pub(in crate::cli) by: Option<i64>,
    /// Raise to this id.
    #[arg(long, value_parser = number::from::<0, i64>)]
    pub(in crate::cli) to: Option<i64>,
    /// Raise at once, instead of announcing it 20 seconds ahead: where no replica is behind, or no server runs.
    #[arg(long)]
    pub(in crate::cli) now: bool,
    /// Have every server throw away what it has of the tag in memory, once claims heed the advance; wait until each has
    /// said so, and name those that have not.
    #[arg(long)]
    pub(in crate::cli) drop_buffers: bool,
    /// How many seconds to wait for the servers.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = number::from::<0, u64>,
        requires = "drop_buffers"
    )]
    pub(in crate::cli) wait: u64,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// Only these tags.
    #[arg(conflicts_with = "prefix")]
    pub(in crate::cli) names: Vec<String>,
    /// Only names that begin with this.
    #[arg(long)]
    pub(in crate::cli) prefix: Option<String>,
    /// Delete each tag here as it is written, so that nobody claims it any more and it can be served elsewhere.
    #[arg(long)]
    pub(in crate::cli) retire: bool,
}
