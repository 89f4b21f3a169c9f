//! The body of a request, bounded in size and time.

use super::{Shared, failure::Refused};
use actix_web::web;

/// The whole body.
pub(super) async fn read(payload: web::Payload, shared: &Shared) -> Result<web::Bytes, Refused> {
    let reading = payload.to_bytes_limited(shared.limits.max_body);
    match tokio::time::timeout(shared.server.header_timeout, reading).await {
        Err(_) => Err(Refused::BodyTooSlow),
        Ok(Err(_)) => Err(Refused::BodyTooLong(shared.limits.max_body)),
        Ok(Ok(Err(_))) => Err(Refused::BadBody),
        Ok(Ok(Ok(body))) => Ok(body),
    }
}
