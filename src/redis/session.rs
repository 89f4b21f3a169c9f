//! What a connection remembers: the version of the protocol, who it is, its name; and the commands that set these.

use super::{
    Service,
    answer::{Answer, Version},
    refusal::Refused,
    request::Words,
};
use crate::{
    auth::{AllocToken, Login},
    http::Refused as Reason,
};

/// The longest name a connection may have, in bytes.
const LONGEST_NAME: usize = 128;

/// The user of those who send a token without a name, as Redis' clients do.
const DEFAULT_USER: &str = "default";

#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) version: Version,
    id: i64,
    name: Vec<u8>,
    login: Option<Login<AllocToken>>,
}

impl Session {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id: i64::try_from(id).unwrap_or(i64::MAX),
            ..Self::default()
        }
    }

    /// Whether it has sent a token, or need not.
    pub(super) fn is_known(&self, service: &Service) -> bool {
        service.tokens.is_none() || self.login.is_some()
    }

    /// Who it is; `None` where anyone may ask.
    fn holder(&mut self, service: &Service) -> Result<Option<&AllocToken>, Refused> {
        let Some(tokens) = &service.tokens else {
            return Ok(None);
        };
        let login = self.login.as_mut().ok_or(Refused::NoToken)?;
        Ok(Some(login.holder(tokens)?))
    }

    pub(super) fn is_let_in(&mut self, service: &Service) -> Result<(), Refused> {
        self.holder(service).map(|_| ())
    }

    pub(super) fn may_have(&mut self, service: &Service, tag: &str) -> Result<(), Refused> {
        match self.holder(service)? {
            Some(holder) if !holder.allows(tag) => Err(Reason::OtherTags.into()),
            _ => Ok(()),
        }
    }

    /// Counts ids against the quota of its token, unless they are too many.
    pub(super) fn spend(
        &mut self,
        service: &Service,
        tag: &str,
        count: u64,
    ) -> Result<(), Refused> {
        if let Some(holder) = self.holder(service)? {
            let spent = service.shared.quotas.take(holder, tag, count);
            spent.map_err(Reason::from)?;
        }
        Ok(())
    }

    /// Counts them back, as they could not be handed out.
    pub(super) fn give_back(&mut self, service: &Service, tag: &str, count: u64) {
        if let Ok(Some(holder)) = self.holder(service) {
            service.shared.quotas.give_back(holder, tag, count);
        }
    }

    /// `AUTH token`, `AUTH name token`. Where anyone may ask, any token will do, as over HTTP.
    pub(super) fn auth(&mut self, words: Words<'_>, service: &Service) -> Result<Answer, Refused> {
        match words.len() {
            2 => self.log_in(DEFAULT_USER.as_bytes(), words.get(1), service),
            3 => self.log_in(words.get(1), words.get(2), service),
            _ => Err(Refused::Arguments("auth")),
        }?;
        Ok(Answer::Simple("OK"))
    }

    fn log_in(&mut self, name: &[u8], token: &[u8], service: &Service) -> Result<(), Refused> {
        let Some(tokens) = &service.tokens else {
            return Ok(());
        };
        let token = std::str::from_utf8(token).map_err(|_| Refused::WrongToken)?;
        let mut login = Login::new(tokens, token)?;
        let holder = &login.holder(tokens)?.name;
        if name != DEFAULT_USER.as_bytes() && name != holder.as_bytes() {
            return Err(Refused::WrongToken);
        }
        self.login = Some(login);
        Ok(())
    }

    /// `HELLO [version [AUTH name token] [SETNAME name]]`.
    pub(super) fn hello(&mut self, words: Words<'_>, service: &Service) -> Result<Answer, Refused> {
        let version = match (words.len(), words.get(1)) {
            (1, _) => self.version,
            (_, b"2") => Version::Resp2,
            (_, b"3") => Version::Resp3,
            _ => return Err(Refused::Version),
        };
        let (mut at, mut name) = (2, None);
        while at < words.len() {
            if words.is(at, "auth") && at + 2 < words.len() {
                self.log_in(words.get(at + 1), words.get(at + 2), service)?;
                at += 3;
            } else if words.is(at, "setname") && at + 1 < words.len() {
                name = Some(checked_name(words.get(at + 1))?);
                at += 2;
            } else {
                return Err(Refused::option("HELLO", words.get(at)));
            }
        }
        self.is_let_in(service).map_err(|refused| match refused {
            Refused::NoToken => Refused::HelloFirst,
            refused => refused,
        })?;
        self.name = name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.version = version;
        let proto = if version == Version::Resp3 { 3 } else { 2 };
        Ok(Answer::Map(vec![
            ("server", Answer::text("id-alloc")),
            ("version", Answer::text(env!("CARGO_PKG_VERSION"))),
            ("proto", Answer::Integer(proto)),
            ("id", Answer::Integer(self.id)),
            ("mode", Answer::text("standalone")),
            ("role", Answer::text("master")),
            ("modules", Answer::List(Vec::new())),
        ]))
    }

    /// `CLIENT`: what libraries send of themselves.
    pub(super) fn client(&mut self, words: Words<'_>) -> Result<Answer, Refused> {
        let is = |length, word| words.len() == length && words.is(1, word);
        if is(2, "id") {
            return Ok(Answer::Integer(self.id));
        } else if is(2, "getname") && self.name.is_empty() {
            return Ok(Answer::Null);
        } else if is(2, "getname") {
            return Ok(Answer::Text(self.name.clone()));
        } else if is(2, "info") {
            return Ok(Answer::text(self.line()));
        } else if is(3, "setname") {
            self.name = checked_name(words.get(2))?;
        } else if !(is(4, "setinfo") || is(3, "no-evict") || is(3, "no-touch")) {
            // Which library it is is not kept.
            return Err(Refused::option("CLIENT", words.get(1)));
        }
        Ok(Answer::Simple("OK"))
    }

    fn line(&self) -> String {
        let resp = if self.version == Version::Resp3 { 3 } else { 2 };
        let name = String::from_utf8_lossy(&self.name);
        format!("id={} name={name} db=0 resp={resp}\n", self.id)
    }

    /// `RESET`: as it was when it began.
    pub(super) fn reset(&mut self) -> Answer {
        *self = Self {
            id: self.id,
            ..Self::default()
        };
        Answer::Simple("RESET")
    }
}

pub(super) fn select(words: Words<'_>) -> Result<Answer, Refused> {
    match words.get(1) {
        b"0" => Ok(Answer::Simple("OK")),
        _ => Err(Refused::NoSuchDatabase),
    }
}

/// What clients ask of Redis' configuration when they connect.
const CONFIG: [(&str, &str); 3] = [("appendonly", "no"), ("databases", "1"), ("save", "")];

/// `CONFIG GET`, by the whole names of parameters.
pub(super) fn config(words: Words<'_>) -> Result<Answer, Refused> {
    if !words.is(1, "get") || words.len() < 3 {
        return Err(Refused::option("CONFIG", words.get(1)));
    }
    let asked = CONFIG
        .into_iter()
        .filter(|(name, _)| (2..words.len()).any(|index| words.is(index, name)))
        .map(|(name, value)| (name, Answer::text(value)));
    Ok(Answer::Map(asked.collect()))
}

fn checked_name(name: &[u8]) -> Result<Vec<u8>, Refused> {
    let is_plain = name.iter().all(|byte| matches!(byte, b'!'..=b'~'));
    match is_plain && name.len() <= LONGEST_NAME {
        true => Ok(name.to_vec()),
        false => Err(Refused::Name(LONGEST_NAME)),
    }
}
