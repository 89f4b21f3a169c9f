//! Ids that were claimed, or skipped, and that nobody will ever get: gaps, by what left them. What a server that stops
//! had in memory stands in its log, since nobody reads its metrics any more.

use super::register::{Made, counters};
use prometheus::{IntCounterVec, Registry};

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
    const ALL: [Self; 7] = [
        Self::Remainder,
        Self::Idle,
        Self::Deleted,
        Self::Dropped,
        Self::Late,
        Self::Panic,
        Self::Skip,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Remainder => "remainder",
            Self::Idle => "idle",
            Self::Deleted => "deleted",
            Self::Dropped => "dropped",
            Self::Late => "late",
            Self::Panic => "panic",
            Self::Skip => "skip",
        }
    }
}

/// How many, by reason.
#[derive(Debug, Clone)]
pub struct UnusedIds(IntCounterVec);

impl UnusedIds {
    pub(super) fn new(registry: &Registry) -> Made<Self> {
        let unused = Self(counters(
            registry,
            "id_alloc_ids_unused_total",
            "Ids that nobody will get any more, by what left them (gaps).",
            &["reason"],
        )?);
        for why in Unused::ALL {
            unused.count(why, 0);
        }
        Ok(unused)
    }

    /// Counts so many.
    pub fn count(&self, why: Unused, ids: u64) {
        self.0.with_label_values(&[why.label()]).inc_by(ids);
    }
}
