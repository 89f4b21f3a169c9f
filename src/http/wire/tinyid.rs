//! tinyid: ids and segments under `/tinyid/id/`, as JSON or (`…Simple`) as text.
//!
//! It refuses with 200: with `code` 5 whoever asks for a bizType that does not exist or is not theirs, with 6 where
//! anything else is in the way, and `…Simple` with an empty body. Why stands in a header besides.
//!
//! A segment is what its client counts through by itself: the ids of `(currentId, maxId]` that are `remainder` modulo
//! `delta`. Here one range holds all of them, so `delta` is 1. It is as large as the row's step, as in tinyid.

use super::{
    door::{Door, success},
    id_list, parameters,
    protocol::{self, Asked, Call, Protocol, Wanted},
    spring,
};
use crate::{
    config::Limits,
    domain::{BizTagError, Demand, IdRange, Ids},
    http::{codes::Kind, refusal::Refused},
    metrics::Interface,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web,
};
use serde_json::Value;
use std::borrow::Cow;

/// The most ids of one request; who asks for more gets so many.
const MOST: i32 = 100_000;

const WHY: header::HeaderName = header::HeaderName::from_static("x-id-alloc-error");

pub(super) fn routes(config: &mut web::ServiceConfig, door: &Door) {
    let door = || door.clone();
    config
        .service(door().route::<Tinyid<ID, JSON>>("/tinyid/id/nextId"))
        .service(door().route::<Tinyid<ID, SIMPLE>>("/tinyid/id/nextIdSimple"))
        .service(door().route::<Tinyid<SEGMENT, JSON>>("/tinyid/id/nextSegmentId"))
        .service(door().route::<Tinyid<SEGMENT, SIMPLE>>("/tinyid/id/nextSegmentIdSimple"));
}

/// A path of tinyid: of a segment, or of ids; as text, or as JSON.
struct Tinyid<const IS_SEGMENT: bool, const IS_SIMPLE: bool>;

const ID: bool = false;
const SEGMENT: bool = true;
const JSON: bool = false;
const SIMPLE: bool = true;

/// A parameter of the query, else of the form, as a servlet has it.
fn parameter<'a>(asked: &Asked<'a>, name: &str) -> Option<Cow<'a, [u8]>> {
    let found = parameters::value(asked.query.as_bytes(), name);
    found.or_else(|| parameters::value(asked.form, name))
}

/// What is refused with code 5.
fn is_token_error(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Unauthorized
            | Kind::Forbidden
            | Kind::UnknownTag
            | Kind::InvalidBizTag
            | Kind::MissingBizTag
    )
}

/// The status of a refusal, where that is not 200.
pub(super) fn status(kind: Kind) -> Option<StatusCode> {
    let status = kind.status();
    (!is_token_error(kind) && !status.is_server_error()).then_some(status)
}

fn batch_size(raw: Option<&[u8]>, limits: &Limits) -> Result<u32, Refused> {
    let count = match raw {
        None | Some(b"") => 1,
        Some(raw) => std::str::from_utf8(raw)
            .ok()
            .and_then(|text| text.trim().parse::<i32>().ok())
            .ok_or(Refused::NotANumber("batchSize"))?,
    };
    let count = u32::try_from(count.min(MOST)).unwrap_or(0);
    match count <= limits.max_count {
        true => Ok(count),
        false => Err(Refused::InvalidCount(limits.max_count)),
    }
}

impl<const IS_SEGMENT: bool, const IS_SIMPLE: bool> Protocol for Tinyid<IS_SEGMENT, IS_SIMPLE> {
    const METHODS: (&[Method], &str) = protocol::ANY;
    const INTERFACE: Interface = Interface::Tinyid;
    const TOKEN_AS_PARAMETER: bool = true;
    type Shape = ();

    fn token(asked: &Asked<'_>) -> Option<String> {
        String::from_utf8(parameter(asked, "token")?.into_owned()).ok()
    }

    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, ()>, Refused> {
        let name = parameter(asked, "bizType").ok_or(BizTagError::Empty)?;
        let tag = parameters::tag_name(name)?;
        let wanted = match IS_SEGMENT {
            true => Wanted::Step,
            false => {
                let count = batch_size(parameter(asked, "batchSize").as_deref(), limits)?;
                Wanted::These(Demand::from(count))
            }
        };
        Ok(Call {
            tag,
            wanted,
            new_tag: None,
            shape: (),
        })
    }

    fn granted(ids: &Ids, (): &()) -> Option<HttpResponse> {
        let data = match IS_SEGMENT {
            true => segment(ids.as_slice(), IS_SIMPLE)?,
            false => list(ids, IS_SIMPLE),
        };
        if IS_SIMPLE {
            return Some(success(spring::TEXT, data));
        }
        let after = br#","code":200,"message":""}"#;
        let body = [br#"{"data":"#, data.as_slice(), after].concat();
        Some(success(spring::JSON, body))
    }

    fn refused(refused: &Refused, request: &HttpRequest) -> HttpResponse {
        let (kind, text) = (refused.kind(), refused.to_string());
        let is_size = kind == Kind::InvalidCount && !matches!(refused, Refused::NotANumber(_));
        let (code, message) = match status(kind) {
            Some(status) if !is_size => return spring::error(refused, request, status, None),
            _ if is_token_error(kind) => (5, "token is error"),
            _ => (6, &*text),
        };
        let (content_type, body) = match IS_SIMPLE {
            true => (spring::TEXT, String::new()),
            false => {
                let message = Value::from(message);
                let body = format!(r#"{{"data":null,"code":{code},"message":{message}}}"#);
                (spring::JSON, body)
            }
        };
        let mut response = refused.respond(StatusCode::OK, content_type, body);
        let kind = kind.code();
        // A name with letters that a header cannot hold leaves the code alone.
        let why = header::HeaderValue::from_str(&format!("{kind}: {text}"))
            .unwrap_or(header::HeaderValue::from_static(kind));
        response.headers_mut().insert(WHY, why);
        response
    }
}

/// `[7,8,9]`, or the same without brackets.
fn list(ids: &Ids, is_simple: bool) -> Vec<u8> {
    let mut list = Vec::with_capacity(id_list::room(ids));
    id_list::push_list(&mut list, ids);
    match is_simple {
        true => list[1..list.len() - 1].to_vec(),
        false => list,
    }
}

fn segment(ids: &[IdRange], is_simple: bool) -> Option<Vec<u8>> {
    let [range] = ids else { return None };
    // Below the first id, which may be the least there is.
    let current = range.first().checked_sub(1)?;
    let last = range.end().checked_sub(1)?;
    // Where its client asks for the next one.
    let loading = current + (last - current) / 5;
    let text = match is_simple {
        true => format!("{current},{loading},{last},1,0"),
        false => format!(
            r#"{{"maxId":{last},"loadingId":{loading},"currentId":{current},"delta":1,"remainder":0}}"#
        ),
    };
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody as _;

    #[test]
    fn a_segment_is_written_as_tinyid_writes_it() {
        let range = [IdRange::claimed(300_002, 100_000).unwrap()];
        assert_eq!(
            String::from_utf8(segment(&range, false).unwrap()).unwrap(),
            r#"{"maxId":300001,"loadingId":220001,"currentId":200001,"delta":1,"remainder":0}"#
        );
        assert_eq!(
            String::from_utf8(segment(&range, true).unwrap()).unwrap(),
            "200001,220001,300001,1,0"
        );
        let one = [IdRange::claimed(2, 1).unwrap()];
        assert_eq!(segment(&one, true).unwrap(), b"0,0,1,1,0");
    }

    #[test]
    fn a_refusal_is_written_as_tinyid_writes_it() {
        let request = actix_web::test::TestRequest::default().to_http_request();
        let refused = Refused::InvalidCount(7);
        let response = Tinyid::<ID, JSON>::refused(&refused, &request);
        let body = response.into_body().try_into_bytes().unwrap();
        let text = r#"{"data":null,"code":6,"message":"count must be a whole number from 1 to 7"}"#;
        assert_eq!(body, text);
    }

    #[test]
    fn batch_sizes_are_cut_as_tinyid_cuts_them() {
        let limits = |max_count| Limits {
            max_count,
            ..crate::config::Config::default().limits
        };
        let size = |raw: &str, max| batch_size(Some(raw.as_bytes()), &limits(max)).ok();
        for (raw, count) in [("", 1), ("3", 3), ("0", 0), ("-1", 0), ("-2147483648", 0)] {
            assert_eq!(size(raw, 10), Some(count), "{raw}");
        }
        assert_eq!(size("2147483647", 1_000_000), Some(100_000));
        assert_eq!(size("11", 10), None);
        for raw in ["x", "1.5", "9223372036854775808", "1 2", "\u{661}"] {
            assert!(matches!(
                batch_size(Some(raw.as_bytes()), &limits(10)),
                Err(Refused::NotANumber(_))
            ));
        }
        assert_eq!(batch_size(None, &limits(10)).unwrap(), 1);
    }
}
