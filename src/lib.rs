//! id-alloc hands out unique, increasing 64-bit ids over HTTP, claimed in segments from a database.
//!
//! The map, from the outside in. Arrows of use go downwards only (`tests/layering` holds this).
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line: which command, which exit code |
//! | [`startup`] | builds the parts from a configuration, runs and drains them |
//! | [`redis`] | Redis' clients: the commands that hand out ids |
//! | [`http`] | routes: extract, call the [`actors::Allocator`], render |
//! | [`actors`] | per-tag actors, the loader, the registry, who waits for ids |
//! | [`metrics`] | what Prometheus scrapes |
//! | [`storage`] | the trait [`storage::SegmentStore`] and its databases |
//! | [`config`] | the configuration, a type per section, and every mistake it can hold |
//! | [`auth`] | tokens, what they allow, and secrets in files that are read again |
//! | [`domain`] | the rules of allocation, pure |
//!
//! Where each promise is kept is said in `docs/ARCHITECTURE.md`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod actors;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod metrics;
pub mod redis;
pub mod startup;
pub mod storage;
