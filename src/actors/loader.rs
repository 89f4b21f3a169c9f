//! `SegmentLoader`: claims segments for all tags, on an arbiter of its own.
//!
//! Each `LoadSegment` becomes a task; a fair semaphore bounds how many claim at once, and a second,
//! smaller one those of tags that were never served, so that a flood of unknown names cannot delay
//! tags in use. A transient failure is tried again after a jittered backoff, a few times; then the
//! loader gives up and says so. Every load is answered with exactly one `LoadEnded`, also when the
//! store panics.

use super::{
    context::ServerContext,
    directory::Directory,
    messages::{LoadEnded, LoadSegment},
};
use crate::{
    domain::{Backoff, ClaimRequest, Load},
    storage::{Claim, Repairs, StoreError},
};
use actix::{Actor, Context, Handler, Supervised};
use futures_util::FutureExt as _;
use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument as _;

/// Attempts for one load before it is given up.
const ATTEMPTS: u32 = 3;

/// The first pause between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Loads that may wait in the mailbox; more are still accepted, as tags send without waiting.
const MAILBOX: usize = 4096;

/// How many claim at once. Kept apart from the loader, so that its successor does not double them.
pub(super) struct Permits {
    /// All claims.
    all: Semaphore,
    /// Those of tags that were never served here, which take one of `all` as well.
    newcomers: Semaphore,
}

impl Permits {
    pub(super) fn new(claims: usize) -> Self {
        Self {
            all: Semaphore::new(claims.max(1)),
            newcomers: Semaphore::new(claims.div_ceil(2).max(1)),
        }
    }

    /// Waits for its turn; semaphores are fair. Neither is ever closed.
    async fn acquire(
        &self,
        request: &ClaimRequest,
    ) -> (Option<SemaphorePermit<'_>>, Option<SemaphorePermit<'_>>) {
        let is_newcomer = request.mark == 0;
        let first = match is_newcomer {
            true => self.newcomers.acquire().await.ok(),
            false => None,
        };
        (first, self.all.acquire().await.ok())
    }
}

/// See the module's documentation.
#[derive(Clone)]
pub(super) struct SegmentLoader {
    server: Arc<ServerContext>,
    /// To say in the log how long the ids in memory last.
    directory: Arc<Directory>,
    permits: Arc<Permits>,
}

impl SegmentLoader {
    pub(super) fn new(
        server: Arc<ServerContext>,
        directory: Arc<Directory>,
        permits: Arc<Permits>,
    ) -> Self {
        Self {
            server,
            directory,
            permits,
        }
    }
}

impl Actor for SegmentLoader {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Supervised for SegmentLoader {}

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
        for attempt in 1.. {
            let result = self.claim_once(request).await;
            match result {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    tracing::debug!(biz_tag = %request.tag, %error, attempt, "a claim failed");
                    tokio::time::sleep(backoff.after_failure(fastrand::f64())).await;
                }
                ended => return ended,
            }
        }
        Err(StoreError::Transient("no attempt was made".to_owned()))
    }

    async fn claim_once(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        let _permits = self.permits.acquire(request).await;
        let began = Instant::now();
        let repairs = Repairs::default();
        let span = tracing::info_span!("claim", biz_tag = %request.tag, want = request.want);
        let claim = self.server.store.claim(request, &repairs).instrument(span);
        let result = tokio::time::timeout(self.server.settings.claim_timeout(), claim)
            .await
            .unwrap_or_else(|_| {
                Err(StoreError::UnknownOutcome(
                    "the database did not answer in time".to_owned(),
                ))
            });
        self.server.metrics.store.load_took(began.elapsed());
        let supply = || {
            let now = self.server.clock.millis(Instant::now());
            self.directory.shortest_supply(now)
        };
        self.server.monitor.note_claim(result.as_ref(), supply);
        self.server
            .metrics
            .store
            .repaired(repairs.raised(), repairs.moved());
        self.server.metrics.store.load_ended(match &result {
            Ok(_) => "ok",
            Err(error) => error.outcome(),
        });
        result
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
