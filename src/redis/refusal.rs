//! Why a command is refused: what HTTP refuses for the same reason has the same text and code, after the word by which
//! Redis' clients tell errors apart.

use super::answer::Answer;
use crate::{actors::AllocError, auth::Denied, http::Refused as Reason};

/// Every way in which a command is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// As over HTTP.
    #[error("{0}")]
    Same(#[from] Reason),
    #[error("unknown command '{0}'; this is id-alloc, which hands out ids: INCR, INCRBY, GET")]
    UnknownCommand(String),
    #[error(
        "{0} is refused: ids only go up, by INCR and INCRBY; an operator moves a tag with `id-alloc tag advance`"
    )]
    WouldChange(String),
    #[error("{0} without MULTI")]
    WithoutMulti(&'static str),
    #[error("MULTI calls can not be nested")]
    WithinMulti,
    #[error(
        "a transaction is longer than {0} bytes; send a pipeline, or INCRBY for many ids at once"
    )]
    LongTransaction(usize),
    #[error("Transaction discarded because of previous errors.")]
    Discarded,
    /// Word for word, since libraries look for it.
    #[error("This instance has cluster support disabled")]
    NoCluster,
    #[error("wrong number of arguments for '{0}' command")]
    Arguments(&'static str),
    #[error("unknown subcommand or option '{1}' of {0}")]
    Option(&'static str, String),
    #[error("value is not an integer or out of range")]
    NoInteger,
    #[error(
        "an id is never taken back or repeated: give INCRBY a number from 1 to {0} (limits.max_range)"
    )]
    Count(u32),
    #[error(
        "a client's name has at most {0} characters, none of them a space, a line break or special"
    )]
    Name(usize),
    #[error("there is one database, 0: choose ids by their key")]
    NoSuchDatabase,
    /// Word for word too, as are the next one and those of arguments and numbers.
    #[error("unsupported protocol version")]
    Version,
    #[error(
        "HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
    )]
    HelloFirst,
    #[error(
        "Authentication required: send AUTH with the name and the token of an entry of alloc.tokens_file"
    )]
    NoToken,
    #[error(
        "invalid username-password pair: the token is mistyped, revoked, of another name, or for another server"
    )]
    WrongToken,
    /// Word for word, since libraries look for it: `wire.redis.max_connections` is reached.
    #[error("max number of clients reached")]
    Full,
    #[error("{0}")]
    Broken(#[from] super::request::Broken),
}

impl Refused {
    /// That `command` has no such subcommand or option.
    pub(super) fn option(command: &'static str, given: &[u8]) -> Self {
        let start = given.get(..64).unwrap_or(given);
        Self::Option(command, start.escape_ascii().to_string())
    }

    /// The code by which it is counted, and logged where the server is at fault.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Same(reason) => reason.kind().code(),
            Self::UnknownCommand(_) | Self::WouldChange(_) | Self::NoCluster => {
                "method_not_allowed"
            }
            Self::Count(_) | Self::NoInteger => "invalid_count",
            Self::NoToken | Self::HelloFirst | Self::WrongToken => "unauthorized",
            Self::Full => "overloaded",
            Self::Arguments(_)
            | Self::Option(..)
            | Self::Name(_)
            | Self::NoSuchDatabase
            | Self::Version
            | Self::WithoutMulti(_)
            | Self::WithinMulti
            | Self::LongTransaction(_)
            | Self::Discarded
            | Self::Broken(_) => "bad_request",
        }
    }

    /// Whether the server, and not its caller, is at fault.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Same(reason) if reason.kind().status().is_server_error())
    }

    pub(super) fn answer(&self) -> Answer {
        let word = match self {
            Self::Same(Reason::OtherTags) => "NOPERM",
            // Redis' word for "not now"; libraries that know it try again.
            Self::Same(reason) if reason.kind().passes() => "TRYAGAIN",
            Self::NoToken | Self::HelloFirst => "NOAUTH",
            Self::WrongToken => "WRONGPASS",
            Self::Version => "NOPROTO",
            Self::Discarded => "EXECABORT",
            _ => "ERR",
        };
        match self {
            Self::Same(reason) => {
                Answer::error(word, format_args!("{reason} ({})", reason.kind().code()))
            }
            refused => Answer::error(word, refused),
        }
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::NoToken,
            Denied::Unknown => Self::WrongToken,
        }
    }
}

impl From<AllocError> for Refused {
    fn from(error: AllocError) -> Self {
        Self::Same(Reason::Alloc(error))
    }
}
