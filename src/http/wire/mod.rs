//! The protocols in which callers ask for ids, a file each. What all of them do stands here once: who may, the limits,
//! the methods, taking the ids. A protocol translates what was asked and what is answered, and nothing else.
//!
//! | what you want to see | file |
//! |---|---|
//! | what every protocol goes through | this one |
//! | `/alloc` and `/health`, as go-id-alloc has them; `/range` | `id_alloc.rs`, `range.rs`, `id_list.rs` |
//! | what callers of other id servers speak, where the section `wire` says so | `tinyid.rs`, `leaf.rs`, `cosid.rs` |
//! | tags that are made as they are asked for; errors as Spring writes them | `new_tags.rs`, `spring.rs` |
//! | query and form | `parameters.rs` |
//! | what the OpenAPI document says of them | `shapes.rs`, `foreign_shapes.rs` |
//!
//! A route is a service of its own below actix-web's rather than a handler with extractors, since nearly all requests
//! are for one: what it needs it holds, and looks nothing up.

mod cosid;
pub(super) mod foreign_shapes;
pub(super) mod id_alloc;
mod id_list;
mod leaf;
mod new_tags;
pub(super) mod parameters;
pub(super) mod range;
pub(super) mod shapes;
mod spring;
mod tinyid;

pub use new_tags::NewTags;

use super::{Shared, body, refusal::Refused, sent_token};
use crate::{
    actors::{AllocError, Allocator},
    auth::{AllocToken, Tokens},
    config::Limits,
    domain::{Demand, Ids, TagName},
    metrics::Interface,
};
use actix_web::{
    Error, HttpRequest, HttpResponse,
    dev::{HttpServiceFactory, ServiceRequest, fn_service},
    http::{Method, header::HeaderMap},
    web,
};
use prometheus::IntCounter;
use std::{borrow::Cow, rc::Rc, sync::Arc};

/// What every protocol needs, in one worker.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) allocator: web::Data<Allocator>,
    pub(super) shared: web::Data<Shared>,
    /// Whom it lets in; `None` for anyone.
    pub(super) tokens: Option<Arc<Tokens<AllocToken>>>,
    /// Makes tags that are asked for, where a protocol wants that.
    pub(super) new_tags: Option<Arc<NewTags>>,
}

/// How a protocol asks and is answered.
pub(super) trait Protocol: 'static {
    /// The methods it takes, and how `Allow` says so.
    const METHODS: (&[Method], &str);
    /// How its ids are counted.
    const INTERFACE: Interface;
    /// Whether its parameters may come in a form. Where not, a body is read to its end and passed over.
    const FORM: bool = true;
    /// Whether the token may come as a parameter. Where not, it is looked at before any body is read.
    const TOKEN_AS_PARAMETER: bool = false;
    /// What of a call its answer depends on.
    type Shape;

    /// What was asked.
    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, Self::Shape>, Refused>;

    /// The answer with ids; `None` where there are none, which cannot be.
    fn granted(ids: &Ids, shape: &Self::Shape) -> Option<HttpResponse>;

    /// The answer without.
    fn refused(refused: &Refused, request: &HttpRequest) -> HttpResponse;

    /// The token that came as a parameter.
    fn token<'a>(_: &Asked<'a>) -> Option<Cow<'a, str>> {
        None
    }
}

/// A request as it came.
pub(super) struct Asked<'a> {
    /// As it came, with its escapes.
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a str,
    /// Of a POST; empty where there is none.
    pub(super) form: &'a [u8],
}

/// A request understood.
pub(super) struct Call<'a, S> {
    pub(super) tag: TagName<'a>,
    pub(super) wanted: Wanted,
    /// With what a tag that does not exist is made; `None` refuses.
    pub(super) new_tag: Option<NewTag>,
    pub(super) shape: S,
}

/// How many ids are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    These(Demand),
    /// As many as the step of the tag's row says, in one piece.
    Step,
}

/// Where a tag begins, and how much of it is claimed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewTag {
    pub(super) start: i64,
    pub(super) step: i64,
}

/// The routes of the protocols that are switched on.
pub(super) fn routes(config: &mut web::ServiceConfig, door: &Door) {
    let wire = &door.shared.wire;
    if wire.tinyid {
        tinyid::routes(config, door);
    }
    if wire.leaf {
        leaf::routes(config, door);
    }
    if wire.cosid {
        cosid::routes(config, door);
    }
}

impl Door {
    /// The route of a protocol.
    pub(super) fn route<P: Protocol>(self, path: &str) -> impl HttpServiceFactory + use<P> {
        let given = self.shared.metrics.http.ids(P::INTERFACE).clone();
        let route = Rc::new((self, given));
        web::service(path).finish(fn_service(move |mut request: ServiceRequest| {
            let route = route.clone();
            async move {
                let (door, given) = &*route;
                let answer = door.answer::<P>(&mut request, given).await;
                let refuse = |refused| P::refused(&refused, request.request());
                let response = answer.unwrap_or_else(refuse);
                Ok::<_, Error>(request.into_response(response))
            }
        }))
    }

    async fn answer<P: Protocol>(
        &self,
        request: &mut ServiceRequest,
        given: &IntCounter,
    ) -> Result<HttpResponse, Refused> {
        let (methods, allow) = P::METHODS;
        if !methods.contains(request.method()) {
            return Err(Refused::MethodNotAllowed(allow));
        }
        let mut token = match &self.tokens {
            Some(tokens) if !P::TOKEN_AS_PARAMETER => {
                Some(tokens.holder(sent_token(request.headers()))?)
            }
            _ => None,
        };
        let form = match *request.method() {
            Method::GET | Method::HEAD => web::Bytes::new(),
            // Seldom needed, and so boxed: the others need not carry room for it.
            _ if P::FORM => Box::pin(body::form(request, &self.shared)).await?,
            _ => Box::pin(body::pass_over(request, &self.shared)).await?,
        };
        let (query, limits) = (request.query_string(), &self.shared.limits);
        if query.len() > limits.max_query {
            return Err(Refused::QueryTooLong(limits.max_query));
        }
        let asked = Asked {
            path: request.uri().path(),
            headers: request.headers(),
            query,
            form: &form,
        };
        if let (Some(tokens), true) = (&self.tokens, P::TOKEN_AS_PARAMETER) {
            let sent = P::token(&asked);
            let sent = sent.as_deref().or_else(|| sent_token(asked.headers));
            token = Some(tokens.holder(sent)?);
        }
        let call = P::read(&asked, limits)?;
        if let Some(token) = &token
            && !token.allows(call.tag.as_str())
        {
            return Err(Refused::OtherTags);
        }
        let has_quota = token.as_ref().is_some_and(|token| token.has_quota());
        let (ids, count) = match (call.wanted, call.new_tag) {
            (Wanted::These(demand), None) if !has_quota => {
                let ids = self.allocator.allocate(call.tag, demand).await?;
                (ids, demand.count)
            }
            (wanted, new_tag) => {
                let token = token.as_deref();
                Box::pin(self.allocate(token, call.tag, wanted, new_tag)).await?
            }
        };
        given.inc_by(count);
        P::granted(&ids, &call.shape).ok_or(Refused::Internal)
    }

    /// Ids within the quota of the token, if it has one.
    async fn take(
        &self,
        token: Option<&AllocToken>,
        tag: TagName<'_>,
        demand: Demand,
    ) -> Result<Ids, Refused> {
        let Some(token) = token.filter(|token| token.has_quota()) else {
            return Ok(self.allocator.allocate(tag, demand).await?);
        };
        let quotas = &self.shared.quotas;
        quotas.take(token, tag.as_str(), demand.count)?;
        let ids = self.allocator.allocate(tag.clone(), demand).await;
        if ids.is_err() {
            quotas.give_back(token, tag.as_str(), demand.count);
        }
        Ok(ids?)
    }

    /// Ids of a tag that may have to be made or looked at first, or within a quota, and how many they are.
    async fn allocate(
        &self,
        token: Option<&AllocToken>,
        tag: TagName<'_>,
        wanted: Wanted,
        new_tag: Option<NewTag>,
    ) -> Result<(Ids, u64), Refused> {
        let demand = match wanted {
            Wanted::These(demand) => demand,
            Wanted::Step => {
                let step = self.allocator.step(&tag).await?;
                let most = self.shared.limits.max_range.into();
                Demand {
                    count: step.clamp(1, most),
                    contiguous: true,
                }
            }
        };
        match (self.take(token, tag.clone(), demand).await, new_tag) {
            (Err(Refused::Alloc(AllocError::UnknownTag)), Some(new)) => {
                let new_tags = self.new_tags.as_ref().ok_or(AllocError::UnknownTag)?;
                new_tags.make(&tag.to_biz_tag(), new).await?;
                let ids = self.take(token, tag, demand).await?;
                Ok((ids, demand.count))
            }
            (ids, _) => Ok((ids?, demand.count)),
        }
    }
}
