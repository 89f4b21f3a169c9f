//! Counting and logging of requests. Ordinary successes are counted, not logged: the default span of
//! tracing-actix-web doubles the CPU of a request.

use super::{Shared, failure::Code};
use crate::actors::Allocator;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use std::time::Instant;
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

/// No span for a request, so that success costs nothing; `observe` logs what is worth it.
#[derive(Debug)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(_: &ServiceRequest) -> Span {
        Span::none()
    }

    fn on_request_end<B: MessageBody>(_: Span, _: &Result<ServiceResponse<B>, Error>) {}
}

/// Counts the request, logs server errors and slow ones (one line per kind and second; `more` says how
/// many were held back before it), and asks callers to leave while draining.
pub(super) async fn observe<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let began = Instant::now();
    let mut response = next.call(request).await?;
    let took = began.elapsed();
    let request = response.request().clone();
    if let Some(allocator) = request.app_data::<web::Data<Allocator>>()
        && allocator.is_draining()
    {
        response
            .response_mut()
            .head_mut()
            .set_connection_type(actix_web::http::ConnectionType::Close);
        response.headers_mut().insert(
            header::CONNECTION,
            header::HeaderValue::from_static("close"),
        );
    }
    let Some(shared) = request.app_data::<web::Data<Shared>>() else {
        return Ok(response);
    };
    let status = response.status();
    // The route's pattern, never the raw path: labels stay bounded.
    let route = request
        .match_pattern()
        .unwrap_or_else(|| "_none".to_owned());
    shared
        .metrics
        .answered(&route, method(&request), status.as_str(), took);
    let code = response.response().extensions().get::<Code>().cloned();
    if let Some(code) = &code {
        shared.metrics.rejected(code.code);
    }
    if status.is_server_error() {
        let (code, text) = code.map_or(("", String::new()), |code| (code.code, code.text));
        if let Some(more) = shared.throttle.admit(code, Instant::now()) {
            let status = status.as_u16();
            tracing::warn!(%route, status, code, text, ?took, more, "request failed");
        }
    } else if took >= shared.settings.slow_request {
        if let Some(more) = shared.throttle.admit("slow", Instant::now()) {
            tracing::warn!(%route, status = status.as_u16(), ?took, more, "slow request");
        }
    } else if shared.settings.sample_ratio > 0.0 && fastrand::f64() < shared.settings.sample_ratio {
        tracing::info!(%route, status = status.as_u16(), ?took, "request");
    }
    Ok(response)
}

/// The method as a label: the standard ones, else `OTHER`.
fn method(request: &actix_web::HttpRequest) -> &'static str {
    match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        _ => "OTHER",
    }
}
