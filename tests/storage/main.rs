//! The SQL store against real servers (`ID_ALLOC_TEST_MYSQL_URLS`, see `scripts/test`) and SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod allowance;
mod claims;
mod commits;
mod connections;
mod file;
mod first;
mod group;
mod guard;
mod heartbeat;
mod helpers;
mod large;
mod limits;
mod login;
mod migrate;
mod neighbour;
mod table;
mod tags;
mod tls;
mod triggers;
mod unreachable;
mod versions;
mod wire;
