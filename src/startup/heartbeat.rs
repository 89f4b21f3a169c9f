//! Renews the heartbeat beside the table while the server runs (`docs/guard.md`).

use crate::storage::sql::SqlStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often. Another server may have been first; then nothing is written.
const EVERY: Duration = Duration::from_secs(2);

/// Renews it until it is aborted. A failure is no news: claims fail for the same reason, and say so.
pub(super) async fn keep(store: Arc<SqlStore>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = store.beat().await {
            tracing::debug!(%error, "the heartbeat was not renewed");
        }
    }
}
