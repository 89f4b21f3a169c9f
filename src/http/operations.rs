//! What load balancers and people on call ask: `/health`, `/livez`, `/readyz`, `/metrics`.

use super::{
    Shared,
    refusal::Refused,
    wire::{
        id_alloc,
        parameters::biz_tag,
        shapes::{AllocRefusals, Health, Refusal},
    },
};
use crate::actors::Allocator;
use actix_web::{HttpRequest, HttpResponse, http::header, web};

/// Whether this server can serve, in all or for one biz_tag, which is loaded where it is not.
#[utoipa::path(get, path = "/health", tag = "operations",
    params(("biz_tag" = Option<String>, Query, max_length = 128, description = "For this tag.")),
    responses((status = 200, body = Health, description = "It can."), AllocRefusals))]
pub(super) async fn health(
    request: HttpRequest,
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let query = request.query_string();
    let result = if query.len() > shared.limits.max_query {
        Err(Refused::QueryTooLong(shared.limits.max_query))
    } else {
        match biz_tag(query.as_bytes(), &[]) {
            Ok(Some(tag)) => allocator.left(tag).await.map_err(Refused::from),
            Ok(None) => allocator.health().map_err(Refused::from),
            Err(refused) => Err(refused),
        }
    };
    id_alloc::health(result)
}

/// Whether the process turns; never touches the database.
#[utoipa::path(get, path = "/livez", tag = "operations",
    responses(
        (status = 200, body = Health, description = "It does."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
    ))]
pub(super) async fn livez() -> HttpResponse {
    id_alloc::health(Ok(0))
}

/// Whether requests may be sent here.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, body = Health, description = "They may."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
        (status = 503, body = Refusal, description = "Not yet, or not any more."),
    ))]
pub(super) async fn readyz(
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let result = match allocator.health() {
        Err(error) => Err(error.into()),
        Ok(_) if !shared.is_preloaded() => Err(Refused::NotReady("tags are being preloaded")),
        Ok(left) => match allocator.store() {
            // The table may be gone for good while ids are left; a dead database is no reason.
            Err(error @ crate::actors::AllocError::TableMissing(_)) => Err(error.into()),
            _ => Ok(left),
        },
    };
    id_alloc::health(result)
}

/// Everything Prometheus scrapes.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "Metrics."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
        (status = 500, body = Refusal, description = "An internal error."),
    ))]
pub(super) async fn metrics(
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let metrics = &shared.metrics;
    metrics
        .waiting
        .set(i64::try_from(allocator.waiting()).unwrap_or(i64::MAX));
    metrics.draining.set(i64::from(allocator.is_draining()));
    let (idle, in_use) = allocator.store_connections();
    metrics.store.set_connections(idle, in_use);
    match metrics.render(|visit| allocator.levels(visit)) {
        Ok(text) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4"))
            .body(text),
        Err(error) => {
            tracing::error!(%error, "cannot write metrics");
            id_alloc::not_given(&Refused::Internal)
        }
    }
}
