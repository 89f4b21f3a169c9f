//! The one table error → status → code → body.

use crate::{actors::AllocError, auth::Denied, domain::BizTagError};
use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;

/// Every way in which a request is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refused {
    #[error("{0}")]
    BizTag(#[from] BizTagError),
    #[error("biz_tag is not valid UTF-8")]
    NotUtf8,
    #[error("count is a whole number from 1 to {0}")]
    InvalidCount(u32),
    #[error("the query is longer than {0} bytes (limits.max_query)")]
    QueryTooLong(usize),
    #[error("the body is longer than {0} bytes (limits.max_body)")]
    BodyTooLong(usize),
    #[error("the body could not be read")]
    BadBody,
    #[error("the body did not arrive in time (server.header_timeout)")]
    BodyTooSlow,
    #[error(
        "no such path; see /alloc, /health, /livez, /readyz, /metrics, /openapi.json, /console"
    )]
    NotFound,
    #[error("this path answers {0} only")]
    MethodNotAllowed(&'static str),
    #[error("{0}")]
    NotReady(&'static str),
    #[error("{0}")]
    Denied(#[from] Denied),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("an internal error; the server's log says which")]
    Internal,
    #[error("{0}")]
    Alloc(#[from] AllocError),
}

/// Every code that a refused request may be answered with.
pub const CODES: [&str; 27] = [
    "missing_biz_tag",
    "invalid_biz_tag",
    "invalid_count",
    "payload_too_large",
    "bad_request",
    "not_found",
    "method_not_allowed",
    "no_available_id",
    "internal",
    "unknown_tag",
    "tag_misconfigured",
    "tag_exhausted",
    "table_missing",
    "table_misconfigured",
    "failover_flapping",
    "overloaded",
    "shutting_down",
    "unauthorized",
    "forbidden",
    // Of the admin API.
    "invalid_request",
    "confirmation_missing",
    "tag_not_loaded",
    "tag_exists",
    "conflict",
    "precondition_failed",
    "unsupported_media_type",
    "store_unavailable",
];

impl Refused {
    pub(super) fn status_and_code(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BizTag(BizTagError::Empty) => (S::BAD_REQUEST, "missing_biz_tag"),
            Self::BizTag(_) | Self::NotUtf8 => (S::BAD_REQUEST, "invalid_biz_tag"),
            Self::InvalidCount(_) => (S::BAD_REQUEST, "invalid_count"),
            Self::QueryTooLong(_) | Self::BodyTooLong(_) => {
                (S::PAYLOAD_TOO_LARGE, "payload_too_large")
            }
            Self::BadBody => (S::BAD_REQUEST, "bad_request"),
            Self::BodyTooSlow => (S::REQUEST_TIMEOUT, "bad_request"),
            Self::NotFound => (S::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Denied(_) => (S::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden(_) => (S::FORBIDDEN, "forbidden"),
            Self::NotReady(_) => (S::SERVICE_UNAVAILABLE, "no_available_id"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal"),
            Self::Alloc(error) => match error {
                AllocError::UnknownTag => (S::NOT_FOUND, "unknown_tag"),
                AllocError::TagMisconfigured(_) => (S::INTERNAL_SERVER_ERROR, "tag_misconfigured"),
                AllocError::TagExhausted(_) => (S::SERVICE_UNAVAILABLE, "tag_exhausted"),
                AllocError::NoAvailableId(_) => (S::SERVICE_UNAVAILABLE, "no_available_id"),
                AllocError::TableMissing(_) => (S::SERVICE_UNAVAILABLE, "table_missing"),
                AllocError::TableMisconfigured(_) => {
                    (S::SERVICE_UNAVAILABLE, "table_misconfigured")
                }
                AllocError::FailoverFlapping(_) => (S::SERVICE_UNAVAILABLE, "failover_flapping"),
                AllocError::Overloaded(_) => (S::SERVICE_UNAVAILABLE, "overloaded"),
                AllocError::ShuttingDown => (S::SERVICE_UNAVAILABLE, "shutting_down"),
            },
        }
    }
}

/// A refusal as it is sent. `id` stands in answers of `/alloc`, `left` in those of `/health`.
#[derive(Serialize)]
struct Body<'a> {
    errno: i32,
    msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u8>,
    code: &'static str,
}

/// A refusal on its way out.
pub(super) struct Failure<'a> {
    why: &'a Refused,
    left: bool,
}

/// Put into the response for those who count and log.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) code: &'static str,
    pub(super) text: String,
}

impl<'a> Failure<'a> {
    pub(super) fn new(why: &'a Refused) -> Self {
        Self { why, left: false }
    }

    /// The answer of a health check.
    pub(super) fn of_health(why: &'a Refused) -> Self {
        Self { why, left: true }
    }

    pub(super) fn respond(&self) -> HttpResponse {
        let (status, code) = self.why.status_and_code();
        let text = self.why.to_string();
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE && code != "tag_exhausted" {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        let mut response = response.json(Body {
            errno: -1,
            msg: &text,
            id: (!self.left).then_some(0),
            left: self.left.then_some(0),
            code,
        });
        response.extensions_mut().insert(Code { code, text });
        response
    }
}
