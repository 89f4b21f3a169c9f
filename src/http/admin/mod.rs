//! The admin API, `/admin/v1`: tags are listed, made, changed, advanced and deleted, and this server tells
//! what it holds. Off unless `admin.tokens_file` is set.
//!
//! | what you want to see | file |
//! |---|---|
//! | the routes, and who may use them | this one |
//! | what it works on | `state.rs` |
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

use super::codes::Kind;
use super::{read_only::readable, refusal::Refused, shared::sent_token, span};
use crate::auth::{Denied, Scope};
use actix_web::{
    Error, HttpMessage as _, Resource, ResponseError as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::{self, Next},
    web,
};
use figures::Caller;
use problem::Problem;
use std::sync::Arc;

pub(super) fn routes(config: &mut web::ServiceConfig, admin: Arc<Admin>) {
    config.service(
        web::scope("/admin/v1")
            .app_data(web::Data::from(admin))
            .wrap(middleware::from_fn(admit))
            .service(refuse(readable("/tags", tags::list), "GET, HEAD"))
            .service(refuse(
                readable("/tags/{tag}", tags::show)
                    .route(web::put().to(tags::put))
                    .route(web::patch().to(tags::patch))
                    .route(web::delete().to(tags::delete)),
                "GET, HEAD, PUT, PATCH, DELETE",
            ))
            .service(refuse(
                web::resource("/tags/{tag}/advance").route(web::post().to(tags::advance)),
                "POST",
            ))
            .service(refuse(readable("/servers", server::all), "GET, HEAD"))
            .service(refuse(readable("/server", server::show), "GET, HEAD"))
            .service(refuse(
                readable("/server/quotas", server::quotas),
                "GET, HEAD",
            ))
            .service(refuse(readable("/server/tags", server::tags), "GET, HEAD"))
            .service(refuse(
                readable("/server/tags/{tag}", server::tag),
                "GET, HEAD",
            ))
            .default_service(web::to(|| async {
                Problem(Refused::NotFound("/openapi.json for those under /admin/v1"))
                    .error_response()
            })),
    );
}

/// Says, where the admin API is not served, what to do about it.
pub(super) fn off(config: &mut web::ServiceConfig) {
    let off =
        "there is no admin API here: admin.tokens_file is not set, or it listens on admin.bind";
    let refuse = move || async move {
        Problem(Refused::Because(Kind::NotFound, off.into())).error_response()
    };
    config.service(web::scope("/admin/v1").default_service(web::to(refuse)));
}

/// Refuses all but these methods of a resource.
fn refuse(resource: Resource, methods: &'static str) -> Resource {
    resource.default_service(web::to(move || async move {
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
            // Who polls on and on waits with those who poll health and metrics.
            if request.method().is_safe()
                && let Some(admin) = request.app_data::<web::Data<Admin>>().cloned()
            {
                admin.shared.pace.turn().await;
            }
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
    let scope = match *request.method() {
        Method::GET | Method::HEAD | Method::OPTIONS => Scope::Read,
        _ => Scope::Write,
    };
    if !token.scopes.contains(&scope) {
        request.extensions_mut().insert(Caller::of(&token));
        return Err(Refused::NoScope(scope.name()));
    }
    Ok(Caller::of(&token))
}
