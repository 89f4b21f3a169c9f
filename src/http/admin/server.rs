//! This server: its database, and the buffers of the tags it has loaded.

use super::{
    Admin, answer, call,
    model::{LoadedPage, LoadedTag, Server},
    problem::{Problem, Refusals},
};
use crate::http::refusal::Refused;
use actix_web::{HttpRequest, HttpResponse, web};

type Answer = Result<HttpResponse, Problem>;

/// Show this server and its database.
#[utoipa::path(get, path = "/admin/v1/server", operation_id = "show_server", tag = "admin", security(("admin" = ["read"])),
    responses((status = 200, body = Server, description = "This server."), Refusals))]
pub(in crate::http) async fn show(admin: web::Data<Admin>) -> Answer {
    let state = admin.allocation.server_state();
    Ok(answer(HttpResponse::Ok(), &Server::from(state)))
}

/// List the tags that this server has in memory, with their buffers.
#[utoipa::path(get, path = "/admin/v1/server/tags", operation_id = "list_loaded_tags", tag = "admin", security(("admin" = ["read"])),
    params(
        ("prefix" = Option<String>, Query, description = "Only names that begin so."),
        ("after" = Option<String>, Query, description = "Only names after this one: `next` of the page before."),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Entries of the page, 100 by default."),
    ),
    responses((status = 200, body = LoadedPage, description = "A page of loaded tags."), Refusals))]
pub(in crate::http) async fn tags(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    let query = call::query(&request, ["prefix", "after", "limit"])?;
    let limit = usize::try_from(call::limit(&query)?).unwrap_or(usize::MAX);
    let prefix = query.get("prefix").map_or("", String::as_str);
    let after = query.get("after").map(String::as_str);
    let mut found = admin.allocation.tag_states(prefix, after, limit + 1).await;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let page = LoadedPage {
        next: last.map(|status| status.tag.to_string()),
        tags: found.iter().map(LoadedTag::from).collect(),
    };
    Ok(answer(HttpResponse::Ok(), &page))
}

/// Show what this server has of a tag in memory.
#[utoipa::path(get, path = "/admin/v1/server/tags/{tag}", operation_id = "show_loaded_tag", tag = "admin", security(("admin" = ["read"])),
    params(("tag" = String, Path, description = "The biz_tag, percent-encoded once.")),
    responses((status = 200, body = LoadedTag, description = "The tag's buffer."), Refusals))]
pub(in crate::http) async fn tag(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    let tag = call::tag(&request)?;
    match admin.allocation.tag_state(&tag).await {
        Some(status) => Ok(answer(HttpResponse::Ok(), &LoadedTag::from(&status))),
        None => Err(Refused::NotLoaded(tag.to_string()).into()),
    }
}
