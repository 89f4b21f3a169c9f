//! `Allowance`: how many ids of a tag all servers together may claim, so that what a failover can lose is
//! bounded however claims grow. `docs/guard.md` is the argument; this is its arithmetic.
//!
//! A leaky bucket that stands in the tag's row, the one place where all servers meet. An allowance of A ids
//! lasts for [`WINDOW`]; a claim of n pays n · WINDOW / A of time in advance, and may be [`AHEAD`] ahead of
//! the clock. So in any time t at most A · (t + AHEAD) / WINDOW ids are claimed.
//!
//! A raise counts only [`DELAY`] after it was written, and then twice what was in force, after another [`DELAY`]
//! four times, and so on up to what was written: until then a replica that has not heard of it is right about what
//! was claimed. A lowering counts at once, and is made when the tag needed far less for [`QUIET`]. All times are
//! microseconds of the database's clock, whose zero does not matter.

/// One second, in the unit of all times here.
pub const SECOND: i64 = 1_000_000;
/// An allowance is so many ids in this time.
pub const WINDOW: i64 = 10 * SECOND;
/// How far claims may be ahead of the clock.
pub const AHEAD: i64 = WINDOW / 2;
/// Each doubling of a raise, and an announced advance, count so long after they were written.
pub const DELAY: i64 = 20 * SECOND;
/// An allowance is lowered when the tag needed far less for so long.
pub const QUIET: i64 = 60 * SECOND;
/// A claim after which the bucket is further ahead than this needed its allowance.
pub const NEEDED: i64 = 2 * SECOND;
/// What a failover may have lost beside the replica's lag, as time at the full rate: the bucket's advance,
/// and the inexactness of clocks and heartbeats.
pub const MARGIN: i64 = 2 * SKIP_UNIT;
/// How stale a promoted replica is taken to be where no heartbeat tells.
pub const UNKNOWN_LAG: i64 = 30 * SECOND;
/// A skip is the allowance times the time that was lost, in this unit: twice the rate of the allowance, since
/// it may have been doubled without the replica's knowing.
const SKIP_UNIT: i64 = 5 * SECOND;

/// The least that a tag starts with, where the id space has room for it: ten million ids a second.
const GENEROUS: i64 = 100_000_000;
/// An allowance is not lowered below this.
const LEAST: i64 = 2_000_000;
/// Doublings of one raise; with more of them [`MOST`] would leave 63 bits.
pub const DOUBLINGS: i64 = 22;
/// No allowance is larger; the arithmetic of a claim stays within 63 bits.
pub const MOST: i64 = 1_000_000_000_000;
/// The largest claim that any allowance permits.
pub const LARGEST_CLAIM: i64 = MOST / 2;

/// The allowance of a tag as its row says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Ids per [`WINDOW`]; 0 where none was written yet.
    pub ids: i64,
    /// What was in force before; it doubles each [`DELAY`] after `written_at`, up to `ids`.
    pub before: i64,
    /// When it was raised.
    pub written_at: i64,
    /// When a claim needed it last.
    pub needed_at: i64,
    /// Up to when what was claimed is paid for.
    pub paid_until: i64,
}

/// A change of an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The new one.
    pub ids: i64,
    /// What is in force until it counts.
    pub before: i64,
    /// From when its doublings are counted; `None` from now on.
    pub since: Option<i64>,
}

impl Allowance {
    /// What a tag starts with: generous, so that bursts do not stall, but a small part of the `left` ids
    /// below its limit.
    #[must_use]
    pub fn first(step: i64, left: i64) -> i64 {
        step.saturating_mul(1000)
            .max(GENEROUS)
            .min(left / 1000)
            .max(floor(step))
            .min(MOST)
    }

    /// The first allowance of a row that was made without one. At first no more is in force than what a replica
    /// that has not heard of it assumes, whatever the step was there.
    #[must_use]
    pub fn open(step: i64, left: i64) -> Change {
        Change {
            ids: Self::first(step, left),
            before: Self::first(0, left).max(1),
            since: None,
        }
    }

    /// What may be claimed per [`WINDOW`] at `now`.
    #[must_use]
    pub fn in_force(&self, now: i64) -> i64 {
        let doublings = self.doublings(now);
        if doublings > DOUBLINGS {
            return self.ids.clamp(1, MOST);
        }
        let raised = self.before.clamp(1, MOST) << doublings;
        raised.min(self.ids).clamp(1, MOST)
    }

    /// How often what was in force before has doubled by `now`.
    fn doublings(&self, now: i64) -> i64 {
        now.saturating_sub(self.written_at).max(0) / DELAY
    }

    /// When the next doubling counts; `None` where all do.
    fn next_doubling(&self, now: i64) -> Option<i64> {
        let next = self.doublings(now).checked_add(1)?.checked_mul(DELAY)?;
        (self.in_force(now) < self.ids.min(MOST)).then(|| self.written_at.saturating_add(next))
    }

    /// Up to when everything is paid for, at least `now`.
    fn paid(&self, now: i64) -> i64 {
        self.paid_until.max(now)
    }

    /// How much time a claim of `n` ids pays.
    #[must_use]
    pub fn cost(&self, now: i64, n: i64) -> i64 {
        let in_force = i128::from(self.in_force(now));
        let cost = (i128::from(n) * i128::from(WINDOW) + in_force - 1) / in_force;
        i64::try_from(cost).unwrap_or(i64::MAX)
    }

    /// How many ids may be claimed at `now`.
    #[must_use]
    pub fn room(&self, now: i64) -> i64 {
        let ahead = self.paid(now).saturating_sub(now);
        let time = AHEAD.saturating_sub(ahead).max(0);
        let room = i128::from(time) * i128::from(self.in_force(now)) / i128::from(WINDOW);
        i64::try_from(room).unwrap_or(i64::MAX)
    }

    /// The allowance after a claim of `n` ids at `now`; `None` where it does not permit that. What the claim's
    /// statement does, in Rust.
    #[must_use]
    pub fn pay(&self, now: i64, n: i64) -> Option<Self> {
        let paid_until = self.paid(now).checked_add(self.cost(now, n))?;
        if self.ids <= 0 || paid_until > now.saturating_add(AHEAD) {
            return None;
        }
        let needed = paid_until > now.saturating_add(NEEDED);
        Some(Self {
            paid_until,
            needed_at: if needed { now } else { self.needed_at },
            ..*self
        })
    }

    /// How long until `n` ids may be claimed, if nobody claims meanwhile; `None` where even a full bucket has too
    /// few.
    #[must_use]
    pub fn wait(&self, now: i64, n: i64) -> Option<i64> {
        let mut from = now;
        for _ in 0..=DOUBLINGS + 1 {
            let cost = self.cost(from, n);
            let next = self.next_doubling(from);
            if cost <= AHEAD {
                let at = self.paid_until.saturating_add(cost).saturating_sub(AHEAD);
                let at = at.max(from);
                if next.is_none_or(|next| at <= next) {
                    return Some(at.saturating_sub(now));
                }
            }
            from = next.filter(|next| *next > from)?;
        }
        None
    }

    /// Whether the clock went back since the row was written.
    #[must_use]
    pub fn is_from_the_future(&self, now: i64) -> bool {
        self.paid_until > now.saturating_add(AHEAD) || self.written_at > now || self.needed_at > now
    }

    /// The raise that a claim beyond the allowance makes: twice as much, or as much as permits `n` ids at once,
    /// which cannot be done without. Not beyond a sixteenth of what is left below the limit, so that a skip leaves half of that.
    #[must_use]
    pub fn raised(&self, now: i64, step: i64, n: i64, left: i64) -> Option<Change> {
        let most = (left / 16).max(floor(step)).min(MOST);
        let needed = n.saturating_mul(2).max(floor(step)).min(most);
        let is_pending = self.next_doubling(now).is_some();
        let (before, since) = match is_pending {
            false => (self.in_force(now), None),
            // Those that know of it take it that the rest comes no sooner than after the last of its doublings.
            true if self.is_doublings() => (self.before, Some(self.written_at)),
            true => return None,
        };
        let enough = match is_pending {
            false => needed.max(self.ids.saturating_mul(2).min(most)),
            true => needed,
        };
        if enough <= self.ids {
            return None;
        }
        let mut ids = before;
        for _ in 0..DOUBLINGS {
            if ids >= enough {
                break;
            }
            ids = ids.saturating_mul(2);
        }
        let ids = ids.min(most);
        (ids > self.ids).then_some(Change { ids, before, since })
    }

    /// Whether it is what was in force before, doubled a few times.
    fn is_doublings(&self) -> bool {
        let before = self.before.clamp(1, MOST);
        (0..=DOUBLINGS).any(|doublings| before << doublings == self.ids)
    }

    /// Whether the step asks for a larger allowance.
    #[must_use]
    pub fn is_below(&self, step: i64) -> bool {
        self.ids < floor(step)
    }

    /// The least that an allowance is lowered to.
    #[must_use]
    pub fn least(step: i64) -> i64 {
        floor(step).max(LEAST)
    }

    /// The lowering that is due when `n` ids are claimed at `now`. What is in force does not rise by it.
    #[must_use]
    pub fn lowered(&self, now: i64, step: i64, n: i64) -> Option<Change> {
        let half = self.ids / 2;
        let is_due = half >= Self::least(step)
            && self.needed_at < now.saturating_sub(QUIET)
            && self.paid(now).saturating_add(self.cost(now, n)) <= now.saturating_add(NEEDED);
        is_due.then_some(Change {
            ids: half,
            before: self.before,
            since: Some(self.written_at),
        })
    }

    /// How many ids may have been claimed of the tag in the time that was `lost`: [`MARGIN`] and how stale the
    /// promoted replica was, for each failover since.
    #[must_use]
    pub fn skip(&self, lost: i64) -> i64 {
        let skip = i128::from(self.ids) * i128::from(lost) / i128::from(SKIP_UNIT) + 1;
        i64::try_from(skip).unwrap_or(i64::MAX)
    }
}

/// What the row's step needs: a few claims at once.
fn floor(step: i64) -> i64 {
    step.saturating_mul(20)
}

#[cfg(test)]
#[path = "allowance_tests.rs"]
mod tests;
