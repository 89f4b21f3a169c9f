//! `/alloc`: ids of a biz_tag. Success bodies are go-id-alloc's, byte for byte.

use super::{
    HttpSettings, Shared,
    failure::{Failure, Refused},
    parameters::alloc_call,
};
use crate::{
    actors::Allocator,
    domain::{IdRange, Ids},
};
use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
pub(super) async fn get(
    request: HttpRequest,
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    answer(&request, &[], &allocator, &shared).await
}

pub(super) async fn post(
    request: HttpRequest,
    payload: web::Payload,
    allocator: web::Data<Allocator>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let is_form = request
        .content_type()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded");
    match read(payload, &shared.settings).await {
        Ok(body) if is_form => answer(&request, &body, &allocator, &shared).await,
        Ok(_) => answer(&request, &[], &allocator, &shared).await,
        Err(refused) => Failure::new(&refused).respond(),
    }
}

/// The whole body, bounded in size and time.
async fn read(payload: web::Payload, settings: &HttpSettings) -> Result<web::Bytes, Refused> {
    let reading = payload.to_bytes_limited(settings.max_body);
    match tokio::time::timeout(settings.body_timeout, reading).await {
        Err(_) => Err(Refused::BodyTooSlow),
        Ok(Err(_)) => Err(Refused::BodyTooLong(settings.max_body)),
        Ok(Ok(Err(_))) => Err(Refused::BadBody),
        Ok(Ok(Ok(body))) => Ok(body),
    }
}

async fn answer(
    request: &HttpRequest,
    body: &[u8],
    allocator: &Allocator,
    shared: &Shared,
) -> HttpResponse {
    match allocate(request, body, allocator, shared).await {
        Ok(body) => HttpResponse::Ok()
            .insert_header((
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ))
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .body(body),
        Err(refused) => Failure::new(&refused).respond(),
    }
}

async fn allocate(
    request: &HttpRequest,
    body: &[u8],
    allocator: &Allocator,
    shared: &Shared,
) -> Result<String, Refused> {
    let query = request.query_string();
    if query.len() > shared.settings.max_query {
        return Err(Refused::QueryTooLong(shared.settings.max_query));
    }
    let call = alloc_call(query.as_bytes(), body, shared.settings.max_count)?;
    let ids = allocator
        .allocate(&call.tag, call.count.unwrap_or(1))
        .await?;
    render(&ids, call.count.is_some()).ok_or(Refused::Internal)
}

/// The success body; `None` where there is no id, which cannot be.
fn render(ids: &Ids, as_list: bool) -> Option<String> {
    let first = ids.first()?.first();
    let mut digits = itoa::Buffer::new();
    let longest = digits.format(ids.last()?.end()).len();
    let list = if as_list {
        (longest + 1) * total(ids)
    } else {
        0
    };
    let mut body = String::with_capacity(64 + list);
    body.push_str(r#"{"errno":0,"msg":"success","id":"#);
    body.push_str(digits.format(first));
    if as_list {
        body.push_str(",\"ids\":[");
        for (place, id) in ids.iter().flat_map(IdRange::iter).enumerate() {
            if place > 0 {
                body.push(',');
            }
            body.push_str(digits.format(id));
        }
        body.push(']');
    }
    body.push('}');
    Some(body)
}

fn total(ids: &Ids) -> usize {
    usize::try_from(ids.iter().map(IdRange::len).sum::<u64>()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_go_id_alloc() {
        let mut range = IdRange::claimed(204, 3).unwrap();
        let ids: Ids = std::iter::once(range.take(1)).collect();
        assert_eq!(
            render(&ids, false).unwrap(),
            r#"{"errno":0,"msg":"success","id":201}"#
        );
        let gap = IdRange::claimed(301, 1).unwrap();
        let ids: Ids = [range, gap].into_iter().collect();
        assert_eq!(
            render(&ids, true).unwrap(),
            r#"{"errno":0,"msg":"success","id":202,"ids":[202,203,300]}"#
        );
        assert_eq!(render(&Ids::new(), true), None);
    }
}
