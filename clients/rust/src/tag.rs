//! `Tag`: hands out the ids of one tag, from memory as long as there are any.

use crate::{
    IdAllocError, LocalTag,
    client::Alive,
    state::{Next, TagState},
};
use id_alloc_range::Run;
use std::{fmt, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    task::coop,
    time::{Instant, Sleep},
};

/// A vector for more ids than this grows as they come.
const MOST_RESERVED: usize = 1 << 20;

/// A runtime may end while it fetches; who waits tries so many times, on the one it has.
const MOST_RUNTIMES: u32 = 3;

/// Hands out the ids of one tag, to any number of threads and tasks. A clone is the same handle.
#[derive(Clone)]
pub struct Tag {
    state: Arc<TagState>,
    /// With the last handle the client closes.
    _alive: Arc<Alive>,
}

impl Tag {
    pub(crate) fn new(state: Arc<TagState>, alive: Arc<Alive>) -> Self {
        Self {
            state,
            _alive: alive,
        }
    }

    /// The tag's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The next id. It waits only when none is in memory: until one is there, or the client's deadline has passed.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// What the server said, [`Unavailable`](IdAllocError::Unavailable) after the deadline, or
    /// [`Closed`](IdAllocError::Closed); never while ids are in memory.
    pub async fn next(&self) -> Result<i64, IdAllocError> {
        // Lets the fetch go on where a task on the same thread does nothing but take ids.
        coop::consume_budget().await;
        match self.state.take(1) {
            Some(run) => Ok(run.first),
            None => Ok(self.wait(1, 1, &mut Patience::default()).await?.first),
        }
    }

    /// An id, if one is in memory. It never waits, needs no runtime around it, and sees to it that the next range is fetched in
    /// the background, on the runtime of the caller or else of the client. `None` too once the client is closed.
    /// Why there is none, [`next`](Self::next) says.
    #[inline]
    #[must_use]
    pub fn try_next(&self) -> Option<i64> {
        match self.state.take(1) {
            Some(run) => Some(run.first),
            None => Some(self.take_now(1)?.first),
        }
    }

    /// `n` ids in ascending order as far as they come from one server, which need not follow each other without gaps.
    ///
    /// # Errors
    /// As [`next`](Self::next). Either all `n` come or an error.
    pub async fn next_many(&self, n: usize) -> Result<Vec<i64>, IdAllocError> {
        coop::consume_budget().await;
        let mut ids = Vec::with_capacity(n.min(MOST_RESERVED));
        self.extend(&mut ids, n).await?;
        Ok(ids)
    }

    /// A handle for one thread, which takes ids a piece at a time and counts them without an atomic.
    #[must_use]
    pub fn local(&self) -> LocalTag {
        LocalTag::new(self.clone())
    }

    /// Fills `ids` up to `n`.
    pub(crate) async fn extend(&self, ids: &mut Vec<i64>, n: usize) -> Result<(), IdAllocError> {
        let mut patience = Patience::default();
        while ids.len() < n {
            let wanted = i64::try_from(n - ids.len()).unwrap_or(i64::MAX);
            let run = match self.state.take(wanted) {
                Some(run) => run,
                None => self.wait(wanted, wanted, &mut patience).await?,
            };
            ids.extend(run.iter());
        }
        Ok(())
    }

    pub(crate) fn state(&self) -> &TagState {
        &self.state
    }

    #[cold]
    pub(crate) fn take_now(&self, most: i64) -> Option<Run> {
        self.state.take_now(most)
    }

    /// Up to `most` ids, at least one; waits for `wanted` of them while there are none.
    #[cold]
    pub(crate) async fn wait(
        &self,
        most: i64,
        wanted: i64,
        patience: &mut Patience,
    ) -> Result<Run, IdAllocError> {
        let begun = patience.begun;
        let outcome = self.wait_on(most, wanted, patience).await;
        if let (None, Some(begun)) = (begun, patience.begun) {
            let (waited, core) = (begun.elapsed(), &self.state.core);
            core.metrics
                .waited(&self.state.name, waited, outcome.is_ok());
        }
        outcome
    }

    async fn wait_on(
        &self,
        most: i64,
        wanted: i64,
        patience: &mut Patience,
    ) -> Result<Run, IdAllocError> {
        let mut ended_runtimes = 0;
        loop {
            let mut waiting = match self.state.take_or_wait(most, wanted)? {
                Next::Ids(run) => return Ok(run),
                Next::Wait(waiting) => waiting,
            };
            let over = patience.over(self.state.core.deadline, &self.state.core.runtime);
            let outcome = tokio::select! {
                biased;
                outcome = waiting.fetch.wait_for(Option::is_some) => outcome.ok().and_then(|outcome| outcome.clone()),
                () = over => return Err(self.late()),
            };
            match outcome {
                Some(outcome) => outcome?,
                None if ended_runtimes < MOST_RUNTIMES => ended_runtimes += 1,
                None => {
                    let tag = self.state.name.clone();
                    return Err(IdAllocError::RuntimeEnded { tag });
                }
            }
        }
    }

    /// What a caller is told whose deadline has passed.
    fn late(&self) -> IdAllocError {
        IdAllocError::Unavailable {
            tag: self.state.name.clone(),
            waited: self.state.core.deadline,
            last: self.state.rest().line.trouble.clone(),
        }
    }
}

/// The deadline of one call, which begins when the call first has to wait.
#[derive(Default)]
pub(crate) struct Patience {
    begun: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn over(&mut self, deadline: Duration, runtime: &Handle) -> Pin<&mut Sleep> {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let timer = self.timer.get_or_insert_with(|| {
            // A timer belongs to a runtime; the caller need not be in one.
            let _entered = Handle::try_current().is_err().then(|| runtime.enter());
            Box::pin(tokio::time::sleep_until(begun + deadline))
        });
        timer.as_mut()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tag").field(&self.state.name).finish()
    }
}
