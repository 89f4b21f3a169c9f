//! Real TiDB and Vitess, built and started by `./scripts/test distributed`: what operators type, and a fleet while things are
//! killed and moved.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod fleet;
mod locked;
mod sharded;
mod tidb;
mod vitess;
mod vitess_cluster;
