//! Leaf's segments: `/api/segment/get/{key}` answers the digits of an id; a refusal is the 500 that its callers know.
//!
//! Their key is the biz_tag, to the letter. Leaf cuts a key at its last dot; here it is taken whole.

use super::{
    door::Door,
    parameters,
    protocol::{Asked, Call, Protocol, Wanted},
    spring,
};
use crate::{
    config::Limits,
    domain::{Demand, IdRange, Ids},
    http::{codes::Kind, refusal::Refused},
    metrics::Interface,
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web,
};

const PATH: &str = "/api/segment/get/";

/// The routes of Leaf.
pub(super) fn routes(config: &mut web::ServiceConfig, door: &Door) {
    config
        .service(door.clone().route::<Segment>("/api/segment/get/{key}"))
        .service(web::resource(["/api/segment/get", PATH]).to(no_key))
        .service(web::resource("/api/snowflake/get/{key}").to(no_snowflake));
}

/// The status of a refusal. What Leaf does not know, such as tokens, has its own.
pub(super) fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::UnknownTag | Kind::InvalidBizTag | Kind::MissingBizTag => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        kind if kind.status().is_server_error() => StatusCode::INTERNAL_SERVER_ERROR,
        kind => kind.status(),
    }
}

async fn no_key(request: HttpRequest) -> HttpResponse {
    let refused = Refused::NotFound("/api/segment/get/{key}: name a key");
    spring::error(&refused, &request, StatusCode::NOT_FOUND, None)
}

async fn no_snowflake(request: HttpRequest) -> HttpResponse {
    let refused = Refused::NotFound(
        "/api/segment/get/{key}: there are no Snowflake ids here, whose order and uniqueness rest on clocks",
    );
    spring::error(&refused, &request, StatusCode::NOT_FOUND, None)
}

/// `/api/segment/get/{key}`: one id.
struct Segment;

/// Whether the id is called JSON, as a number by itself is.
struct AsJson(bool);

impl Protocol for Segment {
    const METHODS: (&[Method], &str) = (
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
    const INTERFACE: Interface = Interface::Leaf;
    const FORM: bool = false;
    type Shape = AsJson;

    fn read<'a>(asked: &Asked<'a>, _: &Limits) -> Result<Call<'a, AsJson>, Refused> {
        let key = asked.path.strip_prefix(PATH).unwrap_or_default();
        let accepted = asked.headers.get(header::ACCEPT);
        let as_json =
            accepted.is_some_and(|accepted| accepted.as_bytes().starts_with(b"application/json"));
        Ok(Call {
            tag: parameters::part_of_path(key)?,
            wanted: Wanted::These(Demand::from(1)),
            new_tag: None,
            shape: AsJson(as_json),
        })
    }

    fn granted(ids: &Ids, as_json: &AsJson) -> Option<HttpResponse> {
        let id = ids.first().map(IdRange::first)?;
        let content_type = if as_json.0 {
            spring::JSON
        } else {
            spring::TEXT
        };
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response.insert_header((header::CONTENT_TYPE, content_type));
        Some(response.body(id.to_string()))
    }

    fn refused(refused: &Refused, request: &HttpRequest) -> HttpResponse {
        let message = match refused.kind() {
            kind if status(kind) == kind.status() && !kind.status().is_server_error() => {
                return spring::error(refused, request, kind.status(), None);
            }
            Kind::UnknownTag | Kind::InvalidBizTag | Kind::MissingBizTag => {
                "Result{id=-2, status=EXCEPTION}"
            }
            _ => "Result{id=-3, status=EXCEPTION}",
        };
        let thrown = spring::Thrown {
            exception: "com.sankuai.inf.leaf.server.exception.LeafServerException",
            message,
        };
        spring::error(
            refused,
            request,
            StatusCode::INTERNAL_SERVER_ERROR,
            Some(thrown),
        )
    }
}
