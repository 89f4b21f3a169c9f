//! The root span of a request: none for most, so that they cost nothing, and one with its id for those
//! that are sampled; with the feature `otlp` as a child of the caller's span (W3C `traceparent`).

use super::shared::Shared;
use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderName, HeaderValue},
    web,
};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;

/// Names a request in the log, and in the answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are not taken over.
const LONGEST_ID: usize = 128;

/// Put into a request that is logged though all is well.
pub(super) struct Sampled;

/// See the module's documentation.
#[derive(Debug)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let ratio = request
            .app_data::<web::Data<Shared>>()
            .map_or(0.0, |shared| shared.telemetry.sample_ratio);
        let sampled = ratio > 0.0 && fastrand::f64() < ratio;
        if sampled {
            request.extensions_mut().insert(Sampled);
        }
        traced::root(request, sampled)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        if let Ok(response) = outcome
            && !span.is_disabled()
        {
            let status = response.status();
            span.record("http.response.status_code", status.as_u16());
            if status.is_server_error() {
                span.record("otel.status_code", "ERROR");
            }
        }
    }
}

/// The id that came with a request, where it can be repeated.
pub(super) fn sent_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(&REQUEST_ID).filter(|id| {
        let id = id.as_bytes();
        (1..=LONGEST_ID).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
    })
}

/// A new id: 128 random bits in hexadecimal.
pub(super) fn new_id() -> HeaderValue {
    HeaderValue::try_from(format!("{:032x}", fastrand::u128(..)))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(not(feature = "otlp"))]
mod traced {
    use super::{ServiceRequest, Span};

    pub(super) fn root(_: &ServiceRequest, _: bool) -> Span {
        Span::none()
    }
}

#[cfg(feature = "otlp")]
mod traced {
    use super::{HeaderMap, ServiceRequest, Span};
    use opentelemetry::{global, propagation::Extractor, trace::TraceContextExt as _};
    use tracing::field::Empty;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    struct Headers<'a>(&'a HeaderMap);

    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)?.to_str().ok()
        }

        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(|name| name.as_str()).collect()
        }
    }

    pub(super) fn root(request: &ServiceRequest, sampled: bool) -> Span {
        let headers = request.headers();
        if !sampled && !headers.contains_key("traceparent") {
            return Span::none();
        }
        let parent = global::get_text_map_propagator(|from| from.extract(&Headers(headers)));
        let context = parent.span().span_context().clone();
        if !sampled && !context.is_sampled() {
            return Span::none();
        }
        let route = request.match_pattern();
        let route = route.as_deref().unwrap_or("_none");
        let method = request.method().as_str();
        let span = tracing::info_span!(
            "request",
            otel.name = format!("{method} {route}"),
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method,
            http.route = route,
            http.response.status_code = Empty,
        );
        if context.is_valid() {
            // Fails only where nothing is exported.
            let _ = span.set_parent(parent);
        }
        span
    }
}
