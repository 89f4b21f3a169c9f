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
/// A line for each holder is logged this often.
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
}

/// What is known of a holder.
#[derive(Debug, Default)]
struct Holder {
    tags: HashMap<String, Used>,
    /// When a refusal was logged last, and how many were not since.
    said: Option<Instant>,
    unsaid: u64,
}

/// Only of tokens with a quota.
#[derive(Debug, Default)]
struct All {
    holders: HashMap<String, Holder>,
    /// The day on which entries of earlier days were thrown away last.
    day: u64,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<All>);

/// Ids that were counted, until it is known what became of them.
#[must_use]
pub struct Spent<'a, F: Fn() -> bool> {
    quotas: &'a Quotas,
    token: &'a AllocToken,
    tag: &'a str,
    count: u64,
    /// Whether there is such a tag.
    exists: F,
}

impl<F: Fn() -> bool> Spent<'_, F> {
    /// They were handed out.
    pub fn keep(mut self) {
        self.count = 0;
    }

    /// They were not.
    pub fn give_back(mut self) {
        let count = std::mem::take(&mut self.count);
        self.quotas.give_back(self.token, self.tag, count);
    }
}

impl<F: Fn() -> bool> Drop for Spent<'_, F> {
    /// Whoever asked has gone away: ids of a tag may have been taken for it, a name that nobody made takes no room.
    fn drop(&mut self) {
        if self.count > 0 && !(self.exists)() {
            self.quotas.give_back(self.token, self.tag, self.count);
        }
    }
}

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
        let holder = all.holder(&token.name, now, clock);
        let used = holder.entry(tag, now, clock);
        let result = used.take(token, count, now, clock);
        // Names that are only asked for take no room.
        if result.is_err() && used.taken == 0 && used.paid <= now {
            holder.tags.remove(tag);
        }
        if let Err(exceeded) = &result
            && let Some(unsaid) = holder.say(now)
        {
            tracing::warn!(
                target: "id_alloc::audit", token = token.name, biz_tag = ?tag, count, unsaid, %exceeded,
                "a request was refused for its quota"
            );
        }
        result
    }

    /// The same, until it is known whether they are handed out.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn spend<'a, F: Fn() -> bool>(
        &'a self,
        token: &'a AllocToken,
        tag: &'a str,
        count: u64,
        exists: F,
    ) -> Result<Spent<'a, F>, Exceeded> {
        self.take(token, tag, count)?;
        Ok(Spent {
            quotas: self,
            token,
            tag,
            count,
            exists,
        })
    }

    /// Counts ids back that could not be handed out.
    pub fn give_back(&self, token: &AllocToken, tag: &str, count: u64) {
        if !token.has_quota() {
            return;
        }
        let mut all = self.all();
        let Some(holder) = all.holders.get_mut(&token.name) else {
            return;
        };
        let Some(used) = holder.tags.get_mut(tag) else {
            return;
        };
        used.taken = used.taken.saturating_sub(count);
        if let Some(quota) = token.ids_per_second {
            let paid = used.paid.checked_sub(cost(count, quota));
            used.paid = paid.unwrap_or(used.paid);
        }
        // Names that do not exist take no room.
        if used.taken == 0 {
            holder.tags.remove(tag);
        }
    }

    /// How many ids the holder has taken today of each tag, most first, at most `limit` tags; and of how many there are.
    #[must_use]
    pub fn today(&self, holder: &str, limit: usize) -> (Vec<(String, u64)>, usize) {
        let day = clock().as_secs() / DAY;
        let all = self.all();
        let tags = all.holders.get(holder).map(|holder| &holder.tags);
        let tags = tags.into_iter().flatten();
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
    fn holder(&mut self, name: &str, now: Instant, clock: Duration) -> &mut Holder {
        let day = clock.as_secs() / DAY;
        if self.day != day {
            self.day = day;
            self.holders.retain(|_, holder| {
                let tags = &mut holder.tags;
                tags.retain(|_, used| used.day == day || used.paid > now);
                !tags.is_empty()
            });
        }
        self.holders.entry(name.to_owned()).or_default()
    }
}

impl Holder {
    fn entry(&mut self, tag: &str, now: Instant, clock: Duration) -> &mut Used {
        self.tags.entry(tag.to_owned()).or_insert(Used {
            paid: now,
            day: clock.as_secs() / DAY,
            taken: 0,
        })
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
