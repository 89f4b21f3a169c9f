//! What the actors say to each other, each message with who sends it, when, and what comes of it.
//!
//! A message that asks for something carries the way back. One whose way back is dropped unanswered (its actor
//! panicked or was replaced) was not served, and asking again is safe: a retry can only leave a gap.

use super::error::AllocError;
use crate::{
    domain::{BizTag, Demand, Ids, Load},
    metrics::Unused,
    storage::{Claim, StoreError},
};
use actix::{Message, Recipient};
use std::time::Instant;
use tokio::sync::oneshot;

/// A caller → TagActor: the open range holds too little for me. Answered at once while ids are in memory, else
/// once a segment has come, in the order of arrival; not at all after the deadline, when the caller has gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wait {
    pub(super) demand: Demand,
    pub(super) deadline: Instant,
    pub(super) reply: ReplyTo,
}

/// The way back to someone who waits for ids. It is dropped where the actor has ended: who waits asks the registry for
/// its successor.
pub(super) type ReplyTo = oneshot::Sender<Result<Ids, AllocError>>;

/// A caller → TagActor: ids were taken up to where you wanted to hear of it. TagRegistry → TagActor: they were, but
/// no more now. It measures the rate and asks for the next segment where it is time.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RunsLow;

/// TagActor → itself, at that time: the tag's allowance permits more by now; ask again.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AskAgain {
    pub(super) at: Instant,
}

/// TagActor → SegmentLoader: claim a segment. Answered with exactly one [`LoadEnded`].
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LoadSegment {
    pub(super) load: Load,
    /// Loads that the loader gave up in a row before this one.
    pub(super) given_up: u32,
    pub(super) reply: Recipient<LoadEnded>,
}

/// SegmentLoader → TagActor: a segment, or that the loader gave up.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LoadEnded {
    pub(super) seq: u64,
    pub(super) result: Result<Claim, StoreError>,
}

/// Supervision → TagActor: the loader was made anew, answers to earlier loads may never come.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub(super) struct LoaderReplaced;

/// A caller → TagRegistry: make the actor of a tag if none lives, and say when it is there, or why it cannot be.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Ensure {
    pub(super) tag: BizTag,
    pub(super) reply: oneshot::Sender<Result<(), AllocError>>,
}

/// Supervision → TagRegistry: look for idle tags.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Sweep;

/// TagRegistry → TagActor: nobody has used the tag for a while: end, unless there is something to do.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Rest;

/// TagActor → TagRegistry: I have ended and answer nobody from now on. What I had is at rest in the directory, or
/// revoked.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Ended {
    pub(super) tag: BizTag,
    /// Which of the tag's actors, as there may be a newer one.
    pub(super) id: u64,
}

/// A caller → TagRegistry: [`RunsLow`], of a tag at rest.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake {
    pub(super) tag: BizTag,
}

/// The admin API, or who watches the store → TagRegistry → TagActor: the tag was deleted, or what is in memory of it is
/// to be thrown away; hand out none of that any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Discard {
    pub(super) tag: BizTag,
    /// The tag was deleted: who waits is told so. Else they wait for new ids.
    pub(super) is_deleted: bool,
}

impl Discard {
    /// Why the ids in memory are left unused.
    pub(super) fn why(&self) -> Unused {
        match self.is_deleted {
            true => Unused::Deleted,
            false => Unused::Dropped,
        }
    }
}

/// Pages and tests → TagActor: tell your state.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Describe {
    pub(super) reply: oneshot::Sender<TagState>,
}

/// What a TagActor tells of itself.
#[derive(Debug, Clone)]
pub struct TagState {
    /// The segments in memory, lowest first: next id, end, and how many ids it held.
    pub segments: Vec<(i64, i64, u64)>,
    /// Ids in memory.
    pub left: u64,
    /// The size of claims in force, in ids.
    pub step: i64,
    /// Ids handed out per second, smoothed.
    pub rate: f64,
    /// Whether a claim is under way.
    pub loading: bool,
    /// How often its Supervisor restarted it.
    pub restarts: u64,
    /// Why its newest claim failed, if it did.
    pub last_error: Option<String>,
}

/// A test → any actor: panic.
#[cfg(feature = "fault-injection")]
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Crash;
