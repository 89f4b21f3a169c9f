//! Resources that are only read.

use super::{refusal::Refused, wire::id_alloc::not_given};
use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder,
    http::{Method, header},
    web,
};

const METHODS: &str = "GET, HEAD, OPTIONS";

/// A resource for GET, HEAD and OPTIONS.
pub(super) fn read_only<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Copy,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    readable(path, handler)
        .route(web::method(Method::OPTIONS).to(|| async {
            let mut response = HttpResponse::NoContent();
            response.insert_header((header::ALLOW, METHODS)).finish()
        }))
        .default_service(web::to(|| async {
            not_given(&Refused::MethodNotAllowed(METHODS))
        }))
}

/// A resource that answers GET and HEAD; what else, its caller says.
pub(super) fn readable<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Copy,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler))
        .route(web::head().to(handler))
}
