//! The parts of a server on a store in memory, for what measures them in process.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "shared by programs that use a part each; a failure ends them"
)]

#[path = "../../tests/support/memory_store.rs"]
mod memory_store;

use id_alloc::{
    actors::{Allocation, Settings},
    config::Config,
    domain::{BizTag, StepSettings},
    http::Shared,
    metrics::Metrics,
};
use memory_store::MemoryStore;
use std::{sync::Arc, time::Duration};

/// Callers at once, where there are several.
pub(crate) const CALLERS: u32 = 64;

/// What `config/default.toml` says of claims.
pub(crate) fn step() -> StepSettings {
    (&Config::default().allocation).into()
}

/// The actors and what the routes share.
pub(crate) struct Parts {
    pub(crate) allocation: Allocation,
    pub(crate) shared: Arc<Shared>,
}

impl Parts {
    /// On rows with these names and step 100,000. Must be called within an actix system.
    pub(crate) fn start<'a>(tags: impl IntoIterator<Item = &'a str>) -> Self {
        let rows = tags.into_iter().map(|tag| (tag, 0, 100_000));
        let metrics = Arc::new(Metrics::new(10, i64::MAX).unwrap());
        let mut settings = Settings::from(&Config::default());
        // Long, so that a busy machine does not turn a measurement into refusals.
        settings.limits.request_deadline = Duration::from_secs(30);
        settings.rest_after = Duration::from_secs(1);
        let store = Arc::new(MemoryStore::with_rows(rows));
        let allocation = Allocation::start(settings, store, metrics.clone(), 1);
        let shared = Arc::new(Shared::new(&Config::default(), metrics));
        Self { allocation, shared }
    }
}

/// A tag of this name.
pub(crate) fn tag(name: &str) -> BizTag {
    BizTag::parse(name).unwrap()
}
