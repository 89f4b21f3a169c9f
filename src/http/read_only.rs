//! Resources that are only read.

use super::{refusal::Refused, wire::id_alloc::not_given};
use actix_web::{
    HttpResponse,
    http::{Method, header},
    web,
};

/// A resource for GET, HEAD and OPTIONS.
pub(super) fn read_only<F, Args>(path: &str, handler: F) -> actix_web::Resource
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
    not_given(&Refused::MethodNotAllowed(methods))
}
