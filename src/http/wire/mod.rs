//! The protocols in which callers ask for ids, a file each. What all of them do stands here once: who may, the limits,
//! the methods, taking the ids. A protocol translates what was asked and what is answered, and nothing else.
//!
//! | what you want to see | file |
//! |---|---|
//! | what every protocol goes through | this one |
//! | `/alloc` and `/health`, as go-id-alloc has them; `/range` | `id_alloc.rs`, `range.rs`, `id_list.rs` |
//! | query and form | `parameters.rs` |
//! | what the OpenAPI document says of them | `shapes.rs` |
//!
//! A route is a service of its own below actix-web's rather than a handler with extractors, since nearly all requests
//! are for one: what it needs it holds, and looks nothing up.

pub(super) mod id_alloc;
mod id_list;
pub(super) mod parameters;
pub(super) mod range;
pub(super) mod shapes;

use super::{Shared, body, refusal::Refused, sent_token};
use crate::{
    actors::Allocator,
    auth::{AllocToken, Tokens},
    config::Limits,
    domain::{Demand, Ids, TagName},
    metrics::Interface,
};
use actix_web::{
    Error, HttpResponse,
    dev::{HttpServiceFactory, ServiceRequest, fn_service},
    http::Method,
    web,
};
use std::{rc::Rc, sync::Arc};

/// What every protocol needs, in one worker.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) allocator: web::Data<Allocator>,
    pub(super) shared: web::Data<Shared>,
    /// Whom it lets in; `None` for anyone.
    pub(super) tokens: Option<Arc<Tokens<AllocToken>>>,
}

/// How a protocol asks and is answered.
pub(super) trait Protocol: 'static {
    /// The methods it takes, and how `Allow` says so.
    const METHODS: (&[Method], &str);
    /// How its ids are counted.
    const INTERFACE: Interface;
    /// What of a call its answer depends on.
    type Shape;

    /// What was asked.
    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, Self::Shape>, Refused>;

    /// The answer with ids; `None` where there are none, which cannot be.
    fn granted(ids: &Ids, shape: &Self::Shape) -> Option<HttpResponse>;

    /// The answer without.
    fn refused(refused: &Refused) -> HttpResponse;
}

/// A request as it came.
pub(super) struct Asked<'a> {
    pub(super) query: &'a str,
    /// Of a POST; empty where there is none.
    pub(super) form: &'a [u8],
}

/// A request understood.
pub(super) struct Call<'a, S> {
    pub(super) tag: TagName<'a>,
    pub(super) demand: Demand,
    pub(super) shape: S,
}

impl Door {
    /// The route of a protocol.
    pub(super) fn route<P: Protocol>(self, path: &str) -> impl HttpServiceFactory + use<P> {
        let door = Rc::new(self);
        web::service(path).finish(fn_service(move |mut request: ServiceRequest| {
            let door = door.clone();
            async move {
                let answer = door.answer::<P>(&mut request).await;
                let response = answer.unwrap_or_else(|refused| P::refused(&refused));
                Ok::<_, Error>(request.into_response(response))
            }
        }))
    }

    async fn answer<P: Protocol>(
        &self,
        request: &mut ServiceRequest,
    ) -> Result<HttpResponse, Refused> {
        let (methods, allow) = P::METHODS;
        if !methods.contains(request.method()) {
            return Err(Refused::MethodNotAllowed(allow));
        }
        let token = match &self.tokens {
            Some(tokens) => Some(tokens.holder(sent_token(request.headers()))?),
            None => None,
        };
        let form = match *request.method() {
            Method::GET => web::Bytes::new(),
            // Seldom needed, and so boxed: the others need not carry room for it.
            _ => Box::pin(body::form(request, &self.shared)).await?,
        };
        let (query, limits) = (request.query_string(), &self.shared.limits);
        if query.len() > limits.max_query {
            return Err(Refused::QueryTooLong(limits.max_query));
        }
        let form = &form;
        let call = P::read(&Asked { query, form }, limits)?;
        if token.is_some_and(|token| !token.allows(call.tag.as_str())) {
            return Err(Refused::OtherTags);
        }
        let ids = self.allocator.allocate(call.tag, call.demand).await?;
        let http = &self.shared.metrics.http;
        http.gave(P::INTERFACE, call.demand.count);
        P::granted(&ids, &call.shape).ok_or(Refused::Internal)
    }
}
