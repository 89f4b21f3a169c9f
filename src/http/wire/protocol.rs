//! What makes a protocol: how it asks, and how it is answered.

use crate::{
    config::Limits,
    domain::{Demand, Ids, TagName},
    http::refusal::Refused,
    metrics::Interface,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header::HeaderMap},
};

/// The methods of those who do not say which: any that may change something, besides reading.
pub(super) const ANY: (&[Method], &str) = (
    &[
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ],
    "GET, HEAD, POST, PUT, PATCH, DELETE",
);

pub(in crate::http) trait Protocol: 'static {
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

    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, Self::Shape>, Refused>;

    /// The answer with ids; `None` where there are none, which cannot be.
    fn granted(ids: &Ids, shape: &Self::Shape) -> Option<HttpResponse>;

    /// The answer without.
    fn refused(refused: &Refused, request: &HttpRequest) -> HttpResponse;

    /// The token that came as a parameter.
    fn token(_: &Asked<'_>) -> Option<String> {
        None
    }
}

/// A request as it came.
pub(in crate::http) struct Asked<'a> {
    /// As it came, with its escapes.
    pub(in crate::http) path: &'a str,
    pub(in crate::http) headers: &'a HeaderMap,
    pub(in crate::http) query: &'a str,
    /// Of a POST; empty where there is none.
    pub(in crate::http) form: &'a [u8],
}

/// A request understood.
pub(in crate::http) struct Call<'a, S> {
    pub(in crate::http) tag: TagName<'a>,
    pub(in crate::http) wanted: Wanted,
    /// With what a tag that does not exist is made; `None` refuses.
    pub(in crate::http) new_tag: Option<NewTag>,
    pub(in crate::http) shape: S,
}

/// How many ids are wanted.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) enum Wanted {
    These(Demand),
    /// As many as the step of the tag's row says, in one piece.
    Step,
}

/// Where a tag begins, and how much of it is claimed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct NewTag {
    pub(in crate::http) start: i64,
    pub(in crate::http) step: i64,
}
