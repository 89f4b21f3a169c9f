//! `/range`: ids for a client that counts by itself, all in one piece: the first, and how many.

use super::{
    door::success,
    id_alloc::{JSON, refusal},
    parameters,
    protocol::{Asked, Call, Protocol, Wanted},
};
use crate::{
    config::Limits,
    domain::{Demand, Ids},
    http::refusal::Refused,
    metrics::Interface,
};
use actix_web::{HttpRequest, HttpResponse, http::Method};

/// `/range`: contiguous ids of a biz_tag.
pub(in crate::http) struct Range;

/// Whether the first id is written as a string, for callers whose numbers are doubles.
pub(in crate::http) struct AsText(bool);

impl Protocol for Range {
    const METHODS: (&[Method], &str) = (&[Method::GET, Method::POST], "GET, POST");
    const INTERFACE: Interface = Interface::Range;
    type Shape = AsText;

    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, AsText>, Refused> {
        let query = asked.query.as_bytes();
        let call = parameters::alloc_call(query, asked.form, limits.max_range)?;
        let count = call.count.ok_or(Refused::InvalidCount(limits.max_range))?;
        Ok(Call {
            tag: call.tag,
            wanted: Wanted::These(Demand {
                count: count.into(),
                contiguous: true,
            }),
            new_tag: None,
            shape: AsText(call.as_text),
        })
    }

    fn granted(ids: &Ids, as_text: &AsText) -> Option<HttpResponse> {
        let [range] = ids.as_slice() else { return None };
        let (first, count) = (range.first(), range.len());
        let quote = if as_text.0 { "\"" } else { "" };
        let body = format!(
            r#"{{"errno":0,"msg":"success","first":{quote}{first}{quote},"count":{count}}}"#
        );
        Some(success(JSON, body.into_bytes()))
    }

    fn refused(refused: &Refused, _: &HttpRequest) -> HttpResponse {
        refusal(refused, "")
    }
}
