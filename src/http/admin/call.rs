//! What a call of the admin API says: names in paths, query, JSON body; what is not known is refused. And how a success is
//! answered.

use crate::{
    domain::BizTag,
    http::{body, refusal::Refused, shared::Shared},
};
use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, http::header, web,
};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// Entries of a page where the caller names no number, and the most there are.
const PAGE: (u64, u64) = (100, 1000);

/// The biz_tag in a path: the segment after `/tags/`, decoded once. The router decodes too, which would
/// make `a%252Fb` another name, so the path is read as it was sent.
pub(super) fn tag(request: &HttpRequest) -> Result<BizTag, Refused> {
    let mut segments = request.uri().path().split('/').skip(3);
    let folder = percent_decode_str(segments.next().unwrap_or_default());
    let raw = match folder.eq(b"server".iter().copied()) {
        true => segments.nth(1),
        false => segments.next(),
    };
    let decoded = percent_decode_str(raw.unwrap_or_default()).decode_utf8();
    let name =
        decoded.map_err(|_| Refused::invalid("the biz_tag in the path is not valid UTF-8"))?;
    Ok(BizTag::parse(&name)?)
}

/// The query's parameters, of which only `known` may be there, once each.
pub(super) fn query<const N: usize>(
    request: &HttpRequest,
    known: [&'static str; N],
) -> Result<HashMap<&'static str, String>, Refused> {
    let mut found = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        let Some(name) = known.into_iter().find(|known| *known == name) else {
            let known = known.join(", ");
            return Err(Refused::invalid(format!(
                "the query may say: {known}; it says something else"
            )));
        };
        if found.insert(name, value.into_owned()).is_some() {
            return Err(Refused::invalid(format!(
                "{name} stands in the query twice"
            )));
        }
    }
    Ok(found)
}

pub(super) fn limit(query: &HashMap<&'static str, String>) -> Result<u64, Refused> {
    let Some(text) = query.get("limit") else {
        return Ok(PAGE.0);
    };
    let limit = text.parse().ok();
    let limit = limit.filter(|limit| (1..=PAGE.1).contains(limit));
    let text = || format!("limit must be a whole number from 1 to {}", PAGE.1);
    limit.ok_or_else(|| Refused::invalid(text()))
}

pub(super) async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &Shared,
) -> Result<T, Refused> {
    let kind = request.content_type();
    let known = ["application/json", "application/merge-patch+json"];
    if !known.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Err(Refused::MediaType("the body as application/json"));
    }
    let body = body::read(payload, shared).await?;
    // serde would also read an array into a struct.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Refused::invalid("the body must be a JSON object"));
    }
    serde_json::from_slice(&body).map_err(|error| Refused::invalid(format!("the body: {error}")))
}

pub(super) fn answer(
    mut response: HttpResponseBuilder,
    body: &impl serde::Serialize,
) -> HttpResponse {
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn name(path: &str) -> Result<String, Refused> {
        tag(&TestRequest::with_uri(path).to_http_request()).map(|tag| tag.to_string())
    }

    #[test]
    fn names_in_paths_are_decoded_once() {
        for (path, expected) in [
            ("/admin/v1/tags/order", "order"),
            ("/admin/v1/tags/a%2Fb", "a/b"),
            ("/admin/v1/tags/a%252Fb", "a%2Fb"),
            ("/admin/v1/tags/a+b%20c/advance", "a+b c"),
            ("/admin/v1/tags/%E6%BC%A2?x", "漢"),
            ("/admin/v1/server/tags/a%2Fadvance", "a/advance"),
            ("/admin/v1/%73erver/tags/a", "a"),
        ] {
            assert_eq!(name(path).unwrap(), expected, "{path}");
        }
        for path in [
            "/admin/v1/tags/%ff",
            "/admin/v1/tags/a%00",
            "/admin/v1/tags/_x",
        ] {
            assert!(name(path).is_err(), "{path}");
        }
    }
}
