//! `Metrics`: a hook for counters of your own.

use crate::IdAllocError;
use std::time::Duration;

/// What a client tells of itself. Hand yours to [`Builder::metrics`](crate::Builder::metrics); every method does nothing
/// unless you write it. They are called from the tasks that fetch and wait, never for an id that was in memory, so they
/// should be quick: count, and return.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Counters {
///     ids: AtomicU64,
///     failures: AtomicU64,
/// }
///
/// impl id_alloc_client::Metrics for Counters {
///     fn range_received(&self, _tag: &str, _server: &str, count: u64, _took: Duration) {
///         self.ids.fetch_add(count, Ordering::Relaxed);
///     }
///     fn attempt_failed(&self, _tag: &str, _server: &str, _why: &str) {
///         self.failures.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait Metrics: Send + Sync + 'static {
    /// A range of `count` ids came from `server`, `took` after it was asked for.
    fn range_received(&self, tag: &str, server: &str, count: u64, took: Duration) {
        let _ = (tag, server, count, took);
    }

    /// An attempt brought no ids; `why` says what the server said. There will be another.
    fn attempt_failed(&self, tag: &str, server: &str, why: &str) {
        let _ = (tag, server, why);
    }

    /// A fetch ended with an error that no retry can help. It is told to callers once memory is used up.
    fn refused(&self, tag: &str, error: &IdAllocError) {
        let _ = (tag, error);
    }

    /// A call had to wait, since no id was in memory: for so long, and with ids in the end or without.
    fn waited(&self, tag: &str, waited: Duration, got_ids: bool) {
        let _ = (tag, waited, got_ids);
    }
}

/// Tells nobody.
impl Metrics for () {}
