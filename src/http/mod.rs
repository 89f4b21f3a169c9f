//! HTTP: extract, call the `Allocator`, render. No logic of allocation lives here.
//!
//! | what you want to see | file |
//! |---|---|
//! | the routes and who may use which method | this one |
//! | `/alloc` | `alloc.rs` |
//! | `/health`, `/livez`, `/readyz`, `/metrics` | `operations.rs` |
//! | query and form; bodies | `parameters.rs`, `body.rs` |
//! | `/admin/v1` | `admin/` |
//! | `/console` | `console/` |
//! | access tokens, and who may use `/alloc` | `tokens.rs`, `alloc_guard.rs` |
//! | `/openapi.json` | `openapi.rs` |
//! | error → status, code, body | `failure.rs` |
//! | connections that go quiet | `connection.rs` |
//! | counting and logging of requests, their spans | `observe.rs`, `span.rs` |

mod admin;
mod alloc;
mod alloc_guard;
mod body;
mod connection;
mod console;
mod failure;
mod observe;
mod openapi;
mod operations;
pub mod parameters;
mod span;
mod throttle;
mod tokens;

pub use admin::{Admin, model};
pub use connection::Connections;
pub use failure::CODES;
pub use span::RequestSpan;
pub use throttle::Throttle;
pub use tokens::Tokens;

use crate::{actors::Allocator, config::tokens::AllocToken, metrics::Metrics};
use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware, web,
};
use failure::{Failure, Refused};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tracing_actix_web::TracingLogger;

/// What the routes need to know.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The most ids in one request.
    pub max_count: u32,
    /// The longest body of a POST, in bytes.
    pub max_body: usize,
    /// How long a POST's body may take to arrive.
    pub body_timeout: Duration,
    /// The longest query, in bytes.
    pub max_query: usize,
    /// Requests that took longer are logged.
    pub slow_request: Duration,
    /// The part of the other requests that is logged, 0 to 1.
    pub sample_ratio: f64,
    /// Whether spans are exported.
    pub traced: bool,
}

/// What all workers share beside their own allocator.
#[derive(Debug)]
pub struct Shared {
    /// What the routes need to know.
    pub settings: HttpSettings,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Keeps a flood of failures out of the log.
    pub throttle: Throttle,
    /// Set once `allocation.preload` is done.
    pub preloaded: AtomicBool,
}

impl Shared {
    fn is_preloaded(&self) -> bool {
        self.preloaded.load(Ordering::Acquire)
    }
}

/// What the API serves besides, where it is configured.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The admin API on the same port.
    pub admin: Option<Arc<Admin>>,
    /// Who may ask for ids; `None` lets anyone.
    pub alloc_tokens: Option<Arc<Tokens<AllocToken>>>,
}

/// All routes of one worker: the same for production and tests.
pub fn routes(
    allocator: Allocator,
    shared: Arc<Shared>,
    options: Options,
) -> actix_web::App<impl AppFactory> {
    let with_spans = shared.settings.sample_ratio > 0.0 || shared.settings.traced;
    app(allocator, shared, with_spans)
        .configure(|config| alloc_route(config, options.alloc_tokens))
        .configure(|config| match options.admin {
            Some(admin) => admin_routes(config, admin),
            None => console::off(config),
        })
        .service(read_only("/health", operations::health))
        .service(read_only("/livez", operations::livez))
        .service(read_only("/readyz", operations::readyz))
        .service(read_only("/metrics", operations::metrics))
        .service(read_only("/openapi.json", openapi::document))
}

/// The admin API and the console, for a listener of their own; `/alloc` for the console's form.
pub fn admin_app(
    shared: Arc<Shared>,
    admin: Arc<Admin>,
    alloc_tokens: Option<Arc<Tokens<AllocToken>>>,
) -> actix_web::App<impl AppFactory> {
    app(admin.allocation.allocator(), shared, false)
        .configure(|config| alloc_route(config, alloc_tokens))
        .configure(|config| admin_routes(config, admin))
        .service(read_only("/openapi.json", openapi::document))
}

/// What makes the services of an `App`.
pub trait AppFactory:
    ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<Self::Body>,
        Error = actix_web::Error,
        InitError = (),
    >
{
    /// Of its answers.
    type Body: MessageBody;
}

impl<T, B> AppFactory for T
where
    B: MessageBody,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        >,
{
    type Body = B;
}

/// What all that is served has in common.
fn app(
    allocator: Allocator,
    shared: Arc<Shared>,
    with_spans: bool,
) -> actix_web::App<impl AppFactory> {
    actix_web::App::new()
        .app_data(web::Data::new(allocator))
        .app_data(web::Data::from(shared))
        .wrap(middleware::from_fn(observe::observe))
        // Where no request gets a span it would only cost a random number each.
        .wrap(middleware::Condition::new(
            with_spans,
            TracingLogger::<RequestSpan>::new(),
        ))
        .default_service(web::to(|| async {
            Failure::new(&Refused::NotFound).respond()
        }))
}

fn admin_routes(config: &mut web::ServiceConfig, admin: Arc<Admin>) {
    admin::routes(config, admin);
    console::routes(config);
}

/// `/alloc`; where anyone may ask, nothing stands before it.
fn alloc_route(config: &mut web::ServiceConfig, tokens: Option<Arc<Tokens<AllocToken>>>) {
    let resource = web::resource("/alloc")
        .route(web::get().to(alloc::get))
        .route(web::post().to(alloc::post))
        .default_service(web::to(|| async { not_allowed("GET, POST") }));
    match tokens {
        None => config.service(resource),
        Some(tokens) => {
            let guard = move |request, next| alloc_guard::admit(request, next, tokens.clone());
            config.service(resource.wrap(middleware::from_fn(guard)))
        }
    };
}

/// `/metrics` alone, for a listener of its own that answers while the API is saturated.
pub fn metrics_route(config: &mut web::ServiceConfig, allocator: Allocator, shared: Arc<Shared>) {
    config
        .app_data(web::Data::new(allocator))
        .app_data(web::Data::from(shared))
        .service(read_only("/metrics", operations::metrics))
        .default_service(web::to(|| async {
            Failure::new(&Refused::NotFound).respond()
        }));
}

/// A resource for GET, HEAD and OPTIONS.
fn read_only<F, Args>(path: &str, handler: F) -> actix_web::Resource
where
    F: actix_web::Handler<Args> + Copy,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler))
        .route(web::head().to(handler))
        .route(web::method(Method::OPTIONS).to(|| async {
            HttpResponse::NoContent()
                .insert_header((header::ALLOW, "GET, HEAD, OPTIONS"))
                .finish()
        }))
        .default_service(web::to(|| async { not_allowed("GET, HEAD, OPTIONS") }))
}

fn not_allowed(methods: &'static str) -> HttpResponse {
    let mut response = Failure::new(&Refused::MethodNotAllowed(methods)).respond();
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(methods));
    response
}
