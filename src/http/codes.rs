//! The one table of refusals: status, code, whether to try again, what to do. The bodies of every protocol, the admin
//! API's problem details, the responses in the OpenAPI document, the metrics' label and docs/errors.md come from it.

use actix_web::http::StatusCode;
use std::collections::BTreeMap;
use utoipa::{
    ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Ids, in any protocol.
    Ids,
    /// Anything of the admin API.
    Admin,
    /// A change by the admin API, besides.
    Change,
}

macro_rules! table {
    ($($kind:ident $status:ident $code:literal $again:ident ($($by:ident)+) $todo:literal)+) => {
        /// What a refusal is, to programs: a row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $(#[doc = $todo] $kind,)+ }

        impl Kind {
            const ALL: &[Self] = &[$(Self::$kind,)+];

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }

            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)+ }
            }

            /// Whether the same request may succeed a second later.
            pub(crate) fn passes(self) -> bool {
                match self { $(Self::$kind => stringify!($again) == "again",)+ }
            }

            /// The codes with which those who ask for ids are refused, once each, and whether the server is at fault.
            pub(super) fn of_ids() -> BTreeMap<&'static str, bool> {
                let of_ids = Self::ALL.iter().filter(|kind| kind.of().contains(&Asked::Ids));
                of_ids.map(|kind| (kind.code(), kind.status().is_server_error())).collect()
            }

            /// Whose calls are refused so.
            fn of(self) -> &'static [Asked] {
                match self { $(Self::$kind => &[$(Asked::$by),+],)+ }
            }

            /// What a caller does about it.
            pub(super) fn todo(self) -> &'static str {
                match self { $(Self::$kind => $todo,)+ }
            }
        }

        /// Every code that a refused request may be answered with, some twice.
        pub const CODES: &[&str] = &[$($code,)+];
    };
}

table! {
    MissingBizTag BAD_REQUEST "missing_biz_tag" no (Ids) "Name the tag in the query or a form: `biz_tag=order`."
    InvalidBizTag BAD_REQUEST "invalid_biz_tag" no (Ids Admin) "A biz_tag has 1 to 128 characters, none of them a control character, and does not begin with `_`."
    InvalidCount BAD_REQUEST "invalid_count" no (Ids) "Ask for 1 to `limits.max_count` ids, or for a range of 1 to `limits.max_range`."
    BadRequest BAD_REQUEST "bad_request" no (Ids Change) "Send the body whole, and `format` as `string` or `number`."
    InvalidRequest BAD_REQUEST "invalid_request" no (Admin) "The text says what is wrong with the call."
    ConfirmationMissing BAD_REQUEST "confirmation_missing" no (Admin) "Repeat the name of the tag to delete: `?confirm=NAME`."
    Unauthorized UNAUTHORIZED "unauthorized" no (Ids Admin) "Send a token that the server knows: `Authorization: Bearer TOKEN`."
    Forbidden FORBIDDEN "forbidden" no (Ids Admin) "Use a token for this tag (`alloc.tokens_file`) or with this scope (`admin.tokens_file`)."
    UnknownTag NOT_FOUND "unknown_tag" no (Ids Admin) "Create the tag; it is seen within `limits.unknown_tag_ttl`."
    TagNotLoaded NOT_FOUND "tag_not_loaded" no (Admin) "Nobody has asked this server for ids of the tag lately."
    NotFound NOT_FOUND "not_found" no (Ids Admin) "Look at the paths in `/openapi.json`."
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" no (Ids Admin) "Use a method that `Allow` names."
    TooSlow REQUEST_TIMEOUT "bad_request" no (Ids Change) "Send the body within `server.header_timeout`."
    TagExists CONFLICT "tag_exists" no (Change) "Change the tag that is there, or start above its end."
    Conflict CONFLICT "conflict" no (Change) "The text says what is in the way."
    PreconditionFailed PRECONDITION_FAILED "precondition_failed" no (Change) "Look at the tag again: someone else changed it."
    PayloadTooLarge PAYLOAD_TOO_LARGE "payload_too_large" no (Ids Change) "Stay within `limits.max_body` and `limits.max_query`."
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" no (Ids Change) "Send the media type that the text names."
    QuotaExceeded TOO_MANY_REQUESTS "quota_exceeded" no (Ids) "Ask again after `Retry-After`, or have the token's quota raised (`alloc.tokens_file`)."
    Internal INTERNAL_SERVER_ERROR "internal" no (Ids Admin) "Look at the server's log, and report it."
    TagMisconfigured INTERNAL_SERVER_ERROR "tag_misconfigured" no (Ids Admin) "Correct the tag's row; the text says how. Other tags are not affected."
    NoAvailableId SERVICE_UNAVAILABLE "no_available_id" again (Ids) "Try again after `Retry-After`, on another server if there is one."
    Overloaded SERVICE_UNAVAILABLE "overloaded" again (Ids Admin) "Try again after `Retry-After`, on another server if there is one."
    ShuttingDown SERVICE_UNAVAILABLE "shutting_down" again (Ids) "Ask another server."
    StoreUnavailable SERVICE_UNAVAILABLE "store_unavailable" again (Admin) "The database does not answer: try again after `Retry-After`."
    TableMissing SERVICE_UNAVAILABLE "table_missing" again (Ids Admin) "Run `id-alloc migrate up`."
    TableMisconfigured SERVICE_UNAVAILABLE "table_misconfigured" again (Ids Admin) "Do what the server's log says: it names the `ALTER TABLE` to run, or the password, name or right that is refused."
    FailoverFlapping SERVICE_UNAVAILABLE "failover_flapping" again (Ids Admin) "Find out why two primaries take turns (docs/guard.md)."
    TagExhausted SERVICE_UNAVAILABLE "tag_exhausted" no (Ids Admin) "No ids are left below the tag's limit, or below `allocation.id_limit`: the text says which and what to do. Other tags are not affected."
}

/// A type that stands, in the OpenAPI document, for how such calls may be refused: with which body, of which media type.
/// A protocol may have statuses of its own; `None` where it refuses as it grants.
macro_rules! refusals {
    ($($(#[$about:meta])* $Name:ident: $Body:ty, $media_type:expr, [$($asked:ident),+], $status:expr;)+) => {$(
        $(#[$about])*
        pub(in crate::http) struct $Name;

        impl utoipa::IntoResponses for $Name {
            fn responses() -> $crate::http::codes::Responses {
                let asked = [$($crate::http::codes::Asked::$asked),+];
                $crate::http::codes::responses::<$Body>(&asked, $media_type, $status)
            }
        }
    )+};
}
pub(super) use refusals;

pub(super) type Responses = BTreeMap<String, RefOr<Response>>;

/// A response for each status, saying what its codes ask for.
pub(super) fn responses<T: ToSchema>(
    asked: &[Asked],
    media_type: &str,
    status: impl Fn(Kind) -> Option<StatusCode>,
) -> Responses {
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in Kind::ALL
        .iter()
        .filter(|kind| kind.of().iter().any(|of| asked.contains(of)))
    {
        let Some(status) = status(*kind) else {
            continue;
        };
        let line = format!("`{}`: {}", kind.code(), kind.todo());
        said.entry(status.as_str().to_owned())
            .or_default()
            .push(line);
    }
    let response = |(status, lines): (String, Vec<String>)| {
        let body = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(T::name())))
            .build();
        let response = ResponseBuilder::new()
            .description(lines.join("\n\n"))
            .content(media_type, body);
        (status, response.build().into())
    };
    said.into_iter().map(response).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt::Write as _, fs, path::Path};

    const BEGIN: &str = "<!-- codes: written by src/http/codes.rs -->\n";
    const END: &str = "<!-- end of codes -->";

    fn table() -> String {
        let mut text = "\n| status | code | from | what to do |\n|---|---|---|---|\n".to_owned();
        for kind in Kind::ALL {
            let from = match kind.of() {
                [Asked::Ids] => "ids",
                [Asked::Ids, ..] => "both",
                _ => "admin API",
            };
            let (status, code, todo) = (kind.status().as_u16(), kind.code(), kind.todo());
            let again = if kind.passes() {
                " (`Retry-After`)"
            } else {
                ""
            };
            let _ = writeln!(text, "| {status}{again} | `{code}` | {from} | {todo} |");
        }
        text + "\n"
    }

    /// `ID_ALLOC_WRITE_DOCS=1 cargo test --lib codes` writes it anew.
    #[test]
    fn the_documentation_lists_every_code_with_what_to_do() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (found, after) = rest.split_once(END).unwrap();
        let table = table();
        if std::env::var_os("ID_ALLOC_WRITE_DOCS").is_some() {
            fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
            return;
        }
        assert_eq!(found, table, "run this with ID_ALLOC_WRITE_DOCS=1");
    }
}
