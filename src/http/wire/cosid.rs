//! CosId's proxy: `POST /segments/distributor/{ns}/{name}` makes a tag known, `PATCH /segments/{ns}/{name}?step=N`
//! gives N ids and answers the last of them.
//!
//! Its client takes the ids of `(answer − N, answer]` without another look, so N is honoured exactly and in one piece.
//! The tag is `ns.name`, as CosId names a row. One that nobody created is made: its client does not start otherwise, and
//! asks for a new name each day where it counts by the day.

use super::{
    door::{Door, success},
    id_alloc::JSON,
    parameters,
    protocol::{Asked, Call, NewTag, Protocol, Wanted},
};
use crate::{
    config::Limits,
    domain::{Demand, Ids, TagName},
    http::refusal::Refused,
    metrics::Interface,
};
use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde_json::Value;
use std::ops::RangeInclusive;

const PATH: &str = "/segments/";
const DISTRIBUTOR: &str = "/segments/distributor/";

/// The step of a tag that is made, where the call names none, as in CosId.
const STEP: i64 = 100;

pub(super) fn routes(config: &mut web::ServiceConfig, door: &Door) {
    config
        .service(
            door.clone()
                .route::<Distributor>("/segments/distributor/{ns}/{name}"),
        )
        .service(door.clone().route::<Segment>("/segments/{ns}/{name}"));
}

/// A call for a tag: `ns` and `name` are what follows `prefix` in the path.
fn call<'a>(
    asked: &Asked<'a>,
    prefix: &str,
    demand: Demand,
    new_tag: NewTag,
) -> Result<Call<'a, ()>, Refused> {
    let names = asked.path.strip_prefix(prefix).unwrap_or_default();
    let (ns, name) = names.split_once('/').unwrap_or((names, ""));
    let text = parameters::text_of_path;
    let tag = TagName::parse(format!("{}.{}", text(ns)?, text(name)?))?;
    Ok(Call {
        tag,
        wanted: Wanted::These(demand),
        new_tag: Some(new_tag),
        shape: (),
    })
}

/// A parameter that is a whole number; `None` where it is anything else, or out of bounds.
fn number(asked: &Asked<'_>, name: &str, default: i64, bounds: RangeInclusive<i64>) -> Option<i64> {
    let number = match parameters::value(asked.query.as_bytes(), name) {
        None => default,
        Some(raw) => std::str::from_utf8(&raw).ok()?.parse().ok()?,
    };
    bounds.contains(&number).then_some(number)
}

fn step(asked: &Asked<'_>, most: u32) -> Result<i64, Refused> {
    number(asked, "step", STEP, 1..=most.into()).ok_or(Refused::InvalidStep(most))
}

fn refusal(refused: &Refused) -> HttpResponse {
    let msg = Value::from(refused.to_string());
    let body = format!(r#"{{"code":"500","msg":{msg},"errors":[]}}"#);
    refused.respond(refused.kind().status(), JSON, body)
}

/// `PATCH /segments/{ns}/{name}`: the next ids.
struct Segment;

impl Protocol for Segment {
    const METHODS: (&[Method], &str) = (&[Method::PATCH], "PATCH");
    const INTERFACE: Interface = Interface::Cosid;
    const FORM: bool = false;
    type Shape = ();

    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, ()>, Refused> {
        let step = step(asked, limits.max_range)?;
        let demand = Demand {
            count: step.unsigned_abs(),
            contiguous: true,
        };
        call(asked, PATH, demand, NewTag { start: 1, step })
    }

    fn granted(ids: &Ids, (): &()) -> Option<HttpResponse> {
        let [range] = ids.as_slice() else { return None };
        let last = range.end().checked_sub(1)?;
        Some(success(JSON, last.to_string().into_bytes()))
    }

    fn refused(refused: &Refused, _: &HttpRequest) -> HttpResponse {
        refusal(refused)
    }
}

/// `POST /segments/distributor/{ns}/{name}`: a tag is about to be used.
struct Distributor;

impl Protocol for Distributor {
    const METHODS: (&[Method], &str) = (&[Method::POST], "POST");
    const INTERFACE: Interface = Interface::Cosid;
    const FORM: bool = false;
    type Shape = ();

    fn read<'a>(asked: &Asked<'a>, limits: &Limits) -> Result<Call<'a, ()>, Refused> {
        let most = limits.max_range;
        let step = step(asked, most)?;
        let highest = i64::MAX - i64::from(most) - 1;
        let offset = number(asked, "offset", 0, 0..=highest);
        let start = offset.ok_or(Refused::InvalidOffset(highest))? + 1;
        // No ids, only that there are some.
        call(asked, DISTRIBUTOR, 0.into(), NewTag { start, step })
    }

    fn granted(_: &Ids, (): &()) -> Option<HttpResponse> {
        Some(HttpResponse::Ok().finish())
    }

    fn refused(refused: &Refused, _: &HttpRequest) -> HttpResponse {
        refusal(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody as _;

    #[test]
    fn a_refusal_is_written_as_cosid_writes_it() {
        let body = refusal(&Refused::NotFound("\"here\"")).into_body();
        let text = r#"{"code":"500","msg":"no such path; see \"here\"","errors":[]}"#;
        assert_eq!(body.try_into_bytes().unwrap(), text);
    }
}
