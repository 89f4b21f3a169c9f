//! Why a request is refused: what happened, in words, and which row of the table (`codes.rs`) that is.

use super::codes::Kind;
use crate::{
    actors::AllocError,
    auth::{Denied, Exceeded},
    domain::BizTagError,
};
use actix_web::{
    HttpResponse,
    body::MessageBody,
    http::{StatusCode, header},
};
use std::{borrow::Cow, time::Duration};

/// Every way in which a request is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{}", about_name(.0))]
    BizTag(#[from] BizTagError),
    #[error("biz_tag is not valid UTF-8")]
    NotUtf8,
    #[error("count must be a whole number from 1 to {0}")]
    InvalidCount(u32),
    #[error("{0} must be a whole number")]
    NotANumber(&'static str),
    #[error("step must be a whole number from 1 to {0} (limits.max_range)")]
    InvalidStep(u32),
    #[error("offset must be a whole number from 0 to {0}")]
    InvalidOffset(i64),
    #[error("format must be `string` or `number`")]
    InvalidFormat,
    #[error("there is no parameter {given:?}; use {meant}")]
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
    #[error("this path only answers {0}")]
    MethodNotAllowed(&'static str),
    #[error("{0}")]
    Denied(#[from] Denied),
    #[error("not allowed with this token: it is for other biz_tags")]
    OtherTags,
    #[error("{0}")]
    Quota(#[from] Exceeded),
    #[error("not allowed with this token: it has no scope `{0}`")]
    NoScope(&'static str),
    #[error("internal error; the server's log has the details")]
    Internal,
    #[error("{0}")]
    Alloc(#[from] AllocError),
    // Of the admin API alone.
    #[error("to delete {0}, repeat its name: ?confirm=NAME")]
    Unconfirmed(String),
    #[error("biz_tag {0} is not loaded on this server")]
    NotLoaded(String),
    #[error("biz_tag {0} does not exist, or is deleted")]
    NoSuchTag(String),
    #[error("too many calls of the admin API are waiting for the database")]
    Busy,
    /// For a reason that is told where it is found.
    #[error("{1}")]
    Because(Kind, Cow<'static, str>),
}

/// What is wrong with a name. Where there is none, in the words of go-id-alloc, which its callers know.
fn about_name(error: &BizTagError) -> Cow<'static, str> {
    match error {
        BizTagError::Empty => "need biz_tag param".into(),
        error => error.to_string().into(),
    }
}

impl Refused {
    /// A call of the admin API that is wrong.
    pub(super) fn invalid(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Because(Kind::InvalidRequest, text.into())
    }

    /// Its row of the table.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::BizTag(BizTagError::Empty) => Kind::MissingBizTag,
            Self::BizTag(_) | Self::NotUtf8 => Kind::InvalidBizTag,
            Self::InvalidCount(_) | Self::NotANumber(_) | Self::InvalidStep(_) => {
                Kind::InvalidCount
            }
            Self::InvalidOffset(_) => Kind::BadRequest,
            Self::QueryTooLong(_) | Self::BodyTooLong(_) => Kind::PayloadTooLarge,
            Self::Misspelt { meant: "count", .. } => Kind::InvalidCount,
            Self::Misspelt { .. } => Kind::MissingBizTag,
            Self::BadBody | Self::InvalidFormat => Kind::BadRequest,
            Self::BodyTooSlow => Kind::TooSlow,
            Self::MediaType(_) => Kind::UnsupportedMediaType,
            Self::NotFound(_) => Kind::NotFound,
            Self::MethodNotAllowed(_) => Kind::MethodNotAllowed,
            Self::Denied(_) => Kind::Unauthorized,
            Self::OtherTags | Self::NoScope(_) => Kind::Forbidden,
            Self::Quota(_) => Kind::QuotaExceeded,
            Self::Internal => Kind::Internal,
            Self::Unconfirmed(_) => Kind::ConfirmationMissing,
            Self::NotLoaded(_) => Kind::TagNotLoaded,
            Self::NoSuchTag(_) => Kind::UnknownTag,
            Self::Busy => Kind::Overloaded,
            Self::Because(kind, _) => *kind,
            Self::Alloc(error) => match error {
                AllocError::UnknownTag => Kind::UnknownTag,
                AllocError::TagMisconfigured(_) => Kind::TagMisconfigured,
                AllocError::TagExhausted(_) => Kind::TagExhausted,
                AllocError::NoAvailableId(_)
                | AllocError::StoreFailed(_)
                | AllocError::AllowanceUsedUp { .. } => Kind::NoAvailableId,
                AllocError::TableMissing(_) => Kind::TableMissing,
                AllocError::TableMisconfigured(_) => Kind::TableMisconfigured,
                AllocError::FailoverFlapping(_) => Kind::FailoverFlapping,
                AllocError::Overloaded(_) => Kind::Overloaded,
                AllocError::ShuttingDown => Kind::ShuttingDown,
            },
        }
    }

    /// What happened, for the log.
    fn detail(&self) -> String {
        match self {
            Self::Alloc(error) => error.detail(),
            other => other.to_string(),
        }
    }

    /// Seconds after which the same may succeed.
    fn retry_after(&self) -> u64 {
        let wait = match self {
            Self::Alloc(error) => error.wait(),
            _ => None,
        };
        let seconds = wait.map_or(1.0, |wait| wait.as_secs_f64().ceil());
        Duration::from_secs_f64(seconds).as_secs().max(1)
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
            response.insert_header((header::RETRY_AFTER, self.retry_after()));
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
            Self::Quota(exceeded) => {
                response.insert_header((header::RETRY_AFTER, exceeded.retry_after()));
            }
            _ => {}
        }
        let mut response = response.content_type(media_type).body(body);
        response.extensions_mut().insert(Code {
            code: kind.code(),
            text: self.detail(),
            is_fault: kind.status().is_server_error(),
        });
        response
    }
}

/// Put into the response for those who count and log.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) code: &'static str,
    /// What the caller is told, and what the database said.
    pub(super) text: String,
    /// Whether it is the server's fault, whatever status a protocol answers with.
    pub(super) is_fault: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let until = std::time::Instant::now() + Duration::from_secs(60);
        let text = String::new();
        let later = Refused::Alloc(AllocError::AllowanceUsedUp { until, text });
        assert_eq!(header(later, header::RETRY_AFTER).as_deref(), Some("60"));
        let unknown = header(Denied::Unknown.into(), header::WWW_AUTHENTICATE);
        assert_ne!(
            unknown,
            header(Denied::Missing.into(), header::WWW_AUTHENTICATE)
        );
        let wrong = Refused::MethodNotAllowed("GET, POST");
        assert_eq!(header(wrong, header::ALLOW).as_deref(), Some("GET, POST"));
    }
}
