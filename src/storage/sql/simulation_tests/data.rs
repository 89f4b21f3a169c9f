//! What the model's database holds, and the limits that all servers are under.

use crate::domain::allowance::Allowance;
use crate::storage::GuardRow;
use crate::storage::sql::decide::{Account, Limits, Row};
use crate::storage::sql::lineage::Heartbeat;
use fastrand::Rng;

pub(super) const LIMITS: Limits = Limits {
    id_limit: i64::MAX / 4,
    max_step: 100_000_000,
    failover_skip: None,
};

/// What a primary and its replicas hold.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) row: Row,
    pub(super) heartbeat: Heartbeat,
}

impl Data {
    /// A tag that nobody has claimed from, with some step and some allowance.
    pub(super) fn first(rng: &mut Rng) -> Self {
        let step = [10, 1000, 100_000][rng.usize(..3)];
        let first = Allowance::first(step, LIMITS.id_limit);
        let row = Row {
            max_id: 0,
            step,
            retired: false,
            id_limit: 0,
            writable: true,
            guard: Some(GuardRow {
                claimed_to: 0,
                claimed_size: 0,
                claimed_on: "0".to_owned(),
                here: true,
                moves: 0,
                advance_to: 0,
            }),
            account: Some(Account {
                allowance: Allowance {
                    ids: if rng.bool() { first } else { 1000 },
                    before: first,
                    written_at: 0,
                    needed_at: 0,
                    paid_until: 0,
                },
                lineage: 0,
                advance_to: 0,
                advance_at: 0,
                now: 0,
            }),
        };
        let heartbeat = Heartbeat {
            beat: 0,
            identity: "0".to_owned(),
            here: true,
            lineage: 0,
            now: 0,
        };
        Self { row, heartbeat }
    }
}
