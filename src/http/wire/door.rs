//! `Door`: what every protocol goes through, whichever it is.
//!
//! A route is a service of its own below actix-web's rather than a handler with extractors, since nearly all requests
//! are for one: what it needs it holds, and looks nothing up.

use super::{
    new_tags::NewTags,
    protocol::{Asked, NewTag, Protocol, Wanted},
};
use crate::{
    actors::{AllocError, Allocator},
    auth::{AllocToken, Tokens},
    domain::{Demand, Ids, TagName},
    http::{
        body,
        refusal::Refused,
        shared::{Shared, sent_token},
    },
};
use actix_web::{
    Error, HttpResponse,
    dev::{HttpServiceFactory, ServiceRequest, fn_service},
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web,
};
use prometheus::IntCounter;
use std::{rc::Rc, sync::Arc};

/// What every protocol needs, in one worker.
#[derive(Clone)]
pub(in crate::http) struct Door {
    pub(in crate::http) allocator: web::Data<Allocator>,
    pub(in crate::http) shared: web::Data<Shared>,
    /// Whom it lets in; `None` for anyone.
    pub(in crate::http) tokens: Option<Arc<Tokens<AllocToken>>>,
    /// Makes tags that are asked for, where a protocol wants that.
    pub(in crate::http) new_tags: Option<Arc<NewTags>>,
}

impl Door {
    pub(in crate::http) fn route<P: Protocol>(
        self,
        path: &str,
    ) -> impl HttpServiceFactory + use<P> {
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
            _ => Box::pin(body::form(request, &self.shared, P::FORM)).await?,
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
        let quotas = &self.shared.quotas;
        let Some(token) = token.filter(|token| token.has_quota()) else {
            return Ok(self.allocator.allocate(tag, demand).await?);
        };
        let exists = || self.allocator.is_loaded(tag.as_str());
        let spent = quotas.spend(token, tag.as_str(), demand.count, exists)?;
        let ids = self.allocator.allocate(tag.clone(), demand).await;
        match &ids {
            Ok(_) => spent.keep(),
            Err(_) => spent.give_back(),
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
        let mut ids = self.take(token, tag.clone(), demand).await;
        if let (Err(Refused::Alloc(AllocError::UnknownTag)), Some(new)) = (&ids, new_tag) {
            let new_tags = self.new_tags.as_ref().ok_or(AllocError::UnknownTag)?;
            new_tags.make(&tag.to_biz_tag(), new).await?;
            ids = self.take(token, tag, demand).await;
        }
        Ok((ids?, demand.count))
    }
}

/// An answer that no cache may keep: its ids are for one caller.
pub(in crate::http) fn success(media_type: &'static str, body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(media_type)));
    response.body(body)
}
