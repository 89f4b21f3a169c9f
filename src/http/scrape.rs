//! `/metrics`: everything Prometheus scrapes. Of many tags it is written on a thread of its own, and kept for a moment;
//! compressed for a scraper that takes it so. Whoever may not take ids of every tag is not told which tags there are.

use super::{
    refusal::Refused,
    shared::{Guard, Shared},
    wire::{id_alloc, shapes::Refusal},
};
use crate::{
    actors::Allocator,
    metrics::{Audience, Metrics},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, AcceptEncoding, ContentEncoding, Encoding, Header as _},
    web,
};
use flate2::{Compression, read::GzEncoder};
use std::io::Read as _;

/// Everything Prometheus scrapes.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "Metrics."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
        (status = 500, body = Refusal, description = "An internal error."),
    ))]
pub(super) async fn metrics(
    request: HttpRequest,
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
    guard: web::Data<Guard>,
) -> HttpResponse {
    shared.pace.turn().await;
    let metrics = &shared.metrics;
    metrics
        .waiting
        .set(i64::try_from(allocator.waiting()).unwrap_or(i64::MAX));
    metrics.draining.set(i64::from(allocator.is_draining()));
    let (idle, in_use) = allocator.store_connections();
    metrics.store.set_connections(idle, in_use);
    let audience = match guard.sees_every_tag(request.headers()) {
        true => Audience::Operator,
        false => Audience::Stranger,
    };
    let is_compressed = takes_gzip(&request);
    let write = {
        let (metrics, allocator) = (metrics.clone(), allocator.clone());
        move || write(&metrics, &allocator, audience, is_compressed)
    };
    let written = match allocator.has_few_tags() {
        true => write(),
        false => {
            let kept = &shared.scrapes[audience as usize][usize::from(is_compressed)];
            kept.get(write).await.flatten()
        }
    };
    let Some(body) = written else {
        return id_alloc::not_given(&Refused::Internal);
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4"));
    response.insert_header((header::VARY, "accept-encoding"));
    if is_compressed {
        response.insert_header(ContentEncoding::Gzip);
    }
    response.body(body)
}

/// Whether whoever scrapes would rather have it compressed.
fn takes_gzip(request: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    request.headers().contains_key(header::ACCEPT_ENCODING)
        && AcceptEncoding::parse(request)
            .is_ok_and(|taken| taken.negotiate(offered.iter()) == Some(Encoding::gzip()))
}

/// The body; `None` where it cannot be written, which is logged.
fn write(
    metrics: &Metrics,
    allocator: &Allocator,
    audience: Audience,
    is_compressed: bool,
) -> Option<web::Bytes> {
    let text = metrics.render(audience, |visit| allocator.levels(visit));
    let text = text
        .inspect_err(|error| tracing::error!(%error, "cannot write metrics"))
        .ok()?;
    if !is_compressed {
        return Some(text.into());
    }
    let mut compressed = Vec::new();
    let mut encoder = GzEncoder::new(text.as_bytes(), Compression::fast());
    encoder.read_to_end(&mut compressed).ok()?;
    Some(compressed.into())
}
