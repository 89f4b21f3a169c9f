//! `Queue`: those who wait for ids of a tag, in the order in which they came.

use super::supply::Supply;
use crate::domain::{Demand, Ids};
use std::{collections::VecDeque, time::Instant};

/// With so many waiting, those whose time is over are taken out.
pub(super) const MANY: u32 = 64;

/// What the owner has to do: deliver these ids.
pub type Replies<W> = Vec<(W, Ids)>;

/// A demand that waits.
#[derive(Debug)]
pub struct Waiting<W> {
    /// What is asked for.
    pub demand: Demand,
    /// When the caller gives up.
    pub deadline: Instant,
    /// Where the answer goes.
    pub reply: W,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Queue<W> {
    waiting: VecDeque<Waiting<W>>,
    /// With so many waiting, those whose time is over are looked for.
    prune_at: u32,
}

impl<W> Queue<W> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            prune_at: MANY,
        }
    }

    pub(super) fn push(&mut self, now: Instant, waiting: Waiting<W>) {
        if self.waiting.len() >= self.prune_at as usize {
            self.drop_late(now);
            let many = u32::try_from(self.waiting.len() * 2).unwrap_or(u32::MAX);
            self.prune_at = MANY.max(many);
        }
        self.waiting.push_back(waiting);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets go of those whose time is over. They have gone by themselves.
    pub(super) fn drop_late(&mut self, now: Instant) {
        self.waiting.retain(|waiting| waiting.deadline > now);
    }

    /// Serves whoever fits, in order.
    pub(super) fn serve(&mut self, supply: &mut Supply<'_>) -> Replies<W> {
        let (mut served, mut unserved) = (Vec::new(), VecDeque::new());
        for waiting in self.waiting.drain(..) {
            match supply.take(waiting.demand) {
                Some(ids) => served.push((waiting.reply, ids)),
                None => unserved.push_back(waiting),
            }
        }
        self.waiting = unserved;
        served
    }

    /// Takes out those who wait for `count` ids or more, and of them those whose deadline is `chosen`.
    pub(super) fn take(&mut self, count: i64, chosen: impl Fn(Instant) -> bool) -> Vec<W> {
        let (taken, kept) = self.waiting.drain(..).partition::<Vec<_>, _>(|waiting| {
            waiting.demand.at_least_one() >= count && chosen(waiting.deadline)
        });
        self.waiting = kept.into();
        taken.into_iter().map(|waiting| waiting.reply).collect()
    }

    /// The demands of those whose time is not over.
    pub(super) fn demands(&self, now: Instant) -> impl Iterator<Item = Demand> {
        let in_time = self
            .waiting
            .iter()
            .filter(move |waiting| waiting.deadline > now);
        in_time.map(|waiting| waiting.demand)
    }
}
