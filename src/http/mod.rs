//! HTTP: extract, call the `Allocator`, render. No logic of allocation lives here.
//!
//! | what you want to see | file |
//! |---|---|
//! | the routes and who may use which method | this one |
//! | what all requests meet; who may know of which tags | `shared.rs` |
//! | how callers ask for ids: `/alloc`, and the bodies of `/health` | `wire/` |
//! | `/health`, `/livez`, `/readyz`; `/metrics` | `operations.rs`; `scrape.rs` |
//! | how often those who poll are answered | `pace.rs` |
//! | bodies of requests | `body.rs` |
//! | `/admin/v1` | `admin/` |
//! | `/console` | `console/` |
//! | `/openapi.json` | `openapi.rs` |
//! | why a request is refused: texts and headers; the table of statuses and codes | `refusal.rs`, `codes.rs` |
//! | connections that go quiet | `connection.rs` |
//! | what is only read | `read_only.rs` |
//! | offers to speak another protocol | `upgrade.rs` |
//! | counting and logging of requests, their spans | `observe.rs`, `span.rs` |

mod admin;
mod body;
mod codes;
mod connection;
mod console;
mod observe;
mod openapi;
mod operations;
mod pace;
mod read_only;
mod refusal;
mod scrape;
mod shared;
mod span;
mod throttle;
mod upgrade;
mod wire;

pub use admin::{Admin, model};
pub use codes::CODES;
pub use connection::Connections;
pub(crate) use refusal::Refused;
pub use shared::Shared;
pub use span::RequestSpan;
pub use upgrade::PlainHttp;
pub use wire::NewTags;

use crate::{
    actors::Allocator,
    auth::{AllocToken, Tokens},
};
use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    web,
};
use observe::Observe;
use read_only::read_only;
use shared::Guard;
use std::sync::Arc;
use tracing_actix_web::TracingLogger;
use wire::{
    Door,
    id_alloc::{Alloc, not_given},
    range::Range,
};

/// What the API serves besides, where it is configured.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The admin API on the same port.
    pub admin: Option<Arc<Admin>>,
    /// Who may ask for ids; `None` lets anyone.
    pub alloc_tokens: Option<Arc<Tokens<AllocToken>>>,
    /// Makes tags that are asked for, for protocols that expect it.
    pub new_tags: Option<Arc<NewTags>>,
}

/// All routes of one worker: the same for production and tests.
pub fn routes(
    allocator: Allocator,
    shared: Arc<Shared>,
    options: Options,
) -> actix_web::App<impl AppFactory> {
    let door = door(allocator, shared, options.alloc_tokens, options.new_tags);
    app(&door)
        .configure(|config| wire::routes(config, &door))
        .configure(|config| match options.admin {
            Some(admin) => admin_routes(config, admin),
            None => {
                admin::off(config);
                console::off(config);
            }
        })
        .service(read_only("/health", operations::health))
        .service(read_only("/livez", operations::livez))
        .service(read_only("/readyz", operations::readyz))
        .service(read_only("/metrics", scrape::metrics))
}

/// The same, with a span for each request that is to have one. Where none is, it would only cost each a
/// random number and a wrapper round its body.
pub fn routes_with_spans(
    allocator: Allocator,
    shared: Arc<Shared>,
    options: Options,
) -> actix_web::App<impl AppFactory> {
    routes(allocator, shared, options).wrap(TracingLogger::<RequestSpan>::new())
}

/// The admin API and the console, for a listener of their own; `/alloc` for the console's form.
pub fn admin_app(
    shared: Arc<Shared>,
    admin: Arc<Admin>,
    alloc_tokens: Option<Arc<Tokens<AllocToken>>>,
) -> actix_web::App<impl AppFactory> {
    let allocator = admin.allocation.allocator();
    let door = door(allocator, shared, alloc_tokens, None);
    app(&door).configure(|config| admin_routes(config, admin))
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

fn door(
    allocator: Allocator,
    shared: Arc<Shared>,
    tokens: Option<Arc<Tokens<AllocToken>>>,
    new_tags: Option<Arc<NewTags>>,
) -> Door {
    Door {
        allocator: web::Data::new(allocator),
        shared: web::Data::from(shared),
        tokens,
        new_tags,
    }
}

/// What all that is served has in common.
fn app(door: &Door) -> actix_web::App<impl AppFactory + use<>> {
    let observe = Observe::new(door.allocator.draining(), door.shared.clone());
    actix_web::App::new()
        .app_data(door.allocator.clone())
        .app_data(door.shared.clone())
        .app_data(web::Data::new(Guard(door.tokens.clone())))
        .wrap_fn(move |request, service| observe.serve(request, service))
        .default_service(web::to(not_found))
        .service(door.clone().route::<Alloc>("/alloc"))
        .service(door.clone().route::<Range>("/range"))
        .service(read_only("/openapi.json", openapi::document))
}

fn admin_routes(config: &mut web::ServiceConfig, admin: Arc<Admin>) {
    admin::routes(config, admin);
    console::routes(config);
}

/// `/metrics` alone, for a listener of its own that answers while the API is saturated.
pub fn metrics_route(config: &mut web::ServiceConfig, allocator: Allocator, shared: Arc<Shared>) {
    config
        .app_data(web::Data::new(allocator))
        .app_data(web::Data::from(shared))
        .app_data(web::Data::new(Guard(None)))
        .service(read_only("/metrics", scrape::metrics))
        .default_service(web::to(not_a_metric));
}

async fn not_found() -> HttpResponse {
    not_given(&Refused::NotFound(
        "/alloc, /range, /health, /livez, /readyz, /metrics, /openapi.json, /console",
    ))
}

async fn not_a_metric() -> HttpResponse {
    not_given(&Refused::NotFound("/metrics"))
}
