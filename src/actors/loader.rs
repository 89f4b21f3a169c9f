//! `SegmentLoader`: claims segments for all tags, on an arbiter of its own.
//!
//! Each `LoadSegment` becomes a task; `Permits` bounds how many claim at once, and sees to it that none holds up
//! the others. What nobody waits for any more is not claimed. A transient failure is tried again after a jittered
//! backoff, a few times; then the loader gives up and says so. Every load is answered with exactly one `LoadEnded`,
//! also when the store panics.

use super::{
    context::ServerContext,
    directory::Directory,
    messages::{LoadEnded, LoadSegment},
    permits::Held,
};
use crate::{
    domain::{Backoff, ClaimRequest, Load},
    metrics::Unused,
    storage::{Claim, Repairs, StoreError},
};
use actix::{Actor, Context, Handler};
use futures_util::FutureExt as _;
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tracing::Instrument as _;

/// Attempts for one load before it is given up.
const ATTEMPTS: u32 = 3;

/// The first pause between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Loads that may wait in the mailbox; more are still accepted, as tags send without waiting.
const MAILBOX: usize = 4096;

/// A caller has counted itself among those who wait for its tag by then.
const ASKING: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct SegmentLoader {
    server: Arc<ServerContext>,
    /// To say in the log how long the ids in memory last.
    directory: Arc<Directory>,
}

impl SegmentLoader {
    pub(super) fn new(server: Arc<ServerContext>, directory: Arc<Directory>) -> Self {
        Self { server, directory }
    }
}

impl Actor for SegmentLoader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<LoadSegment> for SegmentLoader {
    type Result = ();

    fn handle(&mut self, segment: LoadSegment, _: &mut Context<Self>) {
        let loader = self.clone();
        actix::spawn(async move {
            let Load { seq, claim } = segment.load;
            let result = AssertUnwindSafe(loader.claim_patiently(&claim, segment.given_up))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| {
                    tracing::error!(biz_tag = %claim.tag, "a claim panicked");
                    loader.server.metrics.restarted("loader", "panic");
                    Err(StoreError::UnknownOutcome("a claim panicked".to_owned()))
                });
            segment.reply.do_send(LoadEnded { seq, result });
        });
    }
}

impl SegmentLoader {
    /// Tries until it succeeds, cannot succeed, or [`ATTEMPTS`] have failed.
    async fn claim_patiently(
        &self,
        request: &ClaimRequest,
        given_up: u32,
    ) -> Result<Claim, StoreError> {
        let mut backoff = Backoff::new(FIRST_PAUSE, self.server.settings.database.backoff_max);
        for _ in 0..given_up.min(16) * ATTEMPTS {
            backoff.after_failure(0.0);
        }
        if given_up > 0 {
            tokio::time::sleep(backoff.after_failure(fastrand::f64())).await;
        }
        let mut attempt = 1;
        loop {
            match self.claim_once(request).await {
                Err(error)
                    if error.is_transient() && attempt < ATTEMPTS && !self.is_unwanted(request) =>
                {
                    tracing::debug!(biz_tag = %request.tag, %error, attempt, "a claim failed");
                    tokio::time::sleep(backoff.after_failure(fastrand::f64())).await;
                }
                ended => return ended,
            }
            attempt += 1;
        }
    }

    async fn claim_once(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        let queued = Instant::now();
        let is_wanted = || self.is_waited_for(request);
        let mut held = self.server.permits.acquire(request, is_wanted).await;
        let began = Instant::now();
        if began > queued + ASKING && self.is_unwanted(request) {
            let text = "nobody waits for it any more".to_owned();
            return Err(StoreError::Transient(text));
        }
        let repairs = Repairs::default();
        let span = tracing::info_span!("claim", biz_tag = %request.tag, want = request.want);
        let claim = self.server.store.claim(request, &repairs).instrument(span);
        let claim = tokio::time::timeout(self.server.settings.claim_timeout(), claim);
        tokio::pin!(claim);
        let ended = tokio::select! {
            biased;
            ended = &mut claim => Some(ended),
            () = self.server.permits.over(&mut held) => None,
        };
        let ended = match ended {
            // Its row is being put right, so it is not locked.
            None if repairs.under_way.load(Ordering::Relaxed) => Some(claim.await),
            ended => ended,
        };
        let is_given_up = ended.is_none();
        let result = match ended {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(StoreError::UnknownOutcome(
                "the database did not answer in time".to_owned(),
            )),
            None => Err(StoreError::UnknownOutcome(
                "the claim took far longer than those of other tags: is the row locked?".to_owned(),
            )),
        };
        self.note(request, &result, began, &held, is_given_up);
        let [raised, moved, skipped] = [&repairs.raised, &repairs.moved, &repairs.skipped]
            .map(|counted| counted.load(Ordering::Relaxed));
        self.server.metrics.store.repaired(raised, moved);
        let unused = &self.server.metrics.ids_unused;
        unused.count(Unused::Skip, skipped);
        result
    }

    /// Takes in how a claim ended.
    fn note(
        &self,
        request: &ClaimRequest,
        result: &Result<Claim, StoreError>,
        began: Instant,
        held: &Held<'_>,
        is_given_up: bool,
    ) {
        let failed = result.as_ref().err().filter(|error| error.is_transient());
        if failed.is_none() {
            self.server.permits.answered(&request.tag, began.elapsed());
        } else if is_given_up || held.is_slow() {
            self.server.permits.note_slow(&request.tag);
        }
        self.server.metrics.store.load_took(began.elapsed());
        let supply = || {
            let now = self.server.clock.millis(Instant::now());
            self.directory.shortest_supply(now)
        };
        // One that was given up for the sake of others says nothing of the store.
        if !is_given_up {
            self.server.monitor.note_claim(result.as_ref(), supply);
        }
        self.server.metrics.store.load_ended(match result {
            Ok(_) => "ok",
            Err(error) => error.outcome(),
        });
    }

    /// Whether this is a tag that was never served, and whoever asked for it has gone.
    fn is_unwanted(&self, request: &ClaimRequest) -> bool {
        request.mark == 0 && !self.is_waited_for(request)
    }

    /// Whether a caller waits for ids of the tag.
    fn is_waited_for(&self, request: &ClaimRequest) -> bool {
        let entry = self.directory.get(&request.tag);
        entry.is_some_and(|entry| entry.waiting.load(Ordering::SeqCst) > 0)
    }
}

#[cfg(feature = "fault-injection")]
impl Handler<super::messages::Crash> for SegmentLoader {
    type Result = ();

    #[allow(clippy::panic, reason = "injected by a test")]
    fn handle(&mut self, _: super::messages::Crash, _: &mut Context<Self>) {
        panic!("injected panic in SegmentLoader");
    }
}
