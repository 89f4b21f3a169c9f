//! `Quotas`: how many ids the holder of a token takes of a tag, per second and per day, and whether that is too many.
//!
//! Each server counts for itself, in memory: behind a load balancer that spreads requests evenly over n servers, the fleet
//! lets through n times what an entry says, and a server that is started anew begins the day anew. Over any minute no
//! more is let through than the quota and [`BURST`] of it, which is within 5 %.

use super::AllocToken;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// So much of the quota of a second can be taken at once.
const BURST: Duration = Duration::from_millis(2500);
const DAY: u64 = 86_400;
/// A line for each holder and tag is logged this often.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// More than the entry allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// So many a second are allowed; later there are some again.
    #[error(
        "over the token's quota of {quota} ids a second of this biz_tag on this server: ask again in {} ms",
        .wait.as_millis() + 1
    )]
    PerSecond {
        /// Ids a second.
        quota: u64,
        /// When to ask again.
        wait: Duration,
    },
    /// So many a day are allowed.
    #[error(
        "over the token's quota of {quota} ids a day of this biz_tag on this server: ask again in {} s, when the day (UTC) ends",
        .wait.as_secs() + 1
    )]
    PerDay {
        /// Ids a day.
        quota: u64,
        /// Until the day ends.
        wait: Duration,
    },
    /// However long one waits: it asks for more at once than is ever allowed.
    #[error(
        "asks for more ids at once than the token's quota of {quota} a second allows; ask for at most {most}"
    )]
    AtOnce {
        /// Ids a second.
        quota: u64,
        /// The most at once.
        most: u64,
    },
}

impl Exceeded {
    /// When the same may be asked again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(&self) -> u64 {
        let wait = match self {
            Self::PerSecond { wait, .. } | Self::PerDay { wait, .. } => *wait,
            Self::AtOnce { .. } => Duration::ZERO,
        };
        (wait + Duration::from_nanos(999_999_999)).as_secs().max(1)
    }
}

/// What a holder took of a tag.
#[derive(Debug)]
struct Used {
    /// When all that was taken is paid for.
    paid: Instant,
    /// Days since 1970, in UTC, to which `taken` belongs.
    day: u64,
    taken: u64,
    /// When a refusal was logged last, and how many were not since.
    said: Option<Instant>,
    unsaid: u64,
}

/// By holder and tag; only of tokens with a quota.
#[derive(Debug, Default)]
struct All {
    used: HashMap<String, HashMap<String, Used>>,
    /// The day on which entries of earlier days were thrown away last.
    day: u64,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<All>);

impl Quotas {
    /// Counts `count` ids of the tag, unless they are too many.
    ///
    /// # Errors
    /// [`Exceeded`], and then nothing is counted. A line goes to the audit log.
    pub fn take(&self, token: &AllocToken, tag: &str, count: u64) -> Result<(), Exceeded> {
        if !token.has_quota() {
            return Ok(());
        }
        let (now, clock) = (Instant::now(), clock());
        let mut all = self.all();
        let used = all.entry(&token.name, tag, now, clock);
        let result = used.take(token, count, now, clock);
        if let Err(exceeded) = &result
            && let Some(unsaid) = used.say(now)
        {
            tracing::warn!(
                target: "id_alloc::audit", token = token.name, biz_tag = ?tag, count, unsaid, %exceeded,
                "a request was refused for its quota"
            );
        }
        result
    }

    /// Counts ids back that could not be handed out.
    pub fn give_back(&self, token: &AllocToken, tag: &str, count: u64) {
        if !token.has_quota() {
            return;
        }
        let mut all = self.all();
        let Some(tags) = all.used.get_mut(&token.name) else {
            return;
        };
        let Some(used) = tags.get_mut(tag) else {
            return;
        };
        used.taken = used.taken.saturating_sub(count);
        if let Some(quota) = token.ids_per_second {
            let paid = used.paid.checked_sub(cost(count, quota));
            used.paid = paid.unwrap_or(used.paid);
        }
        // Names that do not exist take no room.
        if used.taken == 0 {
            tags.remove(tag);
        }
    }

    /// How many ids the holder has taken today of each tag, most first, at most `limit` tags; and of how many there are.
    #[must_use]
    pub fn today(&self, holder: &str, limit: usize) -> (Vec<(String, u64)>, usize) {
        let day = clock().as_secs() / DAY;
        let all = self.all();
        let tags = all.used.get(holder).into_iter().flatten();
        let mut taken: Vec<(&String, u64)> = tags
            .filter(|(_, used)| used.day == day)
            .map(|(tag, used)| (tag, used.taken))
            .collect();
        let count = taken.len();
        taken.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        taken.truncate(limit);
        let found = taken.into_iter().map(|(tag, ids)| (tag.clone(), ids));
        (found.collect(), count)
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn entry(&mut self, holder: &str, tag: &str, now: Instant, clock: Duration) -> &mut Used {
        let day = clock.as_secs() / DAY;
        if self.day != day {
            self.day = day;
            self.used.retain(|_, tags| {
                tags.retain(|_, used| used.day == day || used.paid > now);
                !tags.is_empty()
            });
        }
        let tags = self.used.entry(holder.to_owned()).or_default();
        tags.entry(tag.to_owned()).or_insert(Used {
            paid: now,
            day,
            taken: 0,
            said: None,
            unsaid: 0,
        })
    }
}

impl Used {
    fn take(
        &mut self,
        token: &AllocToken,
        count: u64,
        now: Instant,
        clock: Duration,
    ) -> Result<(), Exceeded> {
        let day = clock.as_secs() / DAY;
        if self.day != day {
            (self.day, self.taken) = (day, 0);
        }
        let taken = self.taken.saturating_add(count);
        if let Some(quota) = token.ids_per_day
            && taken > quota
        {
            let wait = Duration::from_secs((day + 1) * DAY).saturating_sub(clock);
            return Err(Exceeded::PerDay { quota, wait });
        }
        if let Some(quota) = token.ids_per_second {
            let cost = cost(count, quota);
            if cost > BURST {
                let most = u64::try_from(u128::from(quota) * BURST.as_millis() / 1000);
                let most = most.unwrap_or(u64::MAX);
                return Err(Exceeded::AtOnce { quota, most });
            }
            let paid = self.paid.max(now) + cost;
            let ahead = paid.saturating_duration_since(now);
            if ahead > BURST {
                let wait = ahead - BURST;
                return Err(Exceeded::PerSecond { quota, wait });
            }
            self.paid = paid;
        }
        self.taken = taken;
        Ok(())
    }

    /// Whether a refusal is to be logged, and then how many were not since the last.
    fn say(&mut self, now: Instant) -> Option<u64> {
        let is_recent = |said| now.saturating_duration_since(said) < SAID_EVERY;
        if self.said.is_some_and(is_recent) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// Since 1970.
fn clock() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// How long a quota of so many a second takes to pay for `count`.
fn cost(count: u64, quota: u64) -> Duration {
    let nanos = u128::from(count) * 1_000_000_000 / u128::from(quota.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "quotas_tests.rs"]
mod tests;
