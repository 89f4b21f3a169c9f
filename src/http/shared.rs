//! What all requests meet: the sections of the configuration, the metrics, and who may know of which tags.

use super::{pace::Pace, refusal::Refused, throttle::Throttle};
use crate::{
    actors::Kept,
    auth::{self, AllocToken, Quotas, Tokens},
    config::{Config, Limits, Server, Telemetry, Wire},
    metrics::Metrics,
};
use actix_web::{http::header, web};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// What all workers share beside their own allocator.
#[derive(Debug)]
pub struct Shared {
    /// How long bodies may take to arrive.
    pub server: Server,
    /// How much one request may ask for.
    pub limits: Limits,
    /// Which protocols of other id servers are spoken.
    pub wire: Wire,
    /// Which requests are logged.
    pub telemetry: Telemetry,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// What tokens with a quota have taken.
    pub(crate) quotas: Quotas,
    /// Keeps a flood of failures out of the log.
    throttle: Throttle,
    /// When those who poll are answered.
    pub(super) pace: Pace,
    /// What those who scrape got last, by what they see and how they take it.
    pub(super) scrapes: [[Kept<Option<web::Bytes>>; 2]; 2],
    /// Set once `allocation.preload` is done.
    preloaded: AtomicBool,
}

impl Shared {
    /// With the sections of a configuration that the routes look at.
    #[must_use]
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        Self {
            server: config.server.clone(),
            limits: config.limits.clone(),
            wire: config.wire.clone(),
            telemetry: config.telemetry.clone(),
            metrics,
            quotas: Quotas::default(),
            throttle: Throttle::default(),
            pace: Pace::default(),
            scrapes: Default::default(),
            preloaded: AtomicBool::new(false),
        }
    }

    /// Notes that `allocation.preload` is done.
    pub fn note_preloaded(&self) {
        self.preloaded.store(true, Ordering::Release);
    }

    /// Whether a failure of this kind is logged now: then how many were held back since the last.
    pub(crate) fn admits_line(&self, kind: &'static str) -> Option<u64> {
        self.throttle.admit(kind, Instant::now())
    }

    pub(super) fn is_preloaded(&self) -> bool {
        self.preloaded.load(Ordering::Acquire)
    }
}

/// Who may know of which tags: those who may take their ids.
#[derive(Debug)]
pub(super) struct Guard(pub(super) Option<Arc<Tokens<AllocToken>>>);

impl Guard {
    /// Whether the sender may know of `tag`.
    pub(super) fn admit(&self, headers: &header::HeaderMap, tag: &str) -> Result<(), Refused> {
        let Some(tokens) = &self.0 else { return Ok(()) };
        match tokens.holder(sent_token(headers))?.allows(tag) {
            true => Ok(()),
            false => Err(Refused::OtherTags),
        }
    }

    /// Whether the sender may know of every tag.
    pub(super) fn sees_every_tag(&self, headers: &header::HeaderMap) -> bool {
        let Some(tokens) = &self.0 else { return true };
        let holder = tokens.holder(sent_token(headers));
        holder.is_ok_and(|holder| holder.allows_every_tag())
    }
}

/// The token that was sent with a request.
pub(super) fn sent_token(headers: &header::HeaderMap) -> Option<&str> {
    auth::bearer(headers.get(header::AUTHORIZATION)?.to_str().ok()?)
}
