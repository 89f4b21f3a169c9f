//! `TagState`: what all handles of a tag share: the current range, the one in reserve, and the fetch on its way.

use crate::{
    IdAllocError,
    core::Core,
    fetch::{self, Fetch, Outcome},
    line::Line,
    pace::Pace,
    seen::Seen,
};
use id_alloc_range::{BiasedCounter, Run};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant as RateInstant},
};
use tokio::{runtime::Handle, sync::watch, time::Instant};

/// A handle for one thread takes this part of a range at once, and at most so many ids.
const PIECES: i64 = 16;
const LARGEST_PIECE: i64 = 4096;

/// Who only tries does not ask again sooner than this after a refusal.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// On a cache line of its own, since every id changes it.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

pub(crate) struct TagState {
    /// The current range. Refilled under the lock, and only when it is used up.
    counter: Apart<BiasedCounter>,
    pub(crate) name: String,
    pub(crate) core: Arc<Core>,
    is_closed: AtomicBool,
    /// How many ids a handle for one thread takes at once.
    piece: AtomicI64,
    rest: Mutex<Rest>,
}

/// What is touched only when a range ends or comes.
pub(crate) struct Rest {
    /// How many ids the current range had.
    current: i64,
    /// The range after the current one; `None` while it is fetched.
    pub(crate) reserve: Option<Run>,
    /// The fetch on its way.
    pub(crate) fetching: Option<watch::Receiver<Option<Outcome>>>,
    /// How many ids the callers wait for who found none in memory.
    pub(crate) waiting: i64,
    /// When servers refused for good.
    pub(crate) refused_at: Option<Instant>,
    pub(crate) pace: Pace,
    pub(crate) seen: Seen,
    pub(crate) line: Line,
    closing: Arc<watch::Sender<bool>>,
}

/// What a caller who found no ids in the current range has to do.
pub(crate) enum Next<'a> {
    /// These are the caller's.
    Ids(Run),
    /// Wait for this fetch.
    Wait(Waiting<'a>),
}

/// A caller who waits, counted for as long as this lives.
pub(crate) struct Waiting<'a> {
    state: &'a TagState,
    ids: i64,
    pub(crate) fetch: watch::Receiver<Option<Outcome>>,
}

impl TagState {
    pub(crate) fn new(name: &str, core: Arc<Core>, closing: Arc<watch::Sender<bool>>) -> Self {
        Self {
            counter: Apart(BiasedCounter::new()),
            name: name.to_owned(),
            is_closed: AtomicBool::new(false),
            piece: AtomicI64::new(1),
            rest: Mutex::new(Rest {
                current: 0,
                reserve: None,
                fetching: None,
                waiting: 0,
                refused_at: None,
                pace: Pace::new(core.range_duration, core.max_range),
                seen: Seen::default(),
                line: Line::new(Arc::clone(&core.servers), core.deadline),
                closing,
            }),
            core,
        }
    }

    /// Up to `most` ids of the current range, without a lock.
    #[inline]
    pub(crate) fn take(&self, most: i64) -> Option<Run> {
        self.counter.0.take(most)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(crate) fn piece(&self) -> i64 {
        self.piece.load(Ordering::Relaxed)
    }

    pub(crate) fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rate_now(&self) -> RateInstant {
        (self.core.clock)()
    }

    /// Up to `most` ids, at least one, or the fetch to wait for `wanted` ids.
    pub(crate) fn take_or_wait(
        self: &Arc<Self>,
        most: i64,
        wanted: i64,
    ) -> Result<Next<'_>, IdAllocError> {
        let mut rest = self.rest();
        if let Some(run) = self.advance(&mut rest, most)? {
            self.prefetch(rest);
            return Ok(Next::Ids(run));
        }
        rest.waiting += wanted;
        let (fetch, started) = match &rest.fetching {
            Some(fetch) => (fetch.clone(), None),
            None => {
                let (fetch, started) = self.start(&mut rest);
                (fetch, Some(started))
            }
        };
        drop(rest);
        if let Some(started) = started {
            self.spawn(started);
        }
        Ok(Next::Wait(Waiting {
            state: self,
            ids: wanted,
            fetch,
        }))
    }

    /// Up to `most` ids, if there are any, without waiting for anything.
    pub(crate) fn take_now(self: &Arc<Self>, most: i64) -> Option<Run> {
        let mut rest = self.rest();
        let run = self.advance(&mut rest, most).ok()?;
        let is_refused = |at: Instant| at.elapsed() < PAUSE_AFTER_REFUSAL;
        if run.is_some() || !rest.refused_at.is_some_and(is_refused) {
            self.prefetch(rest);
        }
        run
    }

    /// Takes from the current range, or makes the reserve the current one and takes from that.
    fn advance(&self, rest: &mut Rest, most: i64) -> Result<Option<Run>, IdAllocError> {
        loop {
            if self.is_closed() {
                return Err(IdAllocError::closed(&self.name));
            }
            if let Some(run) = self.take(most) {
                return Ok(Some(run));
            }
            let Some(run) = rest.reserve.take() else {
                rest.pace.ran_dry(self.rate_now());
                return Ok(None);
            };
            rest.pace.used_up(rest.current, self.rate_now());
            rest.current = run.count;
            let piece = (run.count / PIECES).clamp(1, LARGEST_PIECE);
            self.piece.store(piece, Ordering::Relaxed);
            self.counter.0.refill(run);
        }
    }

    /// Fetches what comes after the current range, unless it is there or on its way.
    fn prefetch(self: &Arc<Self>, mut rest: MutexGuard<'_, Rest>) {
        if rest.fetching.is_some() || rest.reserve.is_some() || self.is_closed() {
            return;
        }
        let (_, started) = self.start(&mut rest);
        drop(rest);
        self.spawn(started);
    }

    fn start(self: &Arc<Self>, rest: &mut Rest) -> (watch::Receiver<Option<Outcome>>, Fetch) {
        let (outcome, receiver) = watch::channel(None);
        rest.fetching = Some(receiver.clone());
        let size = rest.pace.next(self.rate_now());
        // Under the lock, so that who closes the tag after this sees it.
        let closing = rest.closing.subscribe();
        let fetch = Fetch::new(Arc::clone(self), size, outcome, closing);
        (receiver, fetch)
    }

    /// Without the lock: a runtime that has ended drops the task at once, and the task takes the lock then.
    fn spawn(&self, fetch: Fetch) {
        // The caller's runtime runs, that of the client may not any more.
        let runtime = Handle::try_current();
        let runtime = runtime.as_ref().unwrap_or(&self.core.runtime);
        runtime.spawn(fetch::run(fetch));
    }

    /// Lets nobody have another id. The fetch on its way is told by its receiver.
    pub(crate) fn close(&self) {
        let mut rest = self.rest();
        self.is_closed.store(true, Ordering::Relaxed);
        self.counter.0.revoke();
        rest.reserve = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.state.rest().waiting -= self.ids;
    }
}
