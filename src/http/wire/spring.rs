//! Errors as the web framework of Leaf and tinyid (Spring Boot) writes them. What is said besides stands in fields that
//! their callers pass over.

use crate::http::refusal::Refused;
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const JSON: &str = "application/json;charset=UTF-8";
pub(super) const TEXT: &str = "text/plain;charset=UTF-8";

#[derive(Serialize)]
struct Body<'a> {
    /// In milliseconds since 1970.
    timestamp: u128,
    status: u16,
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'static str>,
    message: &'a str,
    path: &'a str,
    /// For programs, as everywhere in id-alloc.
    code: &'static str,
    /// What happened and what to do.
    detail: &'a str,
}

/// The answer with this status; `thrown`: an exception and its message, where a service throws one.
pub(super) fn error(
    refused: &Refused,
    request: &HttpRequest,
    status: StatusCode,
    thrown: Option<(&'static str, &'static str)>,
) -> HttpResponse {
    let text = refused.to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let body = Body {
        timestamp: now.map_or(0, |now| now.as_millis()),
        status: status.as_u16(),
        error: status.canonical_reason().unwrap_or("Error"),
        exception: thrown.map(|(exception, _)| exception),
        message: thrown.map_or(&text, |(_, message)| message),
        path: request.uri().path(),
        code: refused.kind().code(),
        detail: &text,
    };
    let body = serde_json::to_string(&body).unwrap_or_default();
    refused.respond(status, JSON, body)
}
