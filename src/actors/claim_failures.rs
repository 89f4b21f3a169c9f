//! `ClaimFailures`: why a tag's claims fail, and when they are tried again. A tag that is well has none.

use super::error::AllocError;
use crate::domain::Backoff;
use std::{
    mem::discriminant,
    time::{Duration, Instant},
};

/// After a claim that cannot succeed, the tag's row is looked at again when the next request comes
/// after a pause that grows from the first to the second, so that a mended row is soon seen.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

pub(super) struct ClaimFailures {
    fault: Option<Fault>,
    /// How long nobody asks after a fault.
    pause: Backoff,
    /// Loads that the loader gave up in a row.
    pub(super) given_up: u32,
    /// What the newest claim failed with.
    pub(super) last_error: String,
}

/// Why a claim cannot succeed.
pub(super) struct Fault {
    pub(super) error: AllocError,
    /// Until then nobody asks again.
    pub(super) until: Instant,
    /// Demands of fewer ids may succeed all the same: near the end of the id space.
    pub(super) demand: i64,
}

impl Fault {
    /// Whether it passes at a known time, so that whoever can wait for that does.
    pub(super) fn is_used_up(&self) -> bool {
        matches!(self.error, AllocError::AllowanceUsedUp { .. })
    }

    /// Whether someone who waits until then is refused.
    pub(super) fn refuses(&self, deadline: Instant) -> bool {
        !self.is_used_up() || deadline < self.until
    }
}

impl Default for ClaimFailures {
    fn default() -> Self {
        Self {
            fault: None,
            pause: Backoff::new(PAUSES.0, PAUSES.1),
            given_up: 0,
            last_error: String::new(),
        }
    }
}

impl ClaimFailures {
    /// Whether claims cannot succeed, rather than that they fail for now.
    pub(super) fn is_fault(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| !fault.is_used_up())
    }

    /// Whether too much was asked for, and still is.
    pub(super) fn is_used_up(&self, now: Instant) -> bool {
        let fault = self.fault.as_ref();
        fault.is_some_and(|fault| fault.is_used_up() && fault.until > now)
    }

    /// Whether that is so for this kind of reason.
    pub(super) fn is_known(&self, error: &AllocError) -> bool {
        let known = self.fault.as_ref().map(|fault| discriminant(&fault.error));
        known == Some(discriminant(error))
    }

    /// No claim for `demand` ids or more can succeed until then, or for a pause that grows.
    pub(super) fn note_fault(&mut self, until: Option<Instant>, error: AllocError, demand: i64) {
        let pause = || Instant::now() + self.pause.after_failure(fastrand::f64());
        self.fault = Some(Fault {
            error,
            until: until.unwrap_or_else(pause),
            demand,
        });
    }

    /// Why claims could not succeed last.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// What stands against a claim for a demand of so many ids, for now.
    pub(super) fn fault_of(&self, now: Instant, demand: i64) -> Option<&Fault> {
        let fault = self.fault.as_ref()?;
        (fault.until > now && demand >= fault.demand).then_some(fault)
    }
}
