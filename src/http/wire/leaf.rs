//! Leaf's segments: `/api/segment/get/{key}` answers the digits of an id; a refusal is the 500 that its callers know.
//!
//! Their key is the biz_tag, to the letter. Leaf cuts a key at its last dot; here it is taken whole.

use super::{
    door::{Door, success},
    parameters,
    protocol::{self, Asked, Call, Protocol, Wanted},
    spring,
};
use crate::{
    config::Limits,
    domain::{Demand, IdRange, Ids},
    http::{codes::Kind, refusal::Refused},
    metrics::Interface,
};
use actix_web::{
    HttpRequest, HttpResponse, Resource,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    web,
};

const PATH: &str = "/api/segment/get/";

pub(super) fn routes(config: &mut web::ServiceConfig, door: &Door) {
    let no_snowflake = "/api/segment/get/{key}: there are no Snowflake ids here, whose order and \
        uniqueness rest on clocks";
    let no_key = web::resource(["/api/segment/get", PATH]);
    config
        .service(door.clone().route::<Segment>("/api/segment/get/{key}"))
        .service(nowhere(no_key, "/api/segment/get/{key}: name a key"))
        .service(nowhere(
            web::resource("/api/snowflake/get/{key}"),
            no_snowflake,
        ));
}

/// What Leaf throws where it refuses for such a reason; `None` for what it does not know, such as tokens.
fn thrown(kind: Kind) -> Option<(&'static str, &'static str)> {
    let message = match kind {
        Kind::UnknownTag | Kind::InvalidBizTag | Kind::MissingBizTag => {
            "Result{id=-2, status=EXCEPTION}"
        }
        kind if kind.status().is_server_error() => "Result{id=-3, status=EXCEPTION}",
        _ => return None,
    };
    Some((
        "com.sankuai.inf.leaf.server.exception.LeafServerException",
        message,
    ))
}

pub(super) fn status(kind: Kind) -> StatusCode {
    thrown(kind).map_or(kind.status(), |_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Paths of Leaf that lead nowhere here.
fn nowhere(paths: Resource, meant: &'static str) -> Resource {
    paths.to(move |request: HttpRequest| async move {
        let refused = Refused::NotFound(meant);
        spring::error(&refused, &request, StatusCode::NOT_FOUND, None)
    })
}

/// `/api/segment/get/{key}`: one id.
struct Segment;

/// Whether the id is called JSON, as a number by itself is.
struct AsJson(bool);

impl Protocol for Segment {
    const METHODS: (&[Method], &str) = protocol::ANY;
    const INTERFACE: Interface = Interface::Leaf;
    const FORM: bool = false;
    type Shape = AsJson;

    fn read<'a>(asked: &Asked<'a>, _: &Limits) -> Result<Call<'a, AsJson>, Refused> {
        let key = asked.path.strip_prefix(PATH).unwrap_or_default();
        let accepted = asked.headers.get(header::ACCEPT);
        let is_json = |accepted: &HeaderValue| accepted.as_bytes().starts_with(b"application/json");
        Ok(Call {
            tag: parameters::part_of_path(key)?,
            wanted: Wanted::These(Demand::from(1)),
            new_tag: None,
            shape: AsJson(accepted.is_some_and(is_json)),
        })
    }

    fn granted(ids: &Ids, as_json: &AsJson) -> Option<HttpResponse> {
        let id = ids.first().map(IdRange::first)?;
        let media_type = match as_json.0 {
            true => spring::JSON,
            false => spring::TEXT,
        };
        Some(success(media_type, id.to_string().into_bytes()))
    }

    fn refused(refused: &Refused, request: &HttpRequest) -> HttpResponse {
        let kind = refused.kind();
        spring::error(refused, request, status(kind), thrown(kind))
    }
}
