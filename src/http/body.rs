//! The body of a request, bounded in size and time.

use super::{HttpSettings, failure::Refused};
use actix_web::web;

/// The whole body.
pub(super) async fn read(
    payload: web::Payload,
    settings: &HttpSettings,
) -> Result<web::Bytes, Refused> {
    let reading = payload.to_bytes_limited(settings.max_body);
    match tokio::time::timeout(settings.body_timeout, reading).await {
        Err(_) => Err(Refused::BodyTooSlow),
        Ok(Err(_)) => Err(Refused::BodyTooLong(settings.max_body)),
        Ok(Ok(Err(_))) => Err(Refused::BadBody),
        Ok(Ok(Ok(body))) => Ok(body),
    }
}
