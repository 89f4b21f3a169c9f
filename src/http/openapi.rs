//! `/openapi.json`: the API described by OpenAPI 3.1, generated from the code.
//!
//! The admin API's handlers and bodies carry their description themselves. Those of go-id-alloc's wire
//! format are written byte for byte, not by serde, so they are described here; a test that reads the
//! document and fuzzes a server holds both to it.

use super::{
    admin::{
        model::{self, Order},
        problem::ProblemBody,
        server, tags,
    },
    codes::{self, Kind},
};
use actix_web::{HttpResponse, http::header};
use std::{collections::BTreeMap, sync::LazyLock};
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        OpenApi as Document, RefOr, Response,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| Api::openapi().to_pretty_json().unwrap_or_default());

/// The document.
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
        (name = "operations", description = "For load balancers, orchestrators and Prometheus."),
        (name = "admin", description = "Tags and this server; there where `admin.tokens_file` is set, on `admin.bind` where that is."),
    ),
    paths(
        alloc_get, alloc_post, health, livez, readyz, metrics, openapi,
        tags::list, tags::show, tags::put, tags::patch, tags::advance, tags::delete,
        server::show, server::tags, server::tag,
    ),
    components(schemas(
        Ids, Refusal, Health, ProblemBody, Order, model::Tag, model::Guard, model::TagPage, model::PutTag,
        model::PatchTag, model::Advance, model::Advanced, model::Server, model::Database,
        model::LoadedPage, model::LoadedTag, model::SegmentInUse,
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

/// Ids that nobody else gets.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what wire/id_alloc.rs writes")]
struct Ids {
    #[schema(example = 0)]
    errno: i32,
    #[schema(example = "success")]
    msg: String,
    /// The first id.
    #[schema(example = 201)]
    id: i64,
    /// All of them, ascending, gaps possible; there where a count was asked for.
    #[schema(required = false)]
    ids: Vec<i64>,
}

/// Why there are none.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what wire/id_alloc.rs writes")]
struct Refusal {
    #[schema(example = -1)]
    errno: i32,
    /// What happened and what to do.
    msg: String,
    /// For programs.
    #[schema(example = "unknown_tag")]
    code: String,
}

/// Ids in memory.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what wire/id_alloc.rs writes")]
struct Health {
    #[schema(example = 0)]
    errno: i32,
    #[schema(example = "success")]
    msg: String,
    /// Of the tag asked for, else the least of any healthy tag in use; 0 where none is.
    left: u64,
}

/// What a form may say; it wins over the query.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it describes what wire/parameters.rs reads")]
struct Form {
    #[schema(required = false, max_length = 128)]
    biz_tag: String,
    #[schema(required = false, minimum = 1)]
    count: u32,
}

/// Take ids of a biz_tag.
#[utoipa::path(get, path = "/alloc", tag = "ids", security((), ("alloc" = [])),
    params(
        ("biz_tag" = String, Query, max_length = 128, description = "Whose ids."),
        ("count" = Option<u32>, Query, minimum = 1, description = "How many, at most `limits.max_count`; without it one, and no `ids`."),
    ),
    responses((status = 200, body = Ids, description = "Ids."), AllocRefusals))]
#[allow(dead_code, reason = "it describes a route")]
fn alloc_get() {}

/// Take ids of a biz_tag.
#[utoipa::path(post, path = "/alloc", tag = "ids", security((), ("alloc" = [])),
    params(
        ("biz_tag" = Option<String>, Query, max_length = 128, description = "Whose ids."),
        ("count" = Option<u32>, Query, minimum = 1, description = "How many, at most `limits.max_count`; without it one, and no `ids`."),
    ),
    request_body(content = Form, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Ids, description = "Ids."), AllocRefusals))]
#[allow(dead_code, reason = "it describes a route")]
fn alloc_post() {}

/// Whether this server can serve, in all or for one biz_tag, which is loaded where it is not.
#[utoipa::path(get, path = "/health", tag = "operations",
    params(("biz_tag" = Option<String>, Query, max_length = 128, description = "For this tag.")),
    responses((status = 200, body = Health, description = "It can."), AllocRefusals))]
#[allow(dead_code, reason = "it describes a route")]
fn health() {}

/// Whether the process turns; never touches the database.
#[utoipa::path(get, path = "/livez", tag = "operations",
    responses(
        (status = 200, body = Health, description = "It does."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
    ))]
#[allow(dead_code, reason = "it describes a route")]
fn livez() {}

/// Whether requests may be sent here.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, body = Health, description = "They may."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
        (status = 503, body = Refusal, description = "Not yet, or not any more."),
    ))]
#[allow(dead_code, reason = "it describes a route")]
fn readyz() {}

/// Everything Prometheus scrapes.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, body = String, content_type = "text/plain", description = "Metrics."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
        (status = 500, body = Refusal, description = "An internal error."),
    ))]
#[allow(dead_code, reason = "it describes a route")]
fn metrics() {}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses(
        (status = 200, body = Object, description = "OpenAPI 3.1."),
        (status = 405, body = Refusal, description = "Not a method of this path."),
    ))]
#[allow(dead_code, reason = "it describes a route")]
fn openapi() {}

/// What a call for ids may be refused with.
struct AllocRefusals;

impl IntoResponses for AllocRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        codes::responses::<Refusal>(Kind::OF_ALLOC, "application/json")
    }
}
