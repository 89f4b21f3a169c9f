//! How the admin API refuses: RFC 9457 problem details, one table error → status → code.

use crate::{
    auth::Denied,
    domain::BizTagError,
    http::{
        challenge,
        failure::{Code, Refused},
    },
    storage::{StoreError, Unusable},
};
use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Every way in which a call of the admin API is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::http) enum Problem {
    #[error("{0}")]
    Denied(#[from] Denied),
    #[error("not allowed with this token: it has no scope `{0}`")]
    Forbidden(&'static str),
    #[error("{0}")]
    BizTag(#[from] BizTagError),
    #[error("{0}")]
    Invalid(String),
    #[error("to delete {0}, repeat its name: ?confirm=NAME")]
    Unconfirmed(String),
    #[error("no such path under /admin/v1; /openapi.json lists them")]
    NotFound,
    #[error("this path answers {0} only")]
    MethodNotAllowed(&'static str),
    #[error("biz_tag {0} is not loaded on this server")]
    NotLoaded(String),
    #[error("biz_tag {0} does not exist, or is deleted")]
    UnknownTag(String),
    #[error("send the body as application/json")]
    MediaType,
    #[error("{0}")]
    Precondition(&'static str),
    #[error("{0}")]
    Conflict(String),
    #[error("too many calls of the admin API wait for the database")]
    Busy,
    #[error("{0}")]
    Body(Refused),
    #[error("{0}")]
    Store(StoreError),
}

impl Problem {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Denied(_) => (S::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden(_) => (S::FORBIDDEN, "forbidden"),
            Self::BizTag(_) => (S::BAD_REQUEST, "invalid_biz_tag"),
            Self::Invalid(_) => (S::BAD_REQUEST, "invalid_request"),
            Self::Unconfirmed(_) => (S::BAD_REQUEST, "confirmation_missing"),
            Self::NotFound => (S::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotLoaded(_) => (S::NOT_FOUND, "tag_not_loaded"),
            Self::UnknownTag(_) => (S::NOT_FOUND, "unknown_tag"),
            Self::MediaType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Precondition(_) => (S::PRECONDITION_FAILED, "precondition_failed"),
            Self::Conflict(_) => (S::CONFLICT, "conflict"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Body(refused) => refused.status_and_code(),
            Self::Store(error) => match error {
                StoreError::Transient(_)
                | StoreError::UnknownOutcome(_)
                | StoreError::ReadOnly(_) => (S::SERVICE_UNAVAILABLE, "store_unavailable"),
                StoreError::UnknownTag => (S::NOT_FOUND, "unknown_tag"),
                StoreError::TagMisconfigured(_) => (S::INTERNAL_SERVER_ERROR, "tag_misconfigured"),
                StoreError::TagExhausted(_) => (S::SERVICE_UNAVAILABLE, "tag_exhausted"),
                StoreError::FailoverFlapping(_) => (S::SERVICE_UNAVAILABLE, "failover_flapping"),
                StoreError::Unusable(Unusable::TableMissing(_)) => {
                    (S::SERVICE_UNAVAILABLE, "table_missing")
                }
                StoreError::Unusable(_) => (S::SERVICE_UNAVAILABLE, "table_misconfigured"),
                StoreError::Rejected(_) => (S::BAD_REQUEST, "invalid_request"),
                StoreError::Exists(_) => (S::CONFLICT, "tag_exists"),
                StoreError::Changed => (S::PRECONDITION_FAILED, "precondition_failed"),
            },
        }
    }

    /// The code, for the audit line.
    pub(super) fn code(&self) -> &'static str {
        self.status_and_code().1
    }
}

/// A refusal as it is sent: RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(title = "Problem")]
pub(in crate::http) struct ProblemBody {
    /// Names the kind of problem; not to be looked up.
    #[schema(example = "urn:id-alloc:problem:unknown_tag")]
    r#type: String,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What happened and what to do.
    detail: String,
    /// For programs; also the value of the label `code` of `id_alloc_requests_rejected_total`.
    #[schema(example = "unknown_tag")]
    code: &'static str,
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status_and_code().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = self.status_and_code();
        let text = self.to_string();
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::Denied(denied) => {
                response.insert_header((header::WWW_AUTHENTICATE, challenge(*denied)));
            }
            Self::MethodNotAllowed(methods) => {
                response.insert_header((header::ALLOW, *methods));
            }
            Self::Busy => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            Self::Store(error) if error.is_transient() => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        let body = ProblemBody {
            r#type: format!("urn:id-alloc:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: text.clone(),
            code,
        };
        let body = serde_json::to_string(&body).unwrap_or_default();
        let mut response = response
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .body(body);
        response.extensions_mut().insert(Code { code, text });
        response
    }
}
