//! Counting and logging of requests. Ordinary successes are counted, not logged: the default span of
//! tracing-actix-web doubles the CPU of a request.

use super::{connection::Connection, refusal::Code, shared::Shared, span};
use actix_web::{
    Error, HttpMessage as _, HttpRequest,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::{ConnectionType, Method, StatusCode, header},
    web,
};
use futures_util::TryFutureExt as _;
use prometheus::{Histogram, IntCounter};
use std::{
    borrow::Cow,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Counts each request, logs server errors and slow ones (one line per kind and second; `more` says how many were held
/// back before it), and asks callers to leave while draining.
pub(super) struct Observe {
    /// Whether connections should be closed, as the server goes away.
    draining: Arc<AtomicBool>,
    shared: web::Data<Shared>,
    /// Of `GET /alloc` that was answered with ids: nearly all requests are.
    alloc: (IntCounter, Histogram),
}

impl Observe {
    pub(super) fn new(draining: Arc<AtomicBool>, shared: web::Data<Shared>) -> Rc<Self> {
        let alloc = shared.metrics.http.series(ALLOC, "GET", "200");
        Rc::new(Self {
            draining,
            shared,
            alloc,
        })
    }

    /// Has a request served.
    pub(super) fn serve<S, B>(
        self: &Rc<Self>,
        request: ServiceRequest,
        service: &S,
    ) -> impl Future<Output = Result<ServiceResponse<B>, Error>> + use<S, B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    {
        let began = Instant::now();
        if let Some(connection) = request.conn_data::<Rc<Connection>>() {
            connection.newest.set(began);
        }
        let observe = self.clone();
        // An async block would keep what it awaits twice.
        service.call(request).map_ok(move |mut response| {
            observe.note(&mut response, began.elapsed());
            response
        })
    }

    /// Counts and logs a response, and adds the headers that every one may get.
    fn note<B>(&self, response: &mut ServiceResponse<B>, took: Duration) {
        if self.draining.load(Ordering::Acquire) {
            let close = header::HeaderValue::from_static("close");
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
            head.headers_mut().insert(header::CONNECTION, close);
        }
        let (shared, request, status) = (&self.shared, response.request(), response.status());
        let is_get = request.method() == Method::GET;
        let mut code = None;
        if status == StatusCode::OK && is_get && request.path() == ALLOC {
            let (requests, durations) = &self.alloc;
            requests.inc();
            durations.observe(took.as_secs_f64());
        } else {
            // Also of a success: some protocols refuse with 200.
            code = response.response().extensions().get::<Code>().cloned();
            let (route, method) = (route(request), method(request));
            let http = &shared.metrics.http;
            http.answered(&route, method, status.as_str(), took);
        }
        if let Some(code) = &code {
            shared.metrics.http.rejected(code.code);
        }
        let sent = match request.headers().contains_key(&span::REQUEST_ID) {
            true => span::sent_id(request.headers()),
            false => None,
        };
        let is_slow = took >= shared.telemetry.slow_request;
        let is_sampled = shared.telemetry.sample_ratio > 0.0
            && request.extensions().get::<span::Sampled>().is_some();
        // Some protocols have one status for all that they refuse.
        let is_fault = match &code {
            Some(code) => code.is_fault,
            None => status.is_server_error(),
        };
        if sent.is_none() && !is_fault && !is_slow && !is_sampled {
            return;
        }
        let id = sent.cloned().unwrap_or_else(span::new_id);
        let request_id = id.to_str().unwrap_or_default().to_owned();
        let route = route(request);
        response.headers_mut().insert(span::REQUEST_ID, id);
        let status = status.as_u16();
        if is_fault {
            let (code, text) = code.map_or(("", String::new()), |code| (code.code, code.text));
            if let Some(more) = shared.admits_line(code) {
                tracing::warn!(%route, status, code, text, ?took, request_id, more, "request failed");
            }
        } else if is_slow {
            if let Some(more) = shared.admits_line("slow") {
                tracing::warn!(%route, status, ?took, request_id, more, "slow request");
            }
        } else if is_sampled {
            tracing::info!(%route, status, ?took, request_id, "request");
        }
    }
}

/// The route's pattern, never the raw path: labels stay bounded. Those that load balancers and callers
/// ask all the time are told by the path itself, since the pattern is looked up by matching it again.
fn route(request: &HttpRequest) -> Cow<'static, str> {
    let known = [ALLOC, "/range", "/health", "/livez", "/readyz", "/metrics"];
    match known.into_iter().find(|known| *known == request.path()) {
        Some(known) => Cow::Borrowed(known),
        None => request
            .match_pattern()
            .map_or(Cow::Borrowed("_none"), Cow::Owned),
    }
}

const ALLOC: &str = "/alloc";

/// The method as a label: the standard ones, else `OTHER`.
fn method(request: &HttpRequest) -> &'static str {
    let known = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"];
    let known = known.into_iter().find(|known| request.method() == known);
    known.unwrap_or("OTHER")
}
