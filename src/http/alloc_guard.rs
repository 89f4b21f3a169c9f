//! Who may take ids: stands before `/alloc` where `alloc.tokens_file` is set, and nowhere else.

use super::{
    Shared, body, challenge,
    failure::{Failure, Refused},
    parameters::biz_tag,
    sent_token,
};
use crate::auth::{AllocToken, Tokens};
use actix_web::{
    FromRequest as _, HttpMessage as _, HttpResponse,
    dev::{Payload, ServiceRequest},
    http::{Method, header},
    web,
};
use std::sync::Arc;

/// The tokens that `/alloc` takes.
pub(super) type AllocTokens = Arc<Tokens<AllocToken>>;

/// The answer to one who may not.
pub(super) fn refuse(refused: &Refused) -> HttpResponse {
    let mut response = Failure::new(refused).respond();
    if let Refused::Denied(denied) = refused {
        let challenge = header::HeaderValue::from_static(challenge(*denied));
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Lets a request pass whose token is good for the tag it asks for.
pub(super) async fn check(
    request: &mut ServiceRequest,
    tokens: &Tokens<AllocToken>,
) -> Result<(), Refused> {
    let token = tokens.holder(sent_token(request.headers()))?;
    let form = form(request).await?;
    // What cannot be read is refused by the route, with its reason.
    match biz_tag(request.query_string().as_bytes(), &form) {
        Ok(Some(tag)) if !token.allows(tag.as_str()) => Err(Refused::Forbidden(
            "not allowed with this token: it is for other biz_tags",
        )),
        _ => Ok(()),
    }
}

/// The form that came with a request; the route reads it once more.
async fn form(request: &mut ServiceRequest) -> Result<web::Bytes, Refused> {
    let is_form = request
        .content_type()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if request.method() != Method::POST || !is_form {
        return Ok(web::Bytes::new());
    }
    let Some(shared) = request.app_data::<web::Data<Shared>>().cloned() else {
        return Err(Refused::Internal);
    };
    let mut payload = request.take_payload();
    let payload = web::Payload::from_request(request.request(), &mut payload);
    let payload = payload.await.map_err(|_| Refused::BadBody)?;
    let form = body::read(payload, &shared).await?;
    request.set_payload(Payload::from(form.clone()));
    Ok(form)
}
