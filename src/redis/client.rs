//! A client: its requests are carried out one after the other, and answered in order, all that came together in one
//! piece.

use super::{
    Service,
    answer::{self, Answer},
    channel::{Channel, Stream},
    command::Command,
    refusal::Refused,
    request::{self, Words},
    session::Session,
    tally::Tally,
    transaction::Transaction,
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
    pub(super) session: Session,
    pub(super) transaction: Option<Transaction>,
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
pub(super) enum Failed {
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

    pub(super) fn let_in(&mut self) -> Result<(), Refused> {
        self.session.is_let_in(&self.service)
    }
}
