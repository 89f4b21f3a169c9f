//! What the configuration means to the store and to the actors.

use crate::{
    actors::Settings,
    config::Config,
    domain::StepSettings,
    storage::{StoreError, sql::SqlStore},
};
use std::{sync::Arc, time::Duration};

/// The actor of a tag unused for so long ends. To start it again takes less time than a claim.
const REST_AFTER: Duration = Duration::from_secs(10);

/// The store that the configuration names.
///
/// # Errors
/// [`StoreError`] where its URL or table name cannot be used. Nothing is connected to yet.
pub fn store(config: &Config) -> Result<SqlStore, StoreError> {
    SqlStore::new(config.database.clone(), &config.allocation)
}

pub(super) fn actor_settings(config: &Config) -> Settings {
    let (database, limits) = (&config.database, &config.limits);
    let connections = usize::try_from(database.max_connections).unwrap_or(1);
    Settings {
        step: Arc::new(StepSettings {
            segment_duration: config.allocation.segment_duration,
            max_step: config.allocation.max_step,
            outage_budget: config.allocation.outage_budget,
        }),
        backoff_max: database.backoff_max,
        // A claim is one statement; beside it the guard may read, move and claim again.
        claim_timeout: (database.acquire_timeout + database.statement_timeout) * 4,
        // One connection is left for checks.
        claims: connections.saturating_sub(1).max(1),
        request_deadline: limits.request_deadline,
        max_waiting_per_tag: limits.max_waiting_per_tag,
        max_waiting: limits.max_waiting,
        unknown_tag_ttl: limits.unknown_tag_ttl,
        unknown_tags: limits.unknown_tags,
        max_loaded_tags: limits.max_loaded_tags,
        rest_after: REST_AFTER,
        idle_after: config.allocation.idle_after,
        refresh: config.allocation.refresh,
    }
}
