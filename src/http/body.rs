//! The body of a request, bounded in size and time.

use super::{refusal::Refused, shared::Shared};
use actix_web::{FromRequest as _, HttpMessage as _, dev::ServiceRequest, web};

pub(super) async fn read(payload: web::Payload, shared: &Shared) -> Result<web::Bytes, Refused> {
    let max_body = shared.limits.max_body;
    let reading = payload.to_bytes_limited(max_body);
    match tokio::time::timeout(shared.server.header_timeout, reading).await {
        Err(_) => Err(Refused::BodyTooSlow),
        Ok(Err(_)) => Err(Refused::BodyTooLong(max_body)),
        Ok(Ok(Err(_))) => Err(Refused::BadBody),
        Ok(Ok(Ok(body))) => Ok(body),
    }
}

/// The form that came with a request; empty where its body is something else, as in go-id-alloc, and where none
/// `is_wanted`: then the body is read to its end, so that the connection can be used on.
pub(super) async fn form(
    request: &mut ServiceRequest,
    shared: &Shared,
    is_wanted: bool,
) -> Result<web::Bytes, Refused> {
    let kind = request.content_type();
    let is_form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let is_json = kind.eq_ignore_ascii_case("application/json");
    let mut payload = request.take_payload();
    let payload = web::Payload::from_request(request.request(), &mut payload).await;
    let body = read(payload.map_err(|_| Refused::BadBody)?, shared).await?;
    if is_wanted && is_json && !body.is_empty() {
        // A count in it would be passed over, and one id taken instead.
        return Err(Refused::MediaType(
            "biz_tag and count in the query or as application/x-www-form-urlencoded; JSON is not read here",
        ));
    }
    Ok(if is_wanted && is_form {
        body
    } else {
        web::Bytes::new()
    })
}
