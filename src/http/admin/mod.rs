//! The admin API, `/admin/v1`: tags are listed, made, changed, advanced and deleted, and this server tells
//! what it holds. Off unless `admin.tokens_file` is set.
//!
//! | what you want to see | file |
//! |---|---|
//! | the routes, and who may use them | this one |
//! | what it works on, and who calls | `state.rs` |
//! | tags: the rows of the table | `tags.rs` |
//! | this server: buffers, rate, supply | `server.rs` |
//! | all servers: who is asked, and how | `fleet.rs`, `peers.rs` |
//! | what happened over the last minutes | `recent.rs` |
//! | the shapes of bodies | `model.rs`, `figures.rs`, `convert.rs` |
//! | query, body, names in paths | `call.rs` |
//! | `ETag`, `If-Match`, `If-None-Match` | `etag.rs` |
//! | refusals as problem details | `problem.rs` |
//! | one log line per change | `audit.rs` |
//!
//! It knows the store as a trait, beside the actors: tags are rows, whether a server has loaded them or
//! not. It takes nothing from the buffers and hands out no id.

mod audit;
mod call;
mod convert;
pub(super) mod etag;
pub(super) mod figures;
mod fleet;
pub mod model;
mod peers;
pub(super) mod problem;
mod recent;
pub(super) mod server;
mod state;
pub(super) mod tags;

pub use state::Admin;

use super::{refusal::Refused, shared::sent_token, span};
use crate::auth::{Denied, Scope};
use actix_web::{
    Error, HttpMessage as _, ResponseError as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::{self, Next},
    web,
};
use problem::Problem;
use state::Caller;
use std::sync::Arc;

/// The routes of the admin API.
pub(super) fn routes(config: &mut web::ServiceConfig, admin: Arc<Admin>) {
    let read = "GET, HEAD";
    config.service(
        web::scope("/admin/v1")
            .app_data(web::Data::from(admin))
            .wrap(middleware::from_fn(admit))
            .service(
                resource("/tags", read)
                    .route(web::get().to(tags::list))
                    .route(web::head().to(tags::list)),
            )
            .service(
                resource("/tags/{tag}", "GET, HEAD, PUT, PATCH, DELETE")
                    .route(web::get().to(tags::show))
                    .route(web::head().to(tags::show))
                    .route(web::put().to(tags::put))
                    .route(web::patch().to(tags::patch))
                    .route(web::delete().to(tags::delete)),
            )
            .service(resource("/tags/{tag}/advance", "POST").route(web::post().to(tags::advance)))
            .service(
                resource("/servers", read)
                    .route(web::get().to(server::all))
                    .route(web::head().to(server::all)),
            )
            .service(
                resource("/server", read)
                    .route(web::get().to(server::show))
                    .route(web::head().to(server::show)),
            )
            .service(
                resource("/server/quotas", read)
                    .route(web::get().to(server::quotas))
                    .route(web::head().to(server::quotas)),
            )
            .service(
                resource("/server/tags", read)
                    .route(web::get().to(server::tags))
                    .route(web::head().to(server::tags)),
            )
            .service(
                resource("/server/tags/{tag}", read)
                    .route(web::get().to(server::tag))
                    .route(web::head().to(server::tag)),
            )
            .default_service(web::to(|| async {
                Problem(Refused::NotFound("/openapi.json for those under /admin/v1"))
                    .error_response()
            })),
    );
}

fn resource(path: &str, methods: &'static str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(move || async move {
        Problem(Refused::MethodNotAllowed(methods)).error_response()
    }))
}

/// Lets those pass whose token has the scope that the method needs. Whoever has none learns nothing,
/// not even which paths there are.
async fn admit<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // The audit line and the answer name the same id.
    if span::sent_id(request.headers()).is_none() {
        request
            .headers_mut()
            .insert(span::REQUEST_ID, span::new_id());
    }
    match caller(&request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(refused) => {
            if let Refused::NoScope(_) = refused {
                audit::refused(request.request(), &refused);
            }
            Ok(request.into_response(Problem(refused).error_response()))
        }
    }
}

fn caller(request: &ServiceRequest) -> Result<Caller, Refused> {
    let admin = request.app_data::<web::Data<Admin>>();
    let admin = admin.ok_or(Denied::Unknown)?;
    let token = admin.tokens.holder(sent_token(request.headers()))?;
    let (scope, name) = match *request.method() {
        Method::GET | Method::HEAD | Method::OPTIONS => (Scope::Read, "read"),
        _ => (Scope::Write, "write"),
    };
    if !token.scopes.contains(&scope) {
        request.extensions_mut().insert(Caller::of(&token));
        return Err(Refused::NoScope(name));
    }
    Ok(Caller::of(&token))
}
