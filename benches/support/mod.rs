//! The parts of a server on a store in memory, for what measures them in process.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "shared by programs that use a part each; a failure ends them"
)]

use id_alloc::{
    actors::{Allocation, Settings},
    config::Config,
    domain::{BizTag, StepSettings},
    http::Shared,
    metrics::Metrics,
    storage::MemoryStore,
};
use std::{sync::Arc, time::Duration};

/// Callers at once, where there are several.
pub(crate) const CALLERS: u32 = 64;

/// What `config/default.toml` says of claims.
pub(crate) fn step() -> StepSettings {
    StepSettings {
        segment_duration: Duration::from_secs(900),
        max_step: 100_000_000,
        outage_budget: Duration::from_secs(300),
    }
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
        let settings = Settings {
            step: Arc::new(step()),
            backoff_max: Duration::from_millis(500),
            claim_timeout: Duration::from_secs(14),
            claims: 9,
            // Long, so that a busy machine does not turn a measurement into refusals.
            request_deadline: Duration::from_secs(30),
            max_waiting_per_tag: 10_000,
            max_waiting: 50_000,
            unknown_tag_ttl: Duration::from_secs(2),
            unknown_tags: 10_000,
            max_loaded_tags: 1_000_000,
            rest_after: Duration::from_secs(1),
            idle_after: Duration::from_secs(3600),
            refresh: Duration::from_secs(60),
        };
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
