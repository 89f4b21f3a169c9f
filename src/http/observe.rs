//! Counting and logging of requests. Ordinary successes are counted, not logged: the default span of
//! tracing-actix-web doubles the CPU of a request.

use super::{Shared, connection::Connection, failure::Code, span};
use crate::actors::Allocator;
use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
    web,
};
use std::{borrow::Cow, rc::Rc, time::Instant};

/// Counts the request, logs server errors and slow ones (one line per kind and second; `more` says how
/// many were held back before it), and asks callers to leave while draining.
pub(super) async fn observe<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let began = Instant::now();
    if let Some(connection) = request.conn_data::<Rc<Connection>>() {
        connection.touch(began);
    }
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
    let method = method(&request);
    let route = route(&request);
    if status == StatusCode::OK && method == "GET" && route == ALLOC {
        shared.metrics.alloc_answered(took);
    } else {
        shared
            .metrics
            .answered(&route, method, status.as_str(), took);
    }
    let code = match status.is_success() {
        true => None,
        false => response.response().extensions().get::<Code>().cloned(),
    };
    if let Some(code) = &code {
        shared.metrics.rejected(code.code);
    }
    let sent = span::sent_id(request.headers()).cloned();
    let is_slow = took >= shared.settings.slow_request;
    let is_sampled =
        shared.settings.sample_ratio > 0.0 && request.extensions().get::<span::Sampled>().is_some();
    if sent.is_none() && !status.is_server_error() && !is_slow && !is_sampled {
        return Ok(response);
    }
    let id = sent.unwrap_or_else(span::new_id);
    let request_id = id.to_str().unwrap_or_default().to_owned();
    response.headers_mut().insert(span::REQUEST_ID, id);
    let now = Instant::now();
    if status.is_server_error() {
        let (code, text) = code.map_or(("", String::new()), |code| (code.code, code.text));
        if let Some(more) = shared.throttle.admit(code, now) {
            let status = status.as_u16();
            tracing::warn!(%route, status, code, text, ?took, request_id, more, "request failed");
        }
    } else if is_slow {
        if let Some(more) = shared.throttle.admit("slow", now) {
            let status = status.as_u16();
            tracing::warn!(%route, status, ?took, request_id, more, "slow request");
        }
    } else if is_sampled {
        tracing::info!(%route, status = status.as_u16(), ?took, request_id, "request");
    }
    Ok(response)
}

/// The route's pattern, never the raw path: labels stay bounded. Those that load balancers and callers
/// ask all the time are told by the path itself, since the pattern is looked up by matching it again.
fn route(request: &actix_web::HttpRequest) -> Cow<'static, str> {
    let known = [ALLOC, "/health", "/livez", "/readyz", "/metrics"];
    match known.into_iter().find(|known| *known == request.path()) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(
            request
                .match_pattern()
                .unwrap_or_else(|| "_none".to_owned()),
        ),
    }
}

const ALLOC: &str = "/alloc";

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
