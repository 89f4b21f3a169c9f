//! Unique, increasing 64-bit ids from [id-alloc](https://github.com/id-alloc/id-alloc) servers, counted in memory.
//!
//! A [`Client`] keeps, for each tag, a current range and one in reserve, which it fetches in the background. So
//! [`Tag::next`] costs some nanoseconds, and an outage of the servers goes unnoticed while ids are in memory: about
//! [`range_duration`](Builder::range_duration), twice that at most. Ids are unique; ids of one client and tag rise as
//! long as they come from one server, and in trend across servers. Ids in memory are lost when the process ends: gaps are
//! normal.
//!
//! ```no_run
//! # async fn example() -> Result<(), id_alloc_client::IdAllocError> {
//! use id_alloc_client::Client;
//!
//! let client = Client::builder()
//!     .server("http://10.0.0.1:8880")
//!     .server("http://10.0.0.2:8880")
//!     .build()?;
//! let order = client.tag("order");
//! let id: i64 = order.next().await?;
//! let more: Vec<i64> = order.next_many(100).await?;
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Three ways to an id
//! - [`Tag::next`] waits when no id is in memory, at most for the [`deadline`](Builder::deadline).
//! - [`Tag::try_next`] never waits and is no async function: for threads, for `Drop`, for inner loops. A thread that uses a
//!   tag alone pays about a nanosecond; threads that share one pay an atomic addition each.
//! - [`LocalTag`], made by [`Tag::local`], counts a piece of the range by itself: for threads that each need hundreds of
//!   millions a second at the same time.
//!
//! # Runtimes
//! Ranges are fetched by tasks on the tokio runtime of whoever needs one, or of [`Builder::build`] where that is none. On a
//! current-thread runtime a task that takes ids by `try_next` and never awaits anything leaves the fetch no time.
//!
//! # Forks
//! A process that forks copies the ids in memory, and this crate cannot see it: parent and child would hand out the same ids. So
//! make the [`Client`] after the fork, in each process its own. (Tokio's runtimes do not survive a fork either.) Starting another
//! program, as [`std::process::Command`] does, is no such fork.
//!
//! # What it tells
//! Through [`tracing`](https://docs.rs/tracing): a span `id_alloc_fetch` (debug) with `tag` and `size` for each range, in it
//! the events "a range came" (debug), "an attempt to get a range failed" and "no range can be had" (warn). An implementation
//! of [`Metrics`] is called for the same, and when a call had to wait.
//!
//! # Cargo features
//! `tls` (on unless `default-features = false`): `https://` addresses, by rustls, with the certificates that the system trusts.
//!
//! # Inside
//! `tag` and `local` hand ids out, `state` changes from range to range, `fetch` gets ranges, `pace` says how large they
//! are, `line` which server is asked and when, `server` asks it, `answer` says what is a good answer, `seen` that none is
//! used twice. The current range is a [`BiasedCounter`](id_alloc_range::BiasedCounter), of the crate that the server uses too. The rules
//! are those of `clients/conformance/README.md` in the repository, and all of its scenarios are run against this crate.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod answer;
mod builder;
mod client;
mod core;
mod error;
mod fetch;
mod line;
mod local;
mod metrics;
mod pace;
mod seen;
mod server;
mod state;
mod tag;
mod tls;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use builder::Builder;
pub use client::Client;
pub use error::{IdAllocError, Refusal};
pub use local::LocalTag;
pub use metrics::Metrics;
pub use tag::Tag;
