//! Configuration: read whole and checked whole before anything is bound or connected.
//!
//! [`Config::load`] lays three layers over each other: `config/default.toml` (compiled in, every key),
//! the file given, and the environment. It names **every** mistake at once, each with where it was
//! written and its dotted key, and never prints a password.
//!
//! | what you want to see | file |
//! |---|---|
//! | the keys, their limits, and what a wrong value does in operation | `sections.rs`, `wire.rs` |
//! | the kinds of values | `values.rs`, `texts.rs`, `preload.rs`, `database_url.rs`, `url_parameters.rs` |
//! | reading all of it | `load.rs` |
//! | which layer a value comes from; unknown keys | `layers.rs` |
//! | values that do not go together | `together.rs` |
//! | go-id-alloc's `alloc.json` and Go's DSN | `go_id_alloc/` |

mod database_url;
mod go_id_alloc;
mod layers;
mod load;
mod preload;
mod problems;
mod sections;
mod texts;
mod together;
mod url_parameters;
mod values;
mod wire;

use serde::{Deserialize, Serialize};

pub use self::database_url::{DatabaseKind, DatabaseUrl, DatabaseUrlError};
pub use self::layers::DEFAULT_TOML;
pub use self::preload::Preload;
pub use self::problems::ConfigError;
pub use self::sections::{
    Admin, Alloc, Allocation, Database, Guard, Limits, LogFormat, Server, Telemetry, Tls,
};
pub use self::texts::{base_url, is_plain_name};
pub use self::wire::{Redis, Wire};

/// Everything an operator can set. Always complete and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Listening, connections and shutting down.
    pub server: Server,
    /// The database, the table and the guard.
    pub database: Database,
    /// How much is claimed and how long tags stay in memory.
    pub allocation: Allocation,
    /// Bounds of every queue, wait and cache.
    pub limits: Limits,
    /// Who may ask for ids.
    pub alloc: Alloc,
    /// What callers of other id servers speak.
    pub wire: Wire,
    /// The admin API.
    pub admin: Admin,
    /// Logs and metrics.
    pub telemetry: Telemetry,
}

/// What [`Config::load`] found.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration to run with.
    pub config: Config,
    /// What is legal but likely not meant, one line each, without secrets: to be logged once logging
    /// works.
    pub warnings: Vec<String>,
}

impl Config {
    /// The configuration in force as TOML with every key, passwords replaced by `***`.
    #[must_use]
    pub fn effective(&self) -> String {
        // Writing plain structs of texts and numbers cannot fail; if it did, nothing would be shown.
        toml::to_string(self).unwrap_or_default()
    }
}

impl Default for Config {
    /// What `config/default.toml` says.
    #[allow(
        clippy::expect_used,
        reason = "a test reads the file that is compiled in"
    )]
    fn default() -> Self {
        toml::from_str(DEFAULT_TOML).expect("config/default.toml is complete")
    }
}
