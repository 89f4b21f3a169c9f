//! `/alloc` and the bodies of `/health` for the OpenAPI document: they are read and written byte for byte, not by serde.
#![allow(dead_code, reason = "it describes what is written and read elsewhere")]

use crate::http::codes::refusals;
use utoipa::ToSchema;

/// Ids that nobody else gets.
#[derive(ToSchema)]
pub(in crate::http) struct Ids {
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

/// Ids that follow each other, for a client that counts by itself.
#[derive(ToSchema)]
pub(in crate::http) struct IdRange {
    #[schema(example = 0)]
    errno: i32,
    #[schema(example = "success")]
    msg: String,
    /// The first of them; a string where `format=string` was asked for.
    #[schema(example = 1001)]
    first: i64,
    /// How many: as many as were asked for.
    #[schema(example = 1000)]
    count: u32,
}

/// Why there are none.
#[derive(ToSchema)]
pub(in crate::http) struct Refusal {
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
pub(in crate::http) struct Health {
    #[schema(example = 0)]
    errno: i32,
    #[schema(example = "success")]
    msg: String,
    /// Of the tag asked for, else the least of any healthy tag in use; 0 where none is.
    left: u64,
}

/// What a form may say; it wins over the query.
#[derive(ToSchema)]
pub(in crate::http) struct Form {
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
pub(in crate::http) fn alloc_get() {}

/// Take ids of a biz_tag.
#[utoipa::path(post, path = "/alloc", tag = "ids", security((), ("alloc" = [])),
    params(
        ("biz_tag" = Option<String>, Query, max_length = 128, description = "Whose ids."),
        ("count" = Option<u32>, Query, minimum = 1, description = "How many, at most `limits.max_count`; without it one, and no `ids`."),
    ),
    request_body(content = Form, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Ids, description = "Ids."), AllocRefusals))]
pub(in crate::http) fn alloc_post() {}

/// Take a range of ids of a biz_tag.
#[utoipa::path(get, path = "/range", tag = "ids", security((), ("alloc" = [])),
    params(
        ("biz_tag" = String, Query, max_length = 128, description = "Whose ids."),
        ("count" = u32, Query, minimum = 1, description = "How many, at most `limits.max_range`: all of them, without a gap."),
    ),
    responses((status = 200, body = IdRange, description = "The range."), AllocRefusals))]
pub(in crate::http) fn range_get() {}

/// Take a range of ids of a biz_tag.
#[utoipa::path(post, path = "/range", tag = "ids", security((), ("alloc" = [])),
    params(
        ("biz_tag" = Option<String>, Query, max_length = 128, description = "Whose ids."),
        ("count" = Option<u32>, Query, minimum = 1, description = "How many, at most `limits.max_range`: all of them, without a gap."),
    ),
    request_body(content = Form, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = IdRange, description = "The range."), AllocRefusals))]
pub(in crate::http) fn range_post() {}

refusals! {
    /// What a call for ids may be refused with.
    AllocRefusals: Refusal, "application/json", [Ids], |kind| Some(kind.status());
}
