//! The protocol between the actors. See `docs/ARCHITECTURE.md` for who sends what when.

use super::{
    courier::{Event, Post},
    error::AllocError,
};
use crate::{
    domain::{BizTag, Grant, LoadRequest},
    storage::{Claim, StoreError},
};
use actix::{Message, Recipient};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Worker → TagActor: `count` ids for each of these callers.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Alloc {
    pub(super) count: u32,
    pub(super) deadlines: Vec<Instant>,
    pub(super) reply: ReplyTo,
}

/// TagActor → the worker's courier: the way back of one message. It is answered exactly once, with
/// [`Refusal::Lost`] where the actor drops it.
pub(super) struct ReplyTo {
    post: Post,
    /// The message's number.
    seq: u64,
    is_open: bool,
}

impl ReplyTo {
    pub(super) fn new(post: Post, seq: u64) -> Self {
        Self {
            post,
            seq,
            is_open: true,
        }
    }

    /// Answers. Where the worker is gone, ids in it are a gap.
    pub(super) fn send(mut self, result: Result<Grant, Refusal>) {
        self.answer(result);
    }

    /// Gives no answer, as the message was not sent, and says which it was.
    pub(super) fn forget(mut self) -> u64 {
        self.is_open = false;
        self.seq
    }

    fn answer(&mut self, result: Result<Grant, Refusal>) {
        self.is_open = false;
        let seq = self.seq;
        let _ = self.post.send(Event::Answered { seq, result });
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if self.is_open {
            self.answer(Err(Refusal::Lost));
        }
    }
}

/// Why a TagActor gives a batch nothing.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is retired: ask the registry for its successor.
    Moved,
    /// The whole batch fails.
    Failed(AllocError),
    /// It has died with the message.
    Lost,
}

/// TagActor → SegmentLoader: claim a segment.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LoadSegment {
    pub(super) tag: BizTag,
    pub(super) request: LoadRequest,
    /// End of everything that was ever claimed for the tag here.
    pub(super) mark: i64,
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

/// Warden → TagActor: the loader was made anew, answers to earlier loads may never come.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub(super) struct LoaderReplaced;

/// TagRegistry → TagActor: retire unless you were used within `idle_after`.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Retire {
    pub(super) idle_after: Duration,
}

/// TagActor → TagRegistry: I am retired and answer `Moved` from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Retired {
    pub(super) tag: BizTag,
    /// Which of the tag's actors, as there may be a newer one.
    pub(super) id: u64,
}

/// Worker → TagRegistry: make the actor of a tag if there is none that lives, and say when it is there.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Ensure {
    pub(super) tag: BizTag,
    pub(super) reply: oneshot::Sender<Result<(), AllocError>>,
}

/// Warden → TagRegistry: look for idle tags.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Sweep;

/// Anyone → TagActor: tell your state.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Describe {
    pub(super) reply: oneshot::Sender<TagState>,
}

/// What a TagActor tells of itself, for pages and metrics.
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

/// Warden, or the admin API → TagActor: the tag was deleted; hand out nothing more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Deleted;

/// Makes the actor that gets it panic.
#[cfg(feature = "fault-injection")]
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Crash;
