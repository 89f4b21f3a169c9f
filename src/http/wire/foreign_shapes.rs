//! What callers of other id servers speak, for the OpenAPI document. Their answers are written byte for byte, not by serde.
#![allow(dead_code, reason = "it describes what is written and read elsewhere")]

use super::{leaf, tinyid};
use crate::http::codes::refusals;
use utoipa::ToSchema;

/// Ids, as tinyid answers them. A refusal has no data.
#[derive(ToSchema)]
pub(in crate::http) struct TinyidIds {
    #[schema(required = true)]
    data: Option<Vec<i64>>,
    /// 200; 5 where the bizType does not exist or is not the token's; 6 where anything else is in the way.
    #[schema(example = 200)]
    code: u16,
    message: String,
}

/// A segment, as tinyid answers it. A refusal has no data.
#[derive(ToSchema)]
pub(in crate::http) struct TinyidSegment {
    #[schema(required = true)]
    data: Option<TinyidRange>,
    /// As of ids.
    #[schema(example = 200)]
    code: u16,
    message: String,
}

/// The ids of `(currentId, maxId]` that are `remainder` modulo `delta`.
#[derive(ToSchema)]
#[allow(non_snake_case, reason = "as tinyid spells them")]
pub(in crate::http) struct TinyidRange {
    maxId: i64,
    /// From here on its client asks for the next one.
    loadingId: i64,
    currentId: i64,
    delta: i64,
    remainder: i64,
}

/// A refusal as Spring writes it, with fields of id-alloc besides.
#[derive(ToSchema)]
pub(in crate::http) struct SpringError {
    /// Milliseconds since 1970.
    timestamp: u64,
    status: u16,
    error: String,
    #[schema(required = false)]
    exception: String,
    message: String,
    path: String,
    /// For programs.
    #[schema(example = "unknown_tag")]
    code: String,
    /// What happened and what to do.
    detail: String,
}

/// A refusal as CosId writes it.
#[derive(ToSchema)]
pub(in crate::http) struct CosIdError {
    #[schema(example = "500")]
    code: String,
    /// What happened and what to do.
    msg: String,
    errors: Vec<String>,
}

/// As tinyid: ids. Where `wire.tinyid` is on; also by POST, with a form.
#[utoipa::path(get, path = "/tinyid/id/nextId", tag = "others", security((), ("alloc" = [])),
    params(
        ("bizType" = String, Query, max_length = 128, description = "Whose ids."),
        ("token" = Option<String>, Query, description = "A token of `alloc.tokens_file`."),
        ("batchSize" = Option<i32>, Query, description = "How many: one by default, none below 1, at most 100,000 and `limits.max_count`."),
    ),
    responses((status = 200, body = TinyidIds, description = "Ids, or why there are none."), TinyidRefusals))]
pub(in crate::http) fn tinyid_next_id() {}

/// As tinyid: ids as text, with commas between. Where `wire.tinyid` is on; also by POST, with a form.
#[utoipa::path(get, path = "/tinyid/id/nextIdSimple", tag = "others", security((), ("alloc" = [])),
    params(
        ("bizType" = String, Query, max_length = 128, description = "Whose ids."),
        ("token" = Option<String>, Query, description = "A token of `alloc.tokens_file`."),
        ("batchSize" = Option<i32>, Query, description = "How many: one by default, none below 1, at most 100,000 and `limits.max_count`."),
    ),
    responses((status = 200, body = String, content_type = "text/plain", description = "Ids; nothing where they are refused."), TinyidRefusals))]
pub(in crate::http) fn tinyid_next_id_simple() {}

/// As tinyid: a segment, for its client. Where `wire.tinyid` is on; also by POST, with a form.
#[utoipa::path(get, path = "/tinyid/id/nextSegmentId", tag = "others", security((), ("alloc" = [])),
    params(
        ("bizType" = String, Query, max_length = 128, description = "Whose ids."),
        ("token" = Option<String>, Query, description = "A token of `alloc.tokens_file`."),
    ),
    responses((status = 200, body = TinyidSegment, description = "A segment as large as the tag's step, or why there is none."), TinyidRefusals))]
pub(in crate::http) fn tinyid_next_segment_id() {}

/// As tinyid: `currentId,loadingId,maxId,delta,remainder`, for its client. Where `wire.tinyid` is on; also by GET.
#[utoipa::path(post, path = "/tinyid/id/nextSegmentIdSimple", tag = "others", security((), ("alloc" = [])),
    params(
        ("bizType" = String, Query, max_length = 128, description = "Whose ids."),
        ("token" = Option<String>, Query, description = "A token of `alloc.tokens_file`."),
    ),
    responses((status = 200, body = String, content_type = "text/plain", description = "A segment; nothing where it is refused."), TinyidRefusals))]
pub(in crate::http) fn tinyid_next_segment_id_simple() {}

/// As Leaf: an id. Where `wire.leaf` is on; by any method that may change something, too.
#[utoipa::path(get, path = "/api/segment/get/{key}", tag = "others", security((), ("alloc" = [])),
    params(("key" = String, Path, description = "Whose id.")),
    responses((status = 200, content((String = "text/plain"), (i64 = "application/json")), description = "Its digits, in the type that `Accept` prefers."), LeafRefusals))]
pub(in crate::http) fn leaf_get() {}

/// As CosId's proxy: the last of `step` more ids, which follow each other. Where `wire.cosid` is on. A tag `ns.name` that
/// does not exist is created.
#[utoipa::path(patch, path = "/segments/{ns}/{name}", tag = "others", security((), ("alloc" = [])),
    params(
        ("ns" = String, Path, description = "Namespace."),
        ("name" = String, Path, description = "Name within it."),
        ("step" = Option<u32>, Query, minimum = 1, description = "How many: 100 by default, at most `limits.max_range`."),
    ),
    responses((status = 200, body = i64, content_type = "application/json", description = "The last of them."), CosIdRefusals))]
pub(in crate::http) fn cosid_next() {}

/// As CosId's proxy: make a tag known. Where `wire.cosid` is on. A tag `ns.name` that does not exist is created, and begins
/// behind `offset`.
#[utoipa::path(post, path = "/segments/distributor/{ns}/{name}", tag = "others", security((), ("alloc" = [])),
    params(
        ("ns" = String, Path, description = "Namespace."),
        ("name" = String, Path, description = "Name within it."),
        ("offset" = Option<i64>, Query, minimum = 0, description = "The id before the first one, 0 by default."),
        ("step" = Option<u32>, Query, minimum = 1, description = "How many ids are claimed at once at least, 100 by default."),
    ),
    responses((status = 200, description = "It is there."), CosIdRefusals))]
pub(in crate::http) fn cosid_distributor() {}

refusals! {
    /// What tinyid's callers may be refused with besides 200.
    TinyidRefusals: SpringError, "application/json", [Ids], tinyid::status;
    /// What Leaf's callers may be refused with.
    LeafRefusals: SpringError, "application/json", [Ids], |kind| Some(leaf::status(kind));
    /// What CosId's callers may be refused with.
    CosIdRefusals: CosIdError, "application/json", [Ids], |kind| Some(kind.status());
}
