//! The actors on a store in memory that fails, hangs, loses answers and panics as scripted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod allowance;
mod bounds;
mod health;
mod ids;
#[path = "../support/memory_store.rs"]
mod memory_store;
mod outages;
mod panics;
mod refusals;
mod rest;
mod waiting;
mod world;
