//! What load balancers and people on call ask: `/health`, `/livez`, `/readyz`.

use super::{
    Guard, Shared,
    codes::Kind,
    refusal::Refused,
    wire::{
        id_alloc,
        parameters::biz_tag,
        shapes::{AllocRefusals, Health, Refusal},
    },
};
use crate::actors::Allocator;
use actix_web::{HttpRequest, HttpResponse, web};

/// Whether this server can serve, in all or for one biz_tag, which is loaded where it is not. For one biz_tag it takes
/// the token that `/alloc` takes.
#[utoipa::path(get, path = "/health", tag = "operations",
    params(("biz_tag" = Option<String>, Query, max_length = 128, description = "For this tag.")),
    responses((status = 200, body = Health, description = "It can."), AllocRefusals))]
pub(super) async fn health(
    request: HttpRequest,
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
    guard: web::Data<Guard>,
) -> HttpResponse {
    shared.pace.turn().await;
    let result = ids_in_memory(&request, &allocator, &shared, &guard).await;
    id_alloc::health(result)
}

async fn ids_in_memory(
    request: &HttpRequest,
    allocator: &Allocator,
    shared: &Shared,
    guard: &Guard,
) -> Result<u64, Refused> {
    let (query, limits) = (request.query_string(), &shared.limits);
    if query.len() > limits.max_query {
        return Err(Refused::QueryTooLong(limits.max_query));
    }
    let Some(tag) = biz_tag(query.as_bytes())? else {
        return Ok(allocator.health().await?);
    };
    guard.admit(request.headers(), tag.as_str())?;
    Ok(allocator.left(tag).await?)
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
    shared.pace.turn().await;
    let result = match allocator.health().await {
        Err(error) => Err(error.into()),
        Ok(_) if !shared.is_preloaded() => Err(Refused::Because(
            Kind::NoAvailableId,
            "tags are being preloaded".into(),
        )),
        Ok(left) => match allocator.store() {
            // The table may be gone for good while ids are left; a dead database is no reason.
            Err(error @ crate::actors::AllocError::TableMissing(_)) => Err(error.into()),
            _ => Ok(left),
        },
    };
    id_alloc::health(result)
}
