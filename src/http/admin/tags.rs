//! Tags: the rows of the table, for all servers that share it.

use super::{
    audit,
    audit::Audit,
    call::{self, answer},
    etag,
    model::{self, Advance, BrokenTag, PatchTag, PutTag, TagPage},
    problem::{ChangeRefusals, Problem, Refusals},
    state::Admin,
};
use crate::{
    domain::BizTag,
    http::{codes::Kind, refusal::Refused},
    storage::{AdvanceTo, Advanced, Change, Effect, Listing, NewTag, Seen, StoreError, TagRow},
};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, ETag},
    web,
};

type Answer = Result<HttpResponse, Problem>;

/// Why the store did not, where it was about this tag.
fn about(tag: &BizTag) -> impl Fn(StoreError) -> Refused + '_ {
    move |error| match error {
        StoreError::UnknownTag => Refused::NoSuchTag(tag.to_string()),
        error => error.into(),
    }
}

fn shown(mut response: HttpResponseBuilder, row: &TagRow) -> HttpResponse {
    response.insert_header(ETag(etag::of(row)));
    answer(response, &model::Tag::from(row))
}

/// List tags by name, deleted ones too.
#[utoipa::path(get, path = "/admin/v1/tags", operation_id = "list_tags", tag = "admin", security(("admin" = ["read"])),
    params(
        ("prefix" = Option<String>, Query, description = "Only names that begin so."),
        ("after" = Option<String>, Query, description = "Only names after this one: `next` of the page before."),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Entries of the page, 100 by default."),
        ("order" = Option<super::model::Order>, Query, description = "By name, `asc` by default."),
    ),
    responses((status = 200, body = TagPage, description = "A page of tags."), Refusals))]
pub(in crate::http) async fn list(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    let query = call::query(&request, ["prefix", "after", "limit", "order"])?;
    let limit = call::limit(&query)?;
    let descending = match query.get("order").map(String::as_str) {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(Refused::invalid("order must be asc or desc").into()),
    };
    let listing = Listing {
        prefix: query.get("prefix").cloned(),
        after: query.get("after").cloned(),
        descending,
        // One more tells whether there is a next page.
        limit: limit + 1,
    };
    let _reading = admin.reading().await?;
    let mut rows = admin.store.list(&listing).await.map_err(Refused::from)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| row.biz_tag.clone());
    let (tags, broken) = BrokenTag::apart(&rows);
    let page = TagPage { tags, next, broken };
    Ok(answer(HttpResponse::Ok(), &page))
}

/// Show a tag, deleted or not.
#[utoipa::path(get, path = "/admin/v1/tags/{tag}", operation_id = "show_tag", tag = "admin", security(("admin" = ["read"])),
    params(("tag" = String, Path, description = "The biz_tag, percent-encoded once.")),
    responses((status = 200, body = model::Tag, description = "The tag.",
        headers(("ETag" = String, description = "Over step, description, limit and deletion; for `If-Match`."))), Refusals))]
pub(in crate::http) async fn show(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    let tag = call::tag(&request)?;
    let _reading = admin.reading().await?;
    let row = admin.store.show(&tag).await.map_err(about(&tag))?;
    Ok(shown(HttpResponse::Ok(), &row))
}

/// Create a tag, or change one that exists to be just so. With `If-None-Match: *` it only creates. The
/// name of a deleted tag can be created again with a `start` not below what was ever claimed of it.
#[utoipa::path(put, path = "/admin/v1/tags/{tag}", operation_id = "put_tag", tag = "admin", security(("admin" = ["write"])),
    params(
        ("tag" = String, Path, description = "The biz_tag, percent-encoded once."),
        ("If-Match" = Option<String>, Header, description = "Only where the tag still has this ETag."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only where there is no such tag."),
    ),
    request_body = PutTag,
    responses(
        (status = 200, body = model::Tag, description = "It existed and is so now; servers take a step up at their next claim."),
        (status = 201, body = model::Tag, description = "It was created; servers that were asked for it in vain see it within `limits.unknown_tag_ttl`."),
        Refusals, ChangeRefusals))]
pub(in crate::http) async fn put(
    request: HttpRequest,
    payload: web::Payload,
    admin: web::Data<Admin>,
) -> Answer {
    let tag = call::tag(&request)?;
    let wanted: PutTag = call::json(&request, payload, &admin.shared).await?;
    let _turn = admin.turn().await?;
    let mut audit = Audit::of(&request, "put", tag.as_str());
    let done = put_row(&request, &admin, &tag, wanted, &mut audit).await;
    let (created, row) = audit.ended(done, |(_, row)| audit::said(row))?;
    if !created {
        return Ok(shown(HttpResponse::Ok(), &row));
    }
    admin.allocation.tag_created(&tag);
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, request.uri().path()));
    Ok(shown(response, &row))
}

/// Whether it was made, and the row.
async fn put_row(
    request: &HttpRequest,
    admin: &Admin,
    tag: &BizTag,
    wanted: PutTag,
    audit: &mut Audit<'_>,
) -> Result<(bool, TagRow), Refused> {
    let row = match admin.store.show(tag).await {
        Ok(row) => Some(row),
        Err(StoreError::UnknownTag) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(row) = &row {
        audit.before(row);
    }
    let seen = etag::check(request, row.as_ref())?;
    let Some(live) = row.filter(|row| !row.retired) else {
        let new = NewTag {
            tag: tag.clone(),
            start: wanted.start.unwrap_or(0),
            step: wanted.step,
            description: wanted.description,
            id_limit: wanted.id_limit.filter(|limit| *limit != 0),
        };
        admin.store.create(&new).await?;
        let row = admin.store.show(tag).await.map_err(about(tag))?;
        return Ok((true, row));
    };
    if let Some(start) = wanted.start.filter(|start| *start > live.max_id) {
        let text = format!(
            "biz_tag {tag} exists and its max_id {} is below the start {start}: advance it, or leave start out",
            live.max_id
        );
        return Err(Refused::Because(Kind::Conflict, text.into()));
    }
    let change = Change {
        step: Some(wanted.step),
        description: Some(wanted.description),
        id_limit: wanted.id_limit,
        seen,
    };
    let row = admin.store.set(tag, &change).await.map_err(about(tag))?;
    Ok((false, row))
}

/// Change step, description or limit of a tag; servers take a step up at their next claim.
#[utoipa::path(patch, path = "/admin/v1/tags/{tag}", operation_id = "patch_tag", tag = "admin", security(("admin" = ["write"])),
    params(
        ("tag" = String, Path, description = "The biz_tag, percent-encoded once."),
        ("If-Match" = Option<String>, Header, description = "Only where the tag still has this ETag."),
    ),
    request_body = PatchTag,
    responses((status = 200, body = model::Tag, description = "The tag as it is now."), Refusals, ChangeRefusals))]
pub(in crate::http) async fn patch(
    request: HttpRequest,
    payload: web::Payload,
    admin: web::Data<Admin>,
) -> Answer {
    let tag = call::tag(&request)?;
    let wanted: PatchTag = call::json(&request, payload, &admin.shared).await?;
    if wanted.step.is_none() && wanted.description.is_none() && wanted.id_limit.is_none() {
        let text = "give step, description, id_limit, or several of them";
        return Err(Refused::invalid(text).into());
    }
    let set = async |seen| {
        let change = Change {
            step: wanted.step,
            description: wanted.description,
            id_limit: wanted.id_limit,
            seen,
        };
        admin.store.set(&tag, &change).await
    };
    let row = change(&request, &admin, "patch", &tag, set, audit::said).await?;
    Ok(shown(HttpResponse::Ok(), &row))
}

/// Raise `max_id`, so that later claims take higher ids: announced now, heeded by claims 20 seconds later, so
/// that a replica which is promoted knows of it. Ids in the memory of servers are still handed out.
#[utoipa::path(post, path = "/admin/v1/tags/{tag}/advance", operation_id = "advance_tag", tag = "admin", security(("admin" = ["write"])),
    params(
        ("tag" = String, Path, description = "The biz_tag, percent-encoded once."),
        ("If-Match" = Option<String>, Header, description = "Only where the tag has this ETag just before."),
    ),
    request_body = Advance,
    responses((status = 200, body = model::Advanced, description = "What was done."), Refusals, ChangeRefusals))]
pub(in crate::http) async fn advance(
    request: HttpRequest,
    payload: web::Payload,
    admin: web::Data<Admin>,
) -> Answer {
    let tag = call::tag(&request)?;
    let wanted: Advance = call::json(&request, payload, &admin.shared).await?;
    let to = match (wanted.by, wanted.to) {
        (Some(by), None) => AdvanceTo::By(by),
        (None, Some(to)) => AdvanceTo::To(to),
        _ => return Err(Refused::invalid("give one of by and to").into()),
    };
    let effect = match wanted.now {
        true => Effect::Now,
        false => Effect::Announced,
    };
    let advance = async |_| admin.store.advance(&tag, to, effect).await;
    let said = |done: &Advanced| format!("max_id={}", done.to);
    let done = change(&request, &admin, "advance", &tag, advance, said).await?;
    let advanced = model::Advanced::of(&tag, &done);
    Ok(answer(HttpResponse::Ok(), &advanced))
}

/// Delete a tag: nobody claims it any more, here at once, elsewhere within `allocation.refresh`. Its row
/// stays, so that its ids are never handed out again.
#[utoipa::path(delete, path = "/admin/v1/tags/{tag}", operation_id = "delete_tag", tag = "admin", security(("admin" = ["write"])),
    params(
        ("tag" = String, Path, description = "The biz_tag, percent-encoded once."),
        ("confirm" = String, Query, description = "The biz_tag once more."),
        ("If-Match" = Option<String>, Header, description = "Only where the tag still has this ETag."),
    ),
    responses((status = 200, body = model::Tag, description = "The deleted tag."), Refusals, ChangeRefusals))]
pub(in crate::http) async fn delete(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    let tag = call::tag(&request)?;
    let query = call::query(&request, ["confirm"])?;
    if query.get("confirm").map(String::as_str) != Some(tag.as_str()) {
        return Err(Refused::Unconfirmed(tag.to_string()).into());
    }
    let retire = async |seen: Option<Seen>| admin.store.retire(&tag, seen.as_ref()).await;
    let row = change(&request, &admin, "delete", &tag, retire, audit::said).await?;
    if !admin.allocation.tag_deleted(&tag).await {
        tracing::warn!(
            biz_tag = %tag,
            "the tag was deleted, but its actor does not answer: its ids in memory may still be handed out"
        );
    }
    Ok(shown(HttpResponse::Ok(), &row))
}

/// Has `make` change a tag that is there, where the call's conditions hold, and writes that down; `said` is what came
/// of it.
async fn change<T>(
    request: &HttpRequest,
    admin: &Admin,
    action: &str,
    tag: &BizTag,
    make: impl AsyncFnOnce(Option<Seen>) -> Result<T, StoreError>,
    said: fn(&T) -> String,
) -> Result<T, Refused> {
    let _turn = admin.turn().await?;
    let mut audit = Audit::of(request, action, tag.as_str());
    let changing = async {
        let row = admin.store.show(tag).await.map_err(about(tag))?;
        audit.before(&row);
        if row.retired {
            return Err(Refused::NoSuchTag(tag.to_string()));
        }
        let seen = etag::check(request, Some(&row))?;
        make(seen).await.map_err(about(tag))
    };
    let done = changing.await;
    audit.ended(done, said)
}
