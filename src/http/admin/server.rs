//! This server: its database, and the buffers of the tags it has loaded; and all servers together.

use super::{
    call::{self, answer},
    figures::{Caller, Quota, Quotas, Servers, TakenToday},
    model::{LoadedOrder, LoadedPage, LoadedTag, Server},
    problem::{Problem, Refusals},
    state::Admin,
};
use crate::actors::{Order, TagStatus};
use crate::http::{refusal::Refused, shared::sent_token};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};

/// Tokens with a quota that are listed, and tags of each.
const TOKENS: usize = 100;
const TAGS: usize = 10;

type Answer = Result<HttpResponse, Problem>;

/// Show this server and its database.
#[utoipa::path(get, path = "/admin/v1/server", operation_id = "show_server", tag = "admin", security(("admin" = ["read"])),
    responses((status = 200, body = Server, description = "This server."), Refusals))]
pub(in crate::http) async fn show(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    Ok(answer(HttpResponse::Ok(), &own(&request, &admin)))
}

/// Show all servers that share the table: what each tells of itself, or why it does not.
#[utoipa::path(get, path = "/admin/v1/servers", operation_id = "show_servers", tag = "admin", security(("admin" = ["read"])),
    responses((status = 200, body = Servers, description = "The servers, this one first."), Refusals))]
pub(in crate::http) async fn all(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    let token = sent_token(request.headers()).unwrap_or_default();
    let own = own(&request, &admin);
    let servers = admin.fleet.ask_all(&admin.store, token, own).await;
    Ok(answer(HttpResponse::Ok(), &servers))
}

/// What is told of these tags.
fn loaded(admin: &Admin, found: &[TagStatus]) -> Vec<LoadedTag> {
    let metrics = &admin.shared.metrics;
    let ceilings = metrics.ceilings_of(found.iter().map(|status| &status.tag));
    let of = |status: &TagStatus| LoadedTag::of(status, ceilings.get(&status.tag).copied());
    found.iter().map(of).collect()
}

/// What this server tells of itself.
fn own(request: &HttpRequest, admin: &Admin) -> Server {
    let caller = request.extensions().get::<Caller>().cloned();
    let (caller, state) = (caller.unwrap_or_default(), admin.allocation.server_state());
    Server::of(state, &admin.fleet.me().id, &admin.recent, caller)
}

/// Show which tokens have a quota, and what was taken of it today on this server.
#[utoipa::path(get, path = "/admin/v1/server/quotas", operation_id = "show_quotas", tag = "admin", security(("admin" = ["read"])),
    responses((status = 200, body = Quotas, description = "The quotas."), Refusals))]
pub(in crate::http) async fn quotas(admin: web::Data<Admin>) -> Answer {
    let tokens = admin.alloc_tokens.as_ref().map(|tokens| tokens.get());
    let with_quota = || {
        let all = tokens.iter().flat_map(|tokens| tokens.iter());
        all.filter(|token| token.has_quota())
    };
    let quotas = with_quota().take(TOKENS).map(|token| {
        let (today, tags_today) = admin.shared.quotas.today(&token.name, TAGS);
        let taken = |(biz_tag, ids)| TakenToday { biz_tag, ids };
        Quota {
            token: token.name.clone(),
            tags: token.tags.clone(),
            ids_per_second: token.ids_per_second,
            ids_per_day: token.ids_per_day,
            today: today.into_iter().map(taken).collect(),
            tags_today,
        }
    });
    let page = Quotas {
        quotas: quotas.collect(),
        total: with_quota().count(),
    };
    Ok(answer(HttpResponse::Ok(), &page))
}

/// List the tags that this server has in memory, with their buffers.
#[utoipa::path(get, path = "/admin/v1/server/tags", operation_id = "list_loaded_tags", tag = "admin", security(("admin" = ["read"])),
    params(
        ("prefix" = Option<String>, Query, description = "Only names that begin so."),
        ("order" = Option<LoadedOrder>, Query, description = "By `name`, the default, or those first that run out first: then there is one page."),
        ("after" = Option<String>, Query, description = "Only names after this one: `next` of the page before."),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Entries of the page, 100 by default."),
    ),
    responses((status = 200, body = LoadedPage, description = "A page of loaded tags."), Refusals))]
pub(in crate::http) async fn tags(request: HttpRequest, admin: web::Data<Admin>) -> Answer {
    let query = call::query(&request, ["prefix", "order", "after", "limit"])?;
    let limit = usize::try_from(call::limit(&query)?).unwrap_or(usize::MAX);
    let prefix = query.get("prefix").map_or("", String::as_str);
    let after = query.get("after").map(String::as_str);
    let order = match query.get("order").map(String::as_str) {
        None | Some("name") => Order::Name { after },
        Some("supply") if after.is_none() => Order::Supply,
        Some("supply") => {
            let text = "order=supply has one page: leave after out";
            return Err(Refused::invalid(text).into());
        }
        Some(_) => return Err(Refused::invalid("order is name or supply").into()),
    };
    let (mut found, total) = admin.allocation.tag_states(prefix, order, limit + 1).await;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more && order != Order::Supply);
    let page = LoadedPage {
        next: last.map(|status| status.tag.to_string()),
        tags: loaded(&admin, &found),
        total,
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
        Some(status) => Ok(answer(
            HttpResponse::Ok(),
            &loaded(&admin, &[status]).first(),
        )),
        None => Err(Refused::NotLoaded(tag.to_string()).into()),
    }
}
