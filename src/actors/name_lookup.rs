//! `NameLookup`: which of many names that were never served have a row, asked in one statement for hundreds.
//!
//! A few requests for new names are let through at once: an actor is made, whose claim finds out. Where more come, a
//! cold start or a flood of random names, they are looked up together first, and only those that have a row get an
//! actor. So a name that nobody made costs a place in a list, and tags that exist do not queue behind it. A name that
//! nobody waits for any more is not looked up. Where most names have no row the next ones wait a moment, together: who
//! asks for random names on and on is answered so many times a second, and takes no more of the machine than that.

use super::context::ServerContext;
use crate::domain::BizTag;
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::sync::oneshot;

/// Names in one statement.
const BATCH: usize = 256;

/// After a failure the next statement waits so long.
const PAUSE: Duration = Duration::from_millis(100);

/// After names most of which have no row it waits so long,
const PACE: Duration = Duration::from_millis(50);

/// but where many wait, no longer than that the last of them has its turn in this time, statements apart.
const TURN: Duration = Duration::from_millis(250);

type Replies = Vec<oneshot::Sender<bool>>;

#[derive(Debug, Default)]
struct Asked {
    /// In the order in which they came.
    order: VecDeque<BizTag>,
    /// Who asks for each. Those who still do are bounded by `limits.max_waiting`, whose places they hold.
    replies: HashMap<BizTag, Replies, ahash::RandomState>,
    /// With so many names, those that nobody waits for any more are taken out.
    tidy_at: usize,
    /// Whether somebody looks them up.
    running: bool,
}

#[derive(Debug, Default)]
pub(super) struct NameLookup(Mutex<Asked>);

impl NameLookup {
    /// Whether there is a row of this name; `None` where that could not be found out now.
    pub(super) async fn has_row(server: &Arc<ServerContext>, tag: &BizTag) -> Option<bool> {
        let (reply, answer) = oneshot::channel();
        if server.lookup.push(tag, reply) {
            let server = server.clone();
            server.clone().control.spawn(async move {
                let _ends = Ends(&server.lookup);
                server.lookup.run(&server).await;
            });
        }
        answer.await.ok()
    }

    /// Adds a name; true where the caller has to see to it that it is looked up.
    fn push(&self, tag: &BizTag, reply: oneshot::Sender<bool>) -> bool {
        let mut asked = self.0.lock();
        let Asked {
            order,
            replies,
            tidy_at,
            ..
        } = &mut *asked;
        // A lookup may hang while callers come and go.
        if order.len() >= *tidy_at {
            replies.retain(|_, replies| {
                replies.retain(|reply| !reply.is_closed());
                !replies.is_empty()
            });
            order.retain(|tag| replies.contains_key(tag));
            *tidy_at = 2 * order.len().max(BATCH);
        }
        replies
            .entry(tag.clone())
            .or_insert_with(|| {
                order.push_back(tag.clone());
                Replies::new()
            })
            .push(reply);
        !std::mem::replace(&mut asked.running, true)
    }

    /// The next names that somebody waits for; none where nobody does.
    fn next(&self) -> Vec<(BizTag, Replies)> {
        let mut asked = self.0.lock();
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(tag) = asked.order.pop_front()
        {
            let mut replies = asked.replies.remove(&tag).unwrap_or_default();
            replies.retain(|reply| !reply.is_closed());
            if !replies.is_empty() {
                batch.push((tag, replies));
            }
        }
        asked.running = !batch.is_empty();
        batch
    }

    async fn run(&self, server: &ServerContext) {
        loop {
            let batch = self.next();
            if batch.is_empty() {
                return;
            }
            let names: Vec<BizTag> = batch.iter().map(|(tag, _)| tag.clone()).collect();
            let asked = AssertUnwindSafe(server.store.existing(&names)).catch_unwind();
            let found = tokio::time::timeout(server.settings.claim_timeout(), asked).await;
            let found = match found {
                Ok(Ok(Ok(found))) => Some(found),
                // Not the database's fault: the names are looked at one by one, by their claims.
                Ok(Ok(Err(error))) if !error.is_transient() => None,
                // Who gets no answer asks again.
                _ => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (asked, mut missing) = (batch.len(), 0);
            for (tag, replies) in batch {
                let exists = found.as_ref().is_none_or(|found| found.contains(&tag));
                if !exists {
                    missing += 1;
                    server.unknown.remember(&tag);
                }
                for reply in replies {
                    let _ = reply.send(exists);
                }
            }
            if 2 * missing > asked {
                tokio::time::sleep(self.pace()).await;
            }
        }
    }

    /// How long the next names wait after some that had no row.
    fn pace(&self) -> Duration {
        let statements = self.0.lock().order.len().div_ceil(BATCH).max(1);
        PACE.min(TURN / u32::try_from(statements).unwrap_or(u32::MAX))
    }
}

/// Where the task panics, whoever comes next starts another; those who wait ask again.
struct Ends<'a>(&'a NameLookup);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.0.lock() = Asked::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_who_come_and_go_while_a_lookup_hangs_leave_no_names_behind() {
        let lookup = NameLookup::default();
        let tag = |number: usize| BizTag::parse(&format!("t{number}")).unwrap();
        let (reply, waits) = oneshot::channel();
        assert!(lookup.push(&tag(0), reply), "the first one starts it");
        for number in 1..20 * BATCH {
            assert!(!lookup.push(&tag(number), oneshot::channel().0));
        }
        assert!(lookup.0.lock().order.len() <= 2 * BATCH);
        let next = lookup.next();
        assert_eq!(next.len(), 1);
        assert_eq!(next[0].0, tag(0), "who waits is looked up");
        drop(waits);
    }

    #[test]
    fn the_pause_after_unknown_names_leaves_time_for_all_who_wait() {
        let lookup = NameLookup::default();
        assert_eq!(lookup.pace(), PACE);
        let mut waiting = Vec::new();
        for number in 0..100 * BATCH {
            let (reply, waits) = oneshot::channel();
            lookup.push(&BizTag::parse(&format!("t{number}")).unwrap(), reply);
            waiting.push(waits);
        }
        assert_eq!(100 * lookup.pace(), TURN);
    }
}
