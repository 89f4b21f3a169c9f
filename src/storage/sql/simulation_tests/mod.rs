//! Histories of claims, raises, advances, lags and failovers, driven through the real [`decide`](super::decide::decide)
//! and [`judge`](super::lineage::judge): no id is claimed twice while a promoted replica is at most half a minute behind
//! and failovers are half a minute apart, whoever remembers what.
//!
//! The database is a model of a row and a heartbeat. With an earlier rule put in the same histories find ids twice, so
//! the tests can fail.

mod data;
mod random;
mod single;
pub(super) mod statement;
mod world;
