//! `/openapi.json`: the API described by OpenAPI 3.1, generated from the code.
//!
//! Each handler and each body carries its description; here they are put together. A test that reads the document and
//! fuzzes a server holds both to it.

use super::{
    admin::{
        figures,
        model::{self, Order},
        problem::ProblemBody,
        server, tags,
    },
    operations, scrape,
    wire::{foreign_shapes as foreign, shapes},
};
use actix_web::{HttpResponse, http::header};
use std::sync::LazyLock;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Api::openapi().to_pretty_json().unwrap_or_default());

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses(
        (status = 200, body = Object, description = "OpenAPI 3.1."),
        (status = 405, body = shapes::Refusal, description = "Not a method of this path."),
    ))]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(DOCUMENT.as_str())
}

#[derive(OpenApi)]
#[openapi(
    info(title = "id-alloc", description = "Unique, increasing 64-bit ids, claimed in segments from a database."),
    servers((url = "/", description = "The server that this document was asked of.")),
    tags(
        (name = "ids", description = "Ids of a biz_tag."),
        (name = "others", description = "What callers of tinyid, Leaf and CosId speak; there where the section `wire` says so."),
        (name = "operations", description = "For load balancers, orchestrators and Prometheus."),
        (name = "admin", description = "Tags and this server; there where `admin.tokens_file` is set, on `admin.bind` where that is."),
    ),
    paths(
        shapes::alloc_get, shapes::alloc_post, shapes::range_get, shapes::range_post, operations::health, operations::livez, operations::readyz, scrape::metrics, document,
        foreign::tinyid_next_id, foreign::tinyid_next_id_simple, foreign::tinyid_next_segment_id,
        foreign::tinyid_next_segment_id_simple, foreign::leaf_get, foreign::cosid_next, foreign::cosid_distributor,
        tags::list, tags::show, tags::put, tags::patch, tags::advance, tags::delete,
        server::show, server::all, server::quotas, server::tags, server::tag,
    ),
    components(schemas(
        shapes::Ids, shapes::IdRange, shapes::Refusal, shapes::Health, foreign::TinyidIds, foreign::TinyidSegment, foreign::TinyidRange, foreign::SpringError, foreign::CosIdError, ProblemBody, Order, model::Tag, model::Guard, model::TagPage, model::PutTag,
        model::PatchTag, model::Advance, model::Advanced, model::Server, model::Database,
        model::LoadedPage, model::LoadedTag, model::SegmentInUse, figures::Traffic, figures::History,
        figures::ShortSupply, figures::Caller, figures::LimitUsed, model::LoadedOrder, figures::Quotas, figures::Quota, figures::TakenToday, figures::Servers, figures::Member,
    )),
    modifiers(&Tokens),
)]
struct Api;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut Document) {
        let scheme = |of: &str| {
            let mut bearer = Http::new(HttpAuthScheme::Bearer);
            bearer.description = Some(format!(
                "A token of `{of}.tokens_file`, made by `id-alloc token new`."
            ));
            SecurityScheme::Http(bearer)
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("admin", scheme("admin"));
        components.add_security_scheme("alloc", scheme("alloc"));
        // Where nothing is said about tokens none is needed; validators want that said.
        for path in document.paths.paths.values_mut() {
            let by_method = [
                &mut path.get,
                &mut path.put,
                &mut path.post,
                &mut path.patch,
                &mut path.delete,
            ];
            for operation in by_method.into_iter().flatten() {
                let open = || vec![SecurityRequirement::default()];
                operation.security.get_or_insert_with(open);
            }
        }
    }
}
