//! How the admin API refuses: RFC 9457 problem details, out of the one table of `refusal.rs`.

use crate::{
    http::{
        codes::{Kind, refusals},
        refusal::Refused,
    },
    storage::{StoreError, Unusable},
};
use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use serde::Serialize;
use std::fmt;
use utoipa::ToSchema;

const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal, answered as problem details.
#[derive(Debug)]
pub(in crate::http) struct Problem(pub(super) Refused);

impl<E: Into<Refused>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Transient(_)
            | StoreError::NoConnection(_)
            | StoreError::UnknownOutcome(_)
            | StoreError::ReadOnly(_)
            | StoreError::AllowanceUsedUp { .. } => Kind::StoreUnavailable,
            StoreError::UnknownTag => Kind::UnknownTag,
            StoreError::TagMisconfigured(_) => Kind::TagMisconfigured,
            StoreError::TagExhausted(_) => Kind::TagExhausted,
            StoreError::FailoverFlapping(_) => Kind::FailoverFlapping,
            StoreError::Unusable(Unusable::TableMissing(_)) => Kind::TableMissing,
            StoreError::Unusable(_) => Kind::TableMisconfigured,
            StoreError::Rejected(_) => Kind::InvalidRequest,
            StoreError::Exists(_) => Kind::TagExists,
            StoreError::Changed => Kind::PreconditionFailed,
        };
        Self::Because(kind, error.to_string().into())
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

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind().status()
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = (self.status_code(), self.0.kind().code());
        let body = ProblemBody {
            r#type: format!("urn:id-alloc:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.0.to_string(),
            code,
        };
        let body = serde_json::to_string(&body).unwrap_or_default();
        self.0.respond(status, MEDIA_TYPE, body)
    }
}

refusals! {
    /// What any call may be refused with, for the OpenAPI document.
    Refusals: ProblemBody, MEDIA_TYPE, [Admin], |kind| Some(kind.status());
    /// What a change may be refused with: this adds to what any call may be, whose statuses it keeps.
    ChangeRefusals: ProblemBody, MEDIA_TYPE, [Admin, Change], |kind| Some(kind.status());
}
