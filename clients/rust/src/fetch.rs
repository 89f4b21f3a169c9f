//! `Fetch`: attempts until a range has come, the servers refuse for good, or the client closes.

use crate::{
    IdAllocError, Refusal,
    answer::{Failure, Verdict},
    line::Choice,
    state::TagState,
};
use id_alloc_range::Run;
use std::sync::Arc;
use tokio::{sync::watch, time::Instant};
use tracing::Instrument;

/// What those who wait are told.
pub(crate) type Outcome = Result<(), IdAllocError>;

/// A server that has not as many ids is asked for a half, a quarter … of the size, down to this many halvings.
const MOST_HALVINGS: u32 = 4;

pub(crate) struct Fetch {
    state: Arc<TagState>,
    size: i64,
    /// How often a server had no ids for this size.
    halvings: u32,
    /// `None` once those who wait were told.
    outcome: Option<watch::Sender<Option<Outcome>>>,
    closing: watch::Receiver<bool>,
}

impl Fetch {
    pub(crate) fn new(
        state: Arc<TagState>,
        size: i64,
        outcome: watch::Sender<Option<Outcome>>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self {
            state,
            size,
            halvings: 0,
            outcome: Some(outcome),
            closing,
        }
    }

    async fn range(&mut self) -> Outcome {
        loop {
            let choice = {
                let rest = self.state.rest();
                let size = self.size >> self.halvings.min(MOST_HALVINGS);
                let count = rest.pace.bound(size.max(rest.waiting));
                (rest.line.choose(Instant::now()), count)
            };
            let (at, count) = match choice {
                (Choice::Ask(at), count) => (at, count),
                (Choice::Wait(pause), _) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            let core = &self.state.core;
            let begun = Instant::now();
            let answer = core.servers[at]
                .ask(&self.state.name, count, &core.manner)
                .await;
            if let Some(outcome) = self.settle(at, count, answer, begun) {
                return outcome;
            }
        }
    }

    /// Takes note of an attempt; the outcome if it was the last one.
    fn settle(
        &mut self,
        at: usize,
        count: i64,
        answer: Result<Run, Failure>,
        begun: Instant,
    ) -> Option<Outcome> {
        let (name, core) = (&self.state.name, &self.state.core);
        let server = &core.servers[at].name;
        let mut rest = self.state.rest();
        let answer = answer.and_then(|run| match rest.seen.add(run) {
            true => Ok(run),
            false => Err(Failure::repeated(server, run)),
        });
        let failure = match answer {
            Ok(run) => {
                rest.line.succeeded(at);
                rest.refused_at = None;
                rest.pace.arrived(self.state.rate_now());
                if !self.state.is_closed() {
                    rest.reserve = Some(run);
                }
                drop(rest);
                let Run { first, count } = run;
                tracing::debug!(server, first, count, "a range came");
                let took = begun.elapsed();
                core.metrics
                    .range_received(name, server, count.unsigned_abs(), took);
                return Some(Ok(()));
            }
            Err(failure) => failure,
        };
        let error = match failure.verdict {
            Verdict::Final(error) => Some(error),
            Verdict::TooMany if count == 1 => Some(IdAllocError::Refused as fn(_) -> _),
            Verdict::TooMany => {
                rest.pace.permit(count / 2);
                None
            }
            Verdict::Retry | Verdict::RetryForLess => {
                if matches!(failure.verdict, Verdict::RetryForLess) {
                    self.halvings += 1;
                }
                rest.line.failed(at, Instant::now(), &failure);
                None
            }
        };
        if error.is_some() {
            rest.refused_at = Some(Instant::now());
        }
        drop(rest);
        let Some(error) = error else {
            let why = failure.to_string();
            tracing::warn!(
                why,
                "an attempt to get a range failed; there will be another"
            );
            core.metrics.attempt_failed(name, server, &why);
            return None;
        };
        let error = error(Refusal {
            tag: name.clone(),
            server: failure.server,
            status: failure.status,
            code: failure.code,
            message: failure.message,
        });
        tracing::warn!(%error, "no range can be had");
        core.metrics.refused(name, &error);
        Some(Err(error))
    }

    /// Tells those who wait, after which another fetch may be on its way.
    fn end(&mut self, outcome: Outcome) {
        if let Some(sender) = self.outcome.take() {
            self.state.rest().fetching = None;
            sender.send_replace(Some(outcome));
        }
    }
}

impl Drop for Fetch {
    /// A runtime that ends drops its tasks: the next caller may start another fetch, and who waits sees that the sender is
    /// gone.
    fn drop(&mut self) {
        if self.outcome.is_some() {
            self.state.rest().fetching = None;
        }
    }
}

pub(crate) async fn run(mut fetch: Fetch) {
    let (tag, size) = (fetch.state.name.as_str(), fetch.size);
    let span = tracing::debug_span!("id_alloc_fetch", tag, size);
    let mut closing = fetch.closing.clone();
    let outcome = tokio::select! {
        biased;
        // An error would mean that nobody is left to close it.
        _ = closing.wait_for(|is_closing| *is_closing) => Err(IdAllocError::closed(&fetch.state.name)),
        outcome = fetch.range().instrument(span) => outcome,
    };
    fetch.end(outcome);
}
