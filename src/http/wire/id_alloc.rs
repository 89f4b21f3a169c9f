//! `/alloc` and `/health` in go-id-alloc's format, byte for byte; refusals say more than it did.

use super::{
    door::success,
    id_list, parameters,
    protocol::{Asked, Call, Protocol, Wanted},
};
use crate::{
    config::Limits,
    domain::{Demand, IdRange, Ids},
    http::refusal::Refused,
    metrics::Interface,
};
use actix_web::{HttpRequest, HttpResponse, http::Method};
use serde_json::Value;

pub(super) const JSON: &str = "application/json";

/// `/alloc`: ids of a biz_tag.
pub(in crate::http) struct Alloc;

/// How the ids are written.
pub(in crate::http) struct Shape {
    /// Whether all are listed: where a count was asked for.
    listed: bool,
    /// Whether as strings, for callers whose numbers are doubles.
    as_text: bool,
}

impl Protocol for Alloc {
    const METHODS: (&[Method], &str) = (&[Method::GET, Method::POST], "GET, POST");
    const INTERFACE: Interface = Interface::Alloc;
    type Shape = Shape;

    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, Shape>, Refused> {
        let query = asked.query.as_bytes();
        let call = parameters::alloc_call(query, asked.form, limits.max_count)?;
        Ok(Call {
            tag: call.tag,
            wanted: Wanted::These(Demand {
                count: call.count.unwrap_or(1).into(),
                contiguous: false,
            }),
            new_tag: None,
            shape: Shape {
                listed: call.count.is_some(),
                as_text: call.as_text,
            },
        })
    }

    fn granted(ids: &Ids, shape: &Shape) -> Option<HttpResponse> {
        Some(success(JSON, render(ids, shape)?))
    }

    fn refused(refused: &Refused, _: &HttpRequest) -> HttpResponse {
        not_given(refused)
    }
}

/// The answer of `/alloc` without ids.
pub(in crate::http) fn not_given(refused: &Refused) -> HttpResponse {
    refusal(refused, r#""id":0,"#)
}

/// The answer of a health check: how many ids are in memory.
pub(in crate::http) fn health(result: Result<u64, Refused>) -> HttpResponse {
    match result {
        Ok(left) => {
            let body = format!(r#"{{"errno":0,"msg":"success","left":{left}}}"#);
            success(JSON, body.into_bytes())
        }
        Err(refused) => refusal(&refused, r#""left":0,"#),
    }
}

/// A refusal as it is sent; `extra`: the field that stands in answers of `/alloc`, or that in those of `/health`.
pub(super) fn refusal(refused: &Refused, extra: &str) -> HttpResponse {
    let (kind, msg) = (refused.kind(), Value::from(refused.to_string()));
    let code = kind.code();
    let body = format!(r#"{{"errno":-1,"msg":{msg},{extra}"code":"{code}"}}"#);
    refused.respond(kind.status(), JSON, body)
}

/// The success body; `None` where there is no id, which cannot be.
fn render(ids: &Ids, shape: &Shape) -> Option<Vec<u8>> {
    let first = ids.first()?.first();
    let quote: &[u8] = if shape.as_text { b"\"" } else { b"" };
    let list = if shape.listed { id_list::room(ids) } else { 0 };
    let mut body = Vec::with_capacity(64 + list);
    body.extend_from_slice(br#"{"errno":0,"msg":"success","id":"#);
    body.extend_from_slice(quote);
    body.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
    body.extend_from_slice(quote);
    if shape.listed {
        body.extend_from_slice(br#","ids":"#);
        match shape.as_text {
            true => push_texts(&mut body, ids),
            false => id_list::push_list(&mut body, ids),
        }
    }
    body.push(b'}');
    Some(body)
}

fn push_texts(body: &mut Vec<u8>, ids: &Ids) {
    let ids = ids.iter().flat_map(IdRange::iter);
    let ids: Vec<String> = ids.map(|id| format!("\"{id}\"")).collect();
    body.extend_from_slice(format!("[{}]", ids.join(",")).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_go_id_alloc() {
        let shape = |listed, as_text| Shape { listed, as_text };
        let mut range = IdRange::claimed(204, 3).unwrap();
        let ids: Ids = std::iter::once(range.take(1)).collect();
        assert_eq!(
            render(&ids, &shape(false, false)).unwrap(),
            br#"{"errno":0,"msg":"success","id":201}"#
        );
        let gap = IdRange::claimed(301, 1).unwrap();
        let ids: Ids = [range, gap].into_iter().collect();
        assert_eq!(
            render(&ids, &shape(true, false)).unwrap(),
            br#"{"errno":0,"msg":"success","id":202,"ids":[202,203,300]}"#
        );
        assert_eq!(
            render(&ids, &shape(true, true)).unwrap(),
            br#"{"errno":0,"msg":"success","id":"202","ids":["202","203","300"]}"#
        );
        assert_eq!(render(&Ids::new(), &shape(true, false)), None);
    }
}
