//! Ids that were claimed, or skipped, and that nobody will ever get: gaps, by what left them. What a server that stops
//! had in memory stands in its log, since nobody reads its metrics any more.

use super::register::{Made, counters};
use prometheus::{IntCounterVec, Opts, Registry};

/// Why ids are left unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unused {
    /// The end of a segment held fewer than a caller wanted in one piece.
    Remainder,
    /// The tag was not asked for during `allocation.idle_after`.
    Idle,
    /// The tag was deleted.
    Deleted,
    /// Somebody had them dropped (`--drop-buffers`).
    Dropped,
    /// A segment came after another was asked for in its place.
    Late,
    /// The tag's actor panicked.
    Panic,
    /// The row was moved past what a failover or a restore may have lost. Some of these may have been handed out.
    Skip,
}

impl Unused {
    const LABELS: [&'static str; 7] = [
        "remainder",
        "idle",
        "deleted",
        "dropped",
        "late",
        "panic",
        "skip",
    ];
}

/// How many, by reason.
#[derive(Debug, Clone)]
pub struct UnusedIds(IntCounterVec);

impl UnusedIds {
    pub(super) fn new(registry: &Registry) -> Made<Self> {
        let help = "Ids that nobody will get any more, by what left them (gaps).";
        let opts = Opts::new("id_alloc_ids_unused_total", help);
        let unused = counters(registry, opts, ["reason"])?;
        for label in Unused::LABELS {
            unused.with_label_values(&[label]);
        }
        Ok(Self(unused))
    }

    /// Counts so many.
    pub fn count(&self, why: Unused, ids: u64) {
        let label = Unused::LABELS[why as usize];
        self.0.with_label_values(&[label]).inc_by(ids);
    }
}
