//! Counting and logging of requests. Ordinary successes are counted, not logged: the default span of
//! tracing-actix-web doubles the CPU of a request.

use super::{connection::Connection, refusal::Code, shared::Shared, span};
use actix_web::{
    Error, HttpMessage as _,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{ConnectionType, StatusCode, header},
    web,
};
use pin_project_lite::pin_project;
use prometheus::{Histogram, IntCounter};
use std::{
    borrow::Cow,
    future::{Ready, ready},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready as finished},
    time::{Duration, Instant},
};

/// The middleware that counts each request, logs server errors and slow ones (one line per kind and second;
/// `more` says how many were held back before it), and asks callers to leave while draining.
#[derive(Clone)]
pub(super) struct Observe {
    /// Whether connections should be closed, as the server goes away.
    draining: Arc<AtomicBool>,
    shared: web::Data<Shared>,
    /// Of `GET /alloc` that was answered with ids: nearly all requests are.
    alloc: (IntCounter, Histogram),
}

impl Observe {
    pub(super) fn new(draining: Arc<AtomicBool>, shared: web::Data<Shared>) -> Self {
        let alloc = shared.metrics.http.series(ALLOC, "GET", "200");
        Self {
            draining,
            shared,
            alloc,
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = Observed<S>;
    type InitError = ();
    type Future = Ready<Result<Observed<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let observe = Rc::new(self.clone());
        ready(Ok(Observed { service, observe }))
    }
}

/// A service whose requests are observed.
pub(super) struct Observed<S> {
    service: S,
    observe: Rc<Observe>,
}

impl<S, B> Service<ServiceRequest> for Observed<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Observing<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let began = Instant::now();
        if let Some(connection) = request.conn_data::<Rc<Connection>>() {
            connection.newest.set(began);
        }
        Observing {
            served: self.service.call(request),
            observe: self.observe.clone(),
            began,
        }
    }
}

pin_project! {
    /// A request that is being served.
    pub(super) struct Observing<F> {
        #[pin]
        served: F,
        observe: Rc<Observe>,
        began: Instant,
    }
}

impl<F, B> Future for Observing<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = finished!(this.served.poll(context))?;
        this.observe.note(&mut response, this.began.elapsed());
        Poll::Ready(Ok(response))
    }
}

impl Observe {
    /// Counts and logs a response, and adds the headers that every one may get.
    fn note<B>(&self, response: &mut ServiceResponse<B>, took: Duration) {
        if self.draining.load(Ordering::Acquire) {
            let close = header::HeaderValue::from_static("close");
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
            head.headers_mut().insert(header::CONNECTION, close);
        }
        let (shared, request, status) = (&self.shared, response.request(), response.status());
        let is_get = request.method() == actix_web::http::Method::GET;
        let mut code = None;
        if status == StatusCode::OK && is_get && request.path() == ALLOC {
            let (requests, durations) = &self.alloc;
            requests.inc();
            durations.observe(took.as_secs_f64());
        } else {
            // Also of a success: some protocols refuse with 200.
            code = response.response().extensions().get::<Code>().cloned();
            let (route, method) = (route(request), method(request));
            shared
                .metrics
                .http
                .answered(&route, method, status.as_str(), took);
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
        let (route, now) = (route(request), Instant::now());
        response.headers_mut().insert(span::REQUEST_ID, id);
        let status = status.as_u16();
        if is_fault {
            let (code, text) = code.map_or(("", String::new()), |code| (code.code, code.text));
            if let Some(more) = shared.throttle.admit(code, now) {
                tracing::warn!(%route, status, code, text, ?took, request_id, more, "request failed");
            }
        } else if is_slow {
            if let Some(more) = shared.throttle.admit("slow", now) {
                tracing::warn!(%route, status, ?took, request_id, more, "slow request");
            }
        } else if is_sampled {
            tracing::info!(%route, status, ?took, request_id, "request");
        }
    }
}

/// The route's pattern, never the raw path: labels stay bounded. Those that load balancers and callers
/// ask all the time are told by the path itself, since the pattern is looked up by matching it again.
fn route(request: &actix_web::HttpRequest) -> Cow<'static, str> {
    let known = [ALLOC, "/range", "/health", "/livez", "/readyz", "/metrics"];
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
