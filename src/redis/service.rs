//! What all connections of the listener share.

use crate::{
    actors::Allocator,
    auth::{AllocToken, Tokens},
    http,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Instant,
};

/// What all connections share.
#[derive(Debug)]
pub struct Service {
    /// From which ids come.
    pub allocator: Allocator,
    /// Limits, metrics and what keeps the log short.
    pub shared: Arc<http::Shared>,
    /// Who may ask; `None` lets anyone.
    pub tokens: Option<Arc<Tokens<AllocToken>>>,
    /// The port it listens on, for `INFO`.
    pub port: u16,
    /// When it began, for `INFO`.
    pub began: Instant,
    /// So many connections may be open: `wire.redis.max_connections`, or as the limit on open files allows.
    pub most: usize,
    /// Open connections.
    pub open: AtomicUsize,
    /// How many connections there were; each has its number.
    pub seen: AtomicU64,
    /// Grows with each connection that is opened or closed.
    pub changes: Arc<AtomicU64>,
}
