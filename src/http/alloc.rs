//! `/alloc`: ids of a biz_tag. Success bodies are go-id-alloc's, byte for byte.
//!
//! It is a service of its own below the routes rather than a handler with extractors, since nearly all
//! requests are for it: what it needs it holds, and looks nothing up.

use super::{
    Shared,
    alloc_guard::{self, AllocTokens},
    body,
    failure::{Failure, Refused},
    id_list, not_allowed,
    parameters::alloc_call,
};
use crate::{actors::Allocator, domain::Ids};
use actix_web::{
    Error, FromRequest as _, HttpMessage as _, HttpResponse,
    dev::{HttpServiceFactory, ServiceRequest, ServiceResponse, fn_service},
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web,
};
use std::rc::Rc;

/// What answers `/alloc` in one worker.
struct Alloc {
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
    /// Whom it answers; `None` for anyone.
    tokens: Option<AllocTokens>,
}

/// The route.
pub(super) fn service(
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
    tokens: Option<AllocTokens>,
) -> impl HttpServiceFactory {
    let alloc = Rc::new(Alloc {
        allocator,
        shared,
        tokens,
    });
    web::service("/alloc").finish(fn_service(move |request| alloc.clone().serve(request)))
}

impl Alloc {
    async fn serve(self: Rc<Self>, mut request: ServiceRequest) -> Result<ServiceResponse, Error> {
        // What is seldom needed is boxed, so that the others need not carry room for it.
        if let Some(tokens) = &self.tokens
            && let Err(refused) = Box::pin(alloc_guard::check(&mut request, tokens)).await
        {
            return Ok(request.into_response(alloc_guard::refuse(&refused)));
        }
        let is_get = match *request.method() {
            Method::GET => true,
            Method::POST => false,
            _ => return Ok(request.into_response(not_allowed("GET, POST"))),
        };
        let answer = if is_get {
            self.answer(request.query_string(), &[]).await
        } else {
            match Box::pin(self.form(&mut request)).await {
                Ok(form) => self.answer(request.query_string(), &form).await,
                Err(refused) => Err(refused),
            }
        };
        let response = match answer {
            Ok(body) => HttpResponse::Ok()
                .insert_header((
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                ))
                .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
                .body(body),
            Err(refused) => Failure::new(&refused).respond(),
        };
        Ok(request.into_response(response))
    }

    /// The form that came with a POST; empty where its body is something else.
    async fn form(&self, request: &mut ServiceRequest) -> Result<web::Bytes, Refused> {
        let is_form = request
            .content_type()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let mut payload = request.take_payload();
        let payload = web::Payload::from_request(request.request(), &mut payload);
        let payload = payload.await.map_err(|_| Refused::BadBody)?;
        let body = body::read(payload, &self.shared).await?;
        Ok(if is_form { body } else { web::Bytes::new() })
    }

    /// The success body.
    async fn answer(&self, query: &str, form: &[u8]) -> Result<Vec<u8>, Refused> {
        let limits = &self.shared.limits;
        if query.len() > limits.max_query {
            return Err(Refused::QueryTooLong(limits.max_query));
        }
        let call = alloc_call(query.as_bytes(), form, limits.max_count)?;
        let as_list = call.count.is_some();
        let ids = self
            .allocator
            .allocate(call.tag, call.count.unwrap_or(1))
            .await?;
        render(&ids, as_list).ok_or(Refused::Internal)
    }
}

/// The success body; `None` where there is no id, which cannot be.
fn render(ids: &Ids, as_list: bool) -> Option<Vec<u8>> {
    let first = ids.first()?.first();
    let list = if as_list { id_list::room(ids) } else { 0 };
    let mut body = Vec::with_capacity(64 + list);
    body.extend_from_slice(br#"{"errno":0,"msg":"success","id":"#);
    body.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
    if as_list {
        body.extend_from_slice(br#","ids":"#);
        id_list::push_list(&mut body, ids);
    }
    body.push(b'}');
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::IdRange;

    #[test]
    fn bodies_are_those_of_go_id_alloc() {
        let mut range = IdRange::claimed(204, 3).unwrap();
        let ids: Ids = std::iter::once(range.take(1)).collect();
        assert_eq!(
            render(&ids, false).unwrap(),
            br#"{"errno":0,"msg":"success","id":201}"#
        );
        let gap = IdRange::claimed(301, 1).unwrap();
        let ids: Ids = [range, gap].into_iter().collect();
        assert_eq!(
            render(&ids, true).unwrap(),
            br#"{"errno":0,"msg":"success","id":202,"ids":[202,203,300]}"#
        );
        assert_eq!(render(&Ids::new(), true), None);
    }
}
