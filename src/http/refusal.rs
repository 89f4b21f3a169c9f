//! Why a request is refused. The one table: what happened → status, code, whether to try again, what to do. The
//! bodies of every protocol, the problem details of the admin API, the OpenAPI document (`openapi.rs`), the metrics'
//! label and docs/errors.md come from it.

use crate::{actors::AllocError, auth::Denied, domain::BizTagError};
use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::{StatusCode, header},
};

/// Every way in which a request is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refused {
    #[error("{0}")]
    BizTag(#[from] BizTagError),
    #[error("biz_tag is not valid UTF-8")]
    NotUtf8,
    #[error("count is a whole number from 1 to {0}")]
    InvalidCount(u32),
    #[error("no parameter is called {given:?}; write {meant}")]
    Misspelt { given: String, meant: &'static str },
    #[error("the query is longer than {0} bytes (limits.max_query)")]
    QueryTooLong(usize),
    #[error("the body is longer than {0} bytes (limits.max_body)")]
    BodyTooLong(usize),
    #[error("the body could not be read")]
    BadBody,
    #[error("the body did not arrive in time (server.header_timeout)")]
    BodyTooSlow,
    #[error("send {0}")]
    MediaType(&'static str),
    #[error("no such path; see {0}")]
    NotFound(&'static str),
    #[error("this path answers {0} only")]
    MethodNotAllowed(&'static str),
    #[error("{0}")]
    NotReady(&'static str),
    #[error("{0}")]
    Denied(#[from] Denied),
    #[error("not allowed with this token: it is for other biz_tags")]
    OtherTags,
    #[error("not allowed with this token: it has no scope `{0}`")]
    NoScope(&'static str),
    #[error("an internal error; the server's log says which")]
    Internal,
    #[error("{0}")]
    Alloc(#[from] AllocError),
    // Of the admin API alone.
    #[error("{0}")]
    Invalid(String),
    #[error("to delete {0}, repeat its name: ?confirm=NAME")]
    Unconfirmed(String),
    #[error("biz_tag {0} is not loaded on this server")]
    NotLoaded(String),
    #[error("biz_tag {0} does not exist, or is deleted")]
    NoSuchTag(String),
    #[error("{0}")]
    Precondition(&'static str),
    #[error("{0}")]
    Conflict(String),
    #[error("too many calls of the admin API wait for the database")]
    Busy,
    /// What the store says, and what that is.
    #[error("{1}")]
    Store(Kind, String),
}

macro_rules! table {
    ($($kind:ident $status:ident $code:literal $again:ident $todo:literal)+) => {
        /// What a refusal is, to programs: a row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $(#[doc = $todo] $kind,)+ }

        impl Kind {
            /// The whole table, in order.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$kind,)+];

            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }

            pub(super) const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)+ }
            }

            /// Whether the same request may succeed a second later.
            pub(super) fn passes(self) -> bool {
                match self { $(Self::$kind => stringify!($again) == "again",)+ }
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
    MissingBizTag BAD_REQUEST "missing_biz_tag" no "Name the tag in the query or a form: `biz_tag=order`."
    InvalidBizTag BAD_REQUEST "invalid_biz_tag" no "A biz_tag has 1 to 128 characters, none of them a control character, and does not begin with `_`."
    InvalidCount BAD_REQUEST "invalid_count" no "Ask for 1 to `limits.max_count` ids."
    BadRequest BAD_REQUEST "bad_request" no "Send the body whole."
    InvalidRequest BAD_REQUEST "invalid_request" no "The text says what is wrong with the call."
    ConfirmationMissing BAD_REQUEST "confirmation_missing" no "Repeat the name of the tag to delete: `?confirm=NAME`."
    Unauthorized UNAUTHORIZED "unauthorized" no "Send a token that the server knows: `Authorization: Bearer TOKEN`."
    Forbidden FORBIDDEN "forbidden" no "Use a token for this tag (`alloc.tokens_file`) or with this scope (`admin.tokens_file`)."
    UnknownTag NOT_FOUND "unknown_tag" no "Create the tag; it is seen within `limits.unknown_tag_ttl`."
    TagNotLoaded NOT_FOUND "tag_not_loaded" no "Nobody has asked this server for ids of the tag lately."
    NotFound NOT_FOUND "not_found" no "Look at the paths in `/openapi.json`."
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" no "Use a method that `Allow` names."
    TooSlow REQUEST_TIMEOUT "bad_request" no "Send the body within `server.header_timeout`."
    TagExists CONFLICT "tag_exists" no "Change the tag that is there, or start above its end."
    Conflict CONFLICT "conflict" no "The text says what is in the way."
    PreconditionFailed PRECONDITION_FAILED "precondition_failed" no "Look at the tag again: someone else changed it."
    PayloadTooLarge PAYLOAD_TOO_LARGE "payload_too_large" no "Stay within `limits.max_body` and `limits.max_query`."
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" no "Send the media type that the text names."
    Internal INTERNAL_SERVER_ERROR "internal" no "Look at the server's log, and report it."
    TagMisconfigured INTERNAL_SERVER_ERROR "tag_misconfigured" no "Correct the tag's row; the text says how. Other tags are not affected."
    NoAvailableId SERVICE_UNAVAILABLE "no_available_id" again "Try again after `Retry-After`, on another server if there is one."
    Overloaded SERVICE_UNAVAILABLE "overloaded" again "Try again after `Retry-After`, on another server if there is one."
    ShuttingDown SERVICE_UNAVAILABLE "shutting_down" again "Ask another server."
    StoreUnavailable SERVICE_UNAVAILABLE "store_unavailable" again "The database does not answer: try again after `Retry-After`."
    TableMissing SERVICE_UNAVAILABLE "table_missing" again "Run `id-alloc migrate up`."
    TableMisconfigured SERVICE_UNAVAILABLE "table_misconfigured" again "Do what the text says: it names the `ALTER TABLE` to run, or the password, name or right that is refused."
    FailoverFlapping SERVICE_UNAVAILABLE "failover_flapping" again "Find out why two primaries take turns (docs/guard.md)."
    TagExhausted SERVICE_UNAVAILABLE "tag_exhausted" no "No ids are left below `allocation.id_limit`: raise it, or use another tag."
}

impl Kind {
    /// What a request for ids may be refused with.
    pub(super) const OF_ALLOC: &[Self] = &[
        Self::MissingBizTag,
        Self::InvalidBizTag,
        Self::InvalidCount,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::UnknownTag,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooSlow,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::Internal,
        Self::TagMisconfigured,
        Self::NoAvailableId,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::TableMissing,
        Self::TableMisconfigured,
        Self::FailoverFlapping,
        Self::TagExhausted,
    ];

    /// What any call of the admin API may be refused with.
    pub(super) const OF_ADMIN: &[Self] = &[
        Self::InvalidBizTag,
        Self::InvalidRequest,
        Self::ConfirmationMissing,
        Self::Unauthorized,
        Self::Forbidden,
        Self::UnknownTag,
        Self::TagNotLoaded,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Internal,
        Self::TagMisconfigured,
        Self::Overloaded,
        Self::StoreUnavailable,
        Self::TableMissing,
        Self::TableMisconfigured,
        Self::FailoverFlapping,
        Self::TagExhausted,
    ];

    /// What a change by the admin API may be refused with besides.
    pub(super) const OF_CHANGES: &[Self] = &[
        Self::BadRequest,
        Self::TooSlow,
        Self::TagExists,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
    ];
}

impl Refused {
    /// Its row of the table.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::BizTag(BizTagError::Empty) => Kind::MissingBizTag,
            Self::BizTag(_) | Self::NotUtf8 => Kind::InvalidBizTag,
            Self::InvalidCount(_) => Kind::InvalidCount,
            Self::QueryTooLong(_) | Self::BodyTooLong(_) => Kind::PayloadTooLarge,
            Self::Misspelt { meant: "count", .. } => Kind::InvalidCount,
            Self::Misspelt { .. } => Kind::MissingBizTag,
            Self::BadBody => Kind::BadRequest,
            Self::BodyTooSlow => Kind::TooSlow,
            Self::MediaType(_) => Kind::UnsupportedMediaType,
            Self::NotFound(_) => Kind::NotFound,
            Self::MethodNotAllowed(_) => Kind::MethodNotAllowed,
            Self::Denied(_) => Kind::Unauthorized,
            Self::OtherTags | Self::NoScope(_) => Kind::Forbidden,
            Self::NotReady(_) => Kind::NoAvailableId,
            Self::Internal => Kind::Internal,
            Self::Invalid(_) => Kind::InvalidRequest,
            Self::Unconfirmed(_) => Kind::ConfirmationMissing,
            Self::NotLoaded(_) => Kind::TagNotLoaded,
            Self::NoSuchTag(_) => Kind::UnknownTag,
            Self::Precondition(_) => Kind::PreconditionFailed,
            Self::Conflict(_) => Kind::Conflict,
            Self::Busy => Kind::Overloaded,
            Self::Store(kind, _) => *kind,
            Self::Alloc(error) => match error {
                AllocError::UnknownTag => Kind::UnknownTag,
                AllocError::TagMisconfigured(_) => Kind::TagMisconfigured,
                AllocError::TagExhausted(_) => Kind::TagExhausted,
                AllocError::NoAvailableId(_) => Kind::NoAvailableId,
                AllocError::TableMissing(_) => Kind::TableMissing,
                AllocError::TableMisconfigured(_) => Kind::TableMisconfigured,
                AllocError::FailoverFlapping(_) => Kind::FailoverFlapping,
                AllocError::Overloaded(_) => Kind::Overloaded,
                AllocError::ShuttingDown => Kind::ShuttingDown,
            },
        }
    }

    /// The response with this status, the headers that belong to it, and a body in some protocol.
    pub(super) fn respond(
        &self,
        status: StatusCode,
        media_type: &'static str,
        body: impl MessageBody + 'static,
    ) -> HttpResponse {
        let kind = self.kind();
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if kind.passes() {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        match self {
            Self::MethodNotAllowed(methods) => {
                response.insert_header((header::ALLOW, *methods));
            }
            // After RFC 6750.
            Self::Denied(Denied::Missing) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            Self::Denied(Denied::Unknown) => {
                let challenge = "Bearer error=\"invalid_token\"";
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            _ => {}
        }
        let mut response = response.content_type(media_type).body(body);
        let (code, text) = (kind.code(), self.to_string());
        response.extensions_mut().insert(Code { code, text });
        response
    }
}

/// Put into the response for those who count and log.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) code: &'static str,
    pub(super) text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt::Write as _, fs, path::Path};

    const BEGIN: &str = "<!-- codes: written by src/http/refusal.rs -->\n";
    const END: &str = "<!-- end of codes -->";

    fn table() -> String {
        let mut text = "\n| status | code | from | what to do |\n|---|---|---|---|\n".to_owned();
        for kind in Kind::ALL {
            let admin = Kind::OF_ADMIN.contains(kind) || Kind::OF_CHANGES.contains(kind);
            let from = match (Kind::OF_ALLOC.contains(kind), admin) {
                (true, true) => "both",
                (true, false) => "ids",
                (false, true) => "admin API",
                (false, false) => panic!("{kind:?} is answered by nobody"),
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

    /// `ID_ALLOC_WRITE_DOCS=1 cargo test --lib refusal` writes it anew.
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

    #[test]
    fn headers_say_what_a_caller_can_do_about_it() {
        let header = |refused: Refused, name| {
            let response = refused.respond(refused.kind().status(), "text/plain", "");
            let value = response.headers().get(name)?.to_str().unwrap();
            Some(value.to_owned())
        };
        let busy = Refused::Alloc(AllocError::Overloaded("many wait"));
        let used_up = Refused::Alloc(AllocError::TagExhausted("none left".to_owned()));
        assert_eq!(header(busy, header::RETRY_AFTER).as_deref(), Some("1"));
        assert_eq!(header(used_up, header::RETRY_AFTER), None);
        let unknown = header(Denied::Unknown.into(), header::WWW_AUTHENTICATE);
        assert_ne!(
            unknown,
            header(Denied::Missing.into(), header::WWW_AUTHENTICATE)
        );
        let wrong = Refused::MethodNotAllowed("GET, POST");
        assert_eq!(header(wrong, header::ALLOW).as_deref(), Some("GET, POST"));
    }
}
