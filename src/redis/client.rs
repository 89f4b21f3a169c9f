//! A client: its requests are carried out one after the other, and answered in order, all that came together in one
//! piece.

use super::{
    Service,
    answer::{self, Answer},
    channel::{Channel, Stream},
    command::{self, Command},
    ids, info,
    refusal::Refused,
    request::{self, Words},
    session::{self, Session},
    tally::Tally,
    transaction::Transaction,
};
use crate::{
    actors::AllocError,
    domain::{Demand, Ids, TagName},
    http::Refused as Reason,
};
use std::{
    io,
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

/// Answers are sent when there are so many bytes of them.
const SEND: usize = 64 * 1024;

pub(super) struct Client<S> {
    pub(super) channel: Channel<S>,
    pub(super) service: Arc<Service>,
    session: Session,
    transaction: Option<Transaction>,
    /// The places of the words of a request, there for the next.
    places: Vec<Range<usize>>,
}

/// What came of requests that came together.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) requests: usize,
    /// Whether the connection is to be closed.
    pub(super) is_last: bool,
}

/// Why a command was not carried out.
enum Failed {
    Refused(Refused),
    /// The client is not there any more.
    Gone(io::Error),
}

impl<E: Into<Refused>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl<S: Stream> Client<S> {
    pub(super) fn new(stream: S, service: Arc<Service>) -> Self {
        let number = service.seen.fetch_add(1, Ordering::Relaxed) + 1;
        Self {
            channel: Channel::new(stream, service.shared.server.write_timeout),
            service,
            session: Session::new(number),
            transaction: None,
            places: Vec::new(),
        }
    }

    /// Whether it has sent a token, or need not.
    pub(super) fn is_known(&self) -> bool {
        self.session.is_known(&self.service)
    }

    /// Carries out all requests that are there. A part of one stays for later.
    pub(super) async fn answer_all(&mut self, tally: &mut Tally) -> io::Result<Answered> {
        let bytes = std::mem::take(&mut self.channel.unread);
        let limit = self.service.shared.limits.max_query;
        let mut places = std::mem::take(&mut self.places);
        let (mut at, mut answered) = (0, Answered::default());
        while !answered.is_last {
            match request::read(&bytes[at..], limit, &mut places) {
                Ok(None) => break,
                Ok(Some(end)) => {
                    let request = &bytes[at..at + end];
                    let words = Words::new(request, &places);
                    if words.len() > 0 {
                        answered.is_last = !self.answer(words, request, tally).await?;
                    }
                    answered.requests += 1;
                    at += end;
                    if self.channel.unsent.len() >= SEND {
                        self.channel.send().await?;
                    }
                }
                Err(broken) => {
                    self.refuse(None, &broken.into(), tally);
                    answered.is_last = true;
                }
            }
        }
        self.places = places;
        self.channel.keep(bytes, at);
        Ok(answered)
    }

    /// Carries a request out, or keeps it for `EXEC`; false where it was the last.
    async fn answer(
        &mut self,
        words: Words<'_>,
        request: &[u8],
        tally: &mut Tally,
    ) -> io::Result<bool> {
        let command = Command::of(words);
        match (&mut self.transaction, &command) {
            (_, Ok(Command::Exec)) => return self.execute(tally).await.map(|()| true),
            (Some(transaction), Ok(command)) if command.is_kept() => {
                let answer = transaction.keep(request);
                self.write(Some(*command), answer, tally);
                return Ok(true);
            }
            (Some(transaction), Err(_)) => transaction.spoil(),
            _ => {}
        }
        self.perform(command, words, tally).await
    }

    /// Carries out what was kept since `MULTI`. Others' commands may come in between, which takes nothing from it: ids
    /// stay distinct and rise.
    async fn execute(&mut self, tally: &mut Tally) -> io::Result<()> {
        let kept = self.transaction.take();
        let kept = kept.ok_or(Refused::WithoutMulti("EXEC"));
        let kept = kept.and_then(Transaction::kept);
        let kept = match self.let_in().and(kept) {
            Ok(kept) => kept,
            Err(refused) => {
                self.write(Some(Command::Exec), Err(refused), tally);
                return Ok(());
            }
        };
        tally.answered(Some(Command::Exec));
        answer::begin('*', kept.count, &mut self.channel.unsent);
        let (mut at, mut places) = (0, Vec::new());
        while let Ok(Some(end)) = request::read(&kept.bytes[at..], usize::MAX, &mut places) {
            let words = Words::new(&kept.bytes[at..], &places);
            self.perform(Command::of(words), words, tally).await?;
            at += end;
        }
        Ok(())
    }

    /// Carries a request out; false where it was the last.
    async fn perform(
        &mut self,
        command: Result<Command, Refused>,
        words: Words<'_>,
        tally: &mut Tally,
    ) -> io::Result<bool> {
        let (command, answer) = match command {
            Ok(command) => match self.carry_out(command, words, tally).await {
                Ok(answer) => (Some(command), Ok(answer)),
                Err(Failed::Refused(refused)) => (Some(command), Err(refused)),
                Err(Failed::Gone(error)) => return Err(error),
            },
            Err(refused) => (None, self.let_in().and(Err(refused))),
        };
        self.write(command, answer, tally);
        Ok(command != Some(Command::Quit))
    }

    fn write(
        &mut self,
        command: Option<Command>,
        answer: Result<Answer, Refused>,
        tally: &mut Tally,
    ) {
        tally.answered(command);
        match answer {
            Ok(answer) => answer.write(self.session.version, &mut self.channel.unsent),
            Err(refused) => self.refuse(command, &refused, tally),
        }
    }

    pub(super) fn refuse(&mut self, command: Option<Command>, refused: &Refused, tally: &Tally) {
        tally.refused(&self.service, command, refused);
        let answer = refused.answer();
        answer.write(self.session.version, &mut self.channel.unsent);
    }

    fn let_in(&mut self) -> Result<(), Refused> {
        self.session.is_let_in(&self.service)
    }

    async fn carry_out(
        &mut self,
        command: Command,
        words: Words<'_>,
        tally: &mut Tally,
    ) -> Result<Answer, Failed> {
        // Those with a key are let in, or not, for its tag.
        if !command.needs_no_token() && !command.has_key() {
            self.let_in()?;
        }
        let answer = match command {
            Command::Incr => return self.take(words, Ok(1_u32.into()), tally).await,
            Command::IncrBy => {
                let demand = ids::demand(words, self.service.shared.limits.max_range);
                return self.take(words, demand, tally).await;
            }
            Command::Exists => return self.exist(words, tally).await,
            Command::Get => self.newest(words),
            Command::Ping => self.ping(words),
            Command::Echo => Ok(Answer::Text(words.get(1).to_vec())),
            Command::Multi => Transaction::begin(&mut self.transaction),
            Command::Discard => Transaction::discard(&mut self.transaction),
            Command::Exec => Err(Refused::WithoutMulti("EXEC")),
            Command::Auth => self.session.auth(words, &self.service),
            Command::Hello => self.session.hello(words, &self.service),
            Command::Client => self.session.client(words),
            Command::Select => session::select(words),
            Command::Info => Ok(info::info(words, &self.service)),
            Command::Describe => command::command(words),
            Command::Config => session::config(words),
            Command::Reset => {
                self.transaction = None;
                Ok(self.session.reset())
            }
            Command::Quit => Ok(Answer::Simple("OK")),
        };
        Ok(answer?)
    }

    /// The last of the ids that are demanded.
    async fn take(
        &mut self,
        words: Words<'_>,
        demand: Result<Demand, Refused>,
        tally: &mut Tally,
    ) -> Result<Answer, Failed> {
        let tag = ids::tag(words, 1);
        if tag.is_err() {
            self.let_in()?;
        }
        let tag = tag?;
        self.session.may_have(&self.service, tag.as_str())?;
        let demand = demand?;
        let count = demand.count;
        self.session.spend(&self.service, tag.as_str(), count)?;
        let ids = self.ids(tag.clone(), demand, tally).await?;
        if ids.is_err() {
            self.session.give_back(&self.service, tag.as_str(), count);
        }
        tally.ids += ids.as_ref().map_or(0, |_| count);
        let last = ids?.last().map(|range| Answer::Integer(range.end() - 1));
        Ok(last.ok_or(Reason::Internal)?)
    }

    /// Those that are there, at once. Where none are, answers to earlier commands are sent before it waits.
    async fn ids(
        &mut self,
        tag: TagName<'_>,
        demand: Demand,
        tally: &Tally,
    ) -> Result<Result<Ids, AllocError>, Failed> {
        if let Some(ids) = self.service.allocator.take(tag.clone(), demand) {
            return Ok(Ok(ids));
        }
        let limit = self.service.shared.limits.request_deadline;
        let left = limit.saturating_sub(tally.began.elapsed());
        if left.is_zero() {
            return Ok(Err(AllocError::too_late()));
        }
        self.channel.send().await.map_err(Failed::Gone)?;
        let allocating = self.service.allocator.allocate(tag, demand);
        let allocated = tokio::time::timeout(left, allocating).await;
        Ok(allocated.unwrap_or_else(|_| Err(AllocError::too_late())))
    }

    /// How many of the keys are those of tags.
    async fn exist(&mut self, words: Words<'_>, tally: &Tally) -> Result<Answer, Failed> {
        let mut count = 0;
        for index in 1..words.len() {
            let Ok(tag) = ids::tag(words, index) else {
                continue;
            };
            self.session.may_have(&self.service, tag.as_str())?;
            match self.ids(tag, 0_u32.into(), tally).await? {
                Err(AllocError::UnknownTag) => {}
                Ok(_) | Err(AllocError::TagExhausted(_) | AllocError::TagMisconfigured(_)) => {
                    count += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.let_in()?;
        Ok(Answer::Integer(count))
    }

    /// The newest id that this server has answered; none for what cannot be a tag.
    fn newest(&mut self, words: Words<'_>) -> Result<Answer, Refused> {
        let Ok(tag) = ids::tag(words, 1) else {
            return self.let_in().map(|()| Answer::Null);
        };
        self.session.may_have(&self.service, tag.as_str())?;
        let newest = self.service.allocator.newest(tag);
        Ok(newest.map_or(Answer::Null, |id| Answer::text(id.to_string())))
    }

    /// An error while the server goes away, so that load balancers and pools turn to another.
    fn ping(&self, words: Words<'_>) -> Result<Answer, Refused> {
        if self.service.allocator.is_draining() {
            return Err(AllocError::ShuttingDown.into());
        }
        match words.len() {
            1 => Ok(Answer::Simple("PONG")),
            2 => Ok(Answer::Text(words.get(1).to_vec())),
            _ => Err(Refused::Arguments("ping")),
        }
    }
}
