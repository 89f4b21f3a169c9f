//! The section `wire`: what callers of other id servers speak, a key or a table for each. Like `sections.rs` otherwise.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    texts::{Address, OrNone},
    values::{Period, Whole, YEAR},
};

/// What callers of other id servers speak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// Off: callers of tinyid get 404. On: who reaches the port can ask for ids in that way too.
    pub tinyid: bool,
    /// Off: callers of Leaf get 404. On: the same.
    pub leaf: bool,
    /// Off: applications that use CosId's proxy do not start. On: the same.
    pub cosid: bool,
    /// Redis' clients.
    pub redis: Redis,
}

/// The listener for Redis' clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `None`: there is none. Taken already: exit code 71. As `server.host`: who reaches it can use up ids.
    #[serde(with = "OrNone::<Address>")]
    pub bind: Option<SocketAddr>,
    /// Too low and clients are refused (`ERR max number of clients reached`). Where fewer files may be open, so many
    /// as leave some for the database.
    #[serde(with = "Whole::<1, 10_000_000>")]
    pub max_connections: usize,
    /// Shorter than pools keep theirs and some commands meet a connection just closed; too long and clients that
    /// have gone hold places.
    #[serde(with = "Period::<0, YEAR>")]
    pub idle_timeout: Duration,
}
