//! `Core`: what all tags of a client share, and the background tasks that outlive its handles.

use crate::{
    Metrics,
    server::{Manner, Server},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// The clock that rates are measured with.
pub(crate) type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The options, checked, and what all tags share.
pub(crate) struct Core {
    pub(crate) servers: Arc<[Server]>,
    pub(crate) manner: Manner,
    pub(crate) range_duration: Duration,
    pub(crate) max_range: i64,
    pub(crate) deadline: Duration,
    /// For calls from outside of any runtime.
    pub(crate) runtime: Handle,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) clock: Clock,
}
