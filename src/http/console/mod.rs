//! `/console`: one page for operators, served from the binary. It shows and changes what the admin API
//! lets it, with the token that is typed into it, and needs no other server.
//!
//! The page is plain modules of JavaScript; `page/lit-html.js` is lit-html 3.3.3 as
//! published (npm, without the line that names its source map), under `page/lit-html.LICENSE`.
//! Nothing is inline and nothing comes from elsewhere, so the Content-Security-Policy allows neither.

use super::{admin::etag, read_only::read_only};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, ETag, EntityTag, Header as _, IfNoneMatch},
    },
    web,
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types lit-html";

const HTML: &str = "text/html; charset=utf-8";

macro_rules! files {
    ($($name:literal)+) => { &[$(($name, include_str!(concat!("page/", $name)))),+] };
}

/// Name and text of what the page loads.
const FILES: &[(&str, &str)] = files! {
    "api.js" "app.js" "buffers.js" "create.js" "danger.js" "format.js" "forms.js" "head.js" "icon.svg" "legend.js"
    "lines.js" "lit-html.js" "quotas.js" "route.js" "say.js" "servers.js" "state.js" "style.css" "tag.js" "tags.js"
    "token.js" "traces.js"
};

const INDEX: &str = include_str!("page/index.html");
const OFF: &str = include_str!("page/off.html");

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(file("/console", HTML, INDEX));
    for (name, text) in FILES {
        let kind = match name.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        config.service(file(&format!("/console/{name}"), kind, text));
    }
}

/// Says, where the admin API is not served, what to do about it.
pub(super) fn off(config: &mut web::ServiceConfig) {
    let answer = || async { head(StatusCode::NOT_FOUND, HTML).body(OFF) };
    config.service(read_only("/console", answer));
}

fn file(path: &str, kind: &'static str, text: &'static str) -> actix_web::Resource {
    let answer = move |request: HttpRequest| async move {
        let tag = EntityTag::new_strong(etag::digest([text.as_bytes()]));
        let (status, text) = match is_known(&request, &tag) {
            true => (StatusCode::NOT_MODIFIED, ""),
            false => (StatusCode::OK, text),
        };
        head(status, kind).insert_header(ETag(tag)).body(text)
    };
    read_only(path, answer)
}

/// Another version of the program brings another page: it is asked for each time.
fn head(status: StatusCode, kind: &'static str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    response
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}
