//! A connection of a Redis client: what it sends is read, carried out one command after the other, and answered in
//! order, all that came together in one piece.
//!
//! Nothing here waits without a limit: for the rest of a request `server.header_timeout`, as for a token where one is
//! needed; for another request `wire.redis.idle_timeout`; for answers to be taken in `server.write_timeout`; for ids
//! `limits.request_deadline`, once for all commands that came together. When the server goes away, a connection is closed
//! after its next answer, when its client has most likely nothing under way, or after a second without a request.

use super::{
    Service,
    answer::Answer,
    command::{self, Command},
    ids, info,
    refusal::Refused,
    request::{self, Words},
    session::{self, Session},
    tally::{Open, Tally, left},
};
use crate::{
    actors::AllocError,
    domain::{Demand, IdRange, Ids, TagName},
    http::Refused as Reason,
};
use futures_util::FutureExt as _;
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    ops::Range,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::{Sleep, sleep, timeout},
};

/// The most that is read at once.
const PIECE: usize = 32 * 1024;

/// Answers are sent when there are so many bytes of them.
const SEND: usize = 64 * 1024;

/// What a connection keeps of its buffers between requests.
const KEPT: usize = 1024;

/// How long what a client still sends is read after the last answer: to close at once could take the answer from it. So
/// long, too, a request is waited for when the server goes away.
const LINGER: Duration = Duration::from_secs(1);

/// Where nothing has to be done by a certain time.
const LATER: Duration = Duration::from_secs(24 * 3600);

thread_local! {
    /// A worker's room to read into. A connection keeps only the part of a request that has come.
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// Both ways of a connection, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Serves a client until it leaves, or `closing` says that the server does.
pub async fn serve(stream: impl Stream, service: Arc<Service>, closing: impl Future<Output = ()>) {
    let open = Open::new(&service);
    let mut connection = Connection::new(stream, service);
    let served = match open {
        Some(_) => connection.serve(closing).await,
        None => {
            connection.refuse(None, &Refused::Full, &Tally::new());
            Ok(())
        }
    };
    // An error: the client is gone.
    if served.is_ok() {
        let _ = connection.close().await;
    }
}

struct Connection<S> {
    stream: S,
    service: Arc<Service>,
    session: Session,
    /// What was read and not carried out yet.
    unread: Vec<u8>,
    /// The places of the words of a request, there for the next.
    places: Vec<Range<usize>>,
    /// Answers that were not sent yet.
    unsent: Vec<u8>,
    opened: Instant,
    /// When something came last.
    heard: Instant,
    /// Since when a request has been there in part.
    half_since: Option<Instant>,
    /// Since when the server has been going away.
    closing_since: Option<Instant>,
}

impl<S: Stream> Connection<S> {
    fn new(stream: S, service: Arc<Service>) -> Self {
        let (id, now) = (service.seen.fetch_add(1, Ordering::Relaxed), Instant::now());
        Self {
            stream,
            session: Session::new(id + 1),
            service,
            unread: Vec::new(),
            places: Vec::new(),
            unsent: Vec::new(),
            opened: now,
            heard: now,
            half_since: None,
            closing_since: None,
        }
    }

    async fn serve(&mut self, closing: impl Future<Output = ()>) -> io::Result<()> {
        let mut closing = pin!(closing);
        let mut timer = pin!(sleep(LATER));
        while self.hear(closing.as_mut(), timer.as_mut()).await? {
            let mut tally = Tally::new();
            self.heard = tally.began;
            let goes_on = self.answer_all(&mut tally).await;
            tally.end(&self.service);
            self.send().await?;
            // Its client has its answers, and is not likely to have sent more yet.
            let is_leaving = self.closing_since.is_some()
                || self.service.allocator.is_draining()
                    && closing.as_mut().now_or_never().is_some();
            if is_leaving || !goes_on? {
                break;
            }
        }
        Ok(())
    }

    /// Waits until something came; false where nothing will, or the time for it is over.
    async fn hear(
        &mut self,
        mut closing: Pin<&mut impl Future<Output = ()>>,
        mut timer: Pin<&mut Sleep>,
    ) -> io::Result<bool> {
        poll_fn(|context| {
            if let Poll::Ready(count) = self.read(context)? {
                return Poll::Ready(Ok(count > 0));
            }
            if self.closing_since.is_none() && closing.as_mut().poll(context).is_ready() {
                self.closing_since = Some(Instant::now());
            }
            let limit = self.deadline();
            if limit < timer.deadline().into_std() {
                timer.as_mut().reset(limit.into());
            }
            // It may have been set for an earlier limit than there is now.
            while timer.as_mut().poll(context).is_ready() {
                if Instant::now() >= limit {
                    return Poll::Ready(Ok(false));
                }
                timer.as_mut().reset(limit.into());
            }
            Poll::Pending
        })
        .await
    }

    /// When it is closed if nothing comes.
    fn deadline(&self) -> Instant {
        let (server, redis) = (&self.service.shared.server, &self.service.shared.wire.redis);
        if let Some(since) = self.closing_since {
            since + LINGER
        } else if let Some(since) = self.half_since {
            since + server.header_timeout
        } else if !self.session.is_known(&self.service) {
            self.opened + server.header_timeout
        } else if redis.idle_timeout.is_zero() {
            Instant::now() + LATER
        } else {
            self.heard + redis.idle_timeout
        }
    }

    /// Reads what has come; 0 at the end.
    fn read(&mut self, context: &mut Context<'_>) -> io::Result<Poll<usize>> {
        ROOM.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(room);
            match Pin::new(&mut self.stream).poll_read(context, &mut room)? {
                Poll::Pending => Ok(Poll::Pending),
                Poll::Ready(()) => {
                    self.unread.extend_from_slice(room.filled());
                    Ok(Poll::Ready(room.filled().len()))
                }
            }
        })
    }

    /// Carries out all requests that are there; false where the connection is to be closed.
    async fn answer_all(&mut self, tally: &mut Tally) -> io::Result<bool> {
        let limit = self.service.shared.limits.max_query;
        let (mut bytes, mut places) = (
            std::mem::take(&mut self.unread),
            std::mem::take(&mut self.places),
        );
        let (mut at, mut goes_on) = (0, true);
        while goes_on {
            match request::read(&bytes[at..], limit, &mut places) {
                Ok(None) => break,
                Ok(Some(end)) => {
                    let words = Words::new(&bytes[at..], &places);
                    if words.len() > 0 {
                        goes_on = self.answer(words, tally).await?;
                    }
                    at += end;
                    if self.unsent.len() >= SEND {
                        self.send().await?;
                    }
                }
                Err(broken) => {
                    self.refuse(None, &broken.into(), tally);
                    goes_on = false;
                }
            }
        }
        self.half_since = match at < bytes.len() {
            // The same one as before goes on counting.
            true if at == 0 => self.half_since.or(Some(tally.began)),
            true => Some(tally.began),
            false => None,
        };
        bytes.drain(..at);
        bytes.shrink_to(KEPT);
        (self.unread, self.places) = (bytes, places);
        Ok(goes_on)
    }

    /// Carries out a request; false where it was the last.
    async fn answer(&mut self, words: Words<'_>, tally: &mut Tally) -> io::Result<bool> {
        let (command, answer) = match Command::of(words) {
            Ok(command) => (Some(command), self.carry_out(command, words, tally).await?),
            Err(refused) => (None, Err(self.let_in().err().unwrap_or(refused))),
        };
        tally.answered(command);
        match answer {
            Ok(answer) => answer.write(self.session.version, &mut self.unsent),
            Err(refused) => self.refuse(command, &refused, tally),
        }
        Ok(command != Some(Command::Quit))
    }

    fn refuse(&mut self, command: Option<Command>, refused: &Refused, tally: &Tally) {
        tally.refused(&self.service, command, refused);
        let answer = refused.answer();
        answer.write(self.session.version, &mut self.unsent);
    }

    fn let_in(&mut self) -> Result<(), Refused> {
        self.session.is_let_in(&self.service)
    }

    /// The inner error is the answer; the outer one, that nobody is there to take it.
    async fn carry_out(
        &mut self,
        command: Command,
        words: Words<'_>,
        tally: &mut Tally,
    ) -> io::Result<Result<Answer, Refused>> {
        let has_key = [
            Command::Incr,
            Command::IncrBy,
            Command::Get,
            Command::Exists,
        ];
        if !command.needs_no_token()
            && !has_key.contains(&command)
            && let Err(refused) = self.let_in()
        {
            return Ok(Err(refused));
        }
        Ok(match command {
            Command::Incr => return self.take(words, Ok(1_u32.into()), tally).await,
            Command::IncrBy => {
                let demand = ids::demand(words, self.service.shared.limits.max_range);
                return self.take(words, demand, tally).await;
            }
            Command::Exists => return self.exist(words, tally).await,
            Command::Get => self.newest(words),
            Command::Ping => self.ping(words),
            Command::Echo => Ok(Answer::Text(words.get(1).unwrap_or_default().to_vec())),
            Command::Auth => self.session.auth(words, &self.service),
            Command::Hello => self.session.hello(words, &self.service),
            Command::Client => self.session.client(words),
            Command::Select => session::select(words),
            Command::Info => Ok(info::info(words, &self.service)),
            Command::Command => command::command(words),
            Command::Config => session::config(words),
            Command::Reset => Ok(self.session.reset()),
            Command::Quit => Ok(Answer::Simple("OK")),
        })
    }

    /// The last of the ids that are demanded.
    async fn take(
        &mut self,
        words: Words<'_>,
        demand: Result<Demand, Refused>,
        tally: &mut Tally,
    ) -> io::Result<Result<Answer, Refused>> {
        let tag = match ids::tag(words, 1) {
            Ok(tag) => tag,
            Err(refused) => return Ok(Err(self.let_in().err().unwrap_or(refused))),
        };
        let allowed = self.session.may_have(&self.service, tag.as_str());
        let demand = match allowed.and(demand) {
            Ok(demand) => demand,
            Err(refused) => return Ok(Err(refused)),
        };
        let ids = self.ids(tag, demand, tally).await?;
        Ok(ids.map_err(Refused::from).and_then(|ids| {
            tally.gave(demand.count);
            let last = ids.last().map(|range: &IdRange| range.end() - 1);
            last.map(Answer::Integer)
                .ok_or(Refused::Same(Reason::Internal))
        }))
    }

    /// Those that are there, at once. Where none are, answers to earlier commands are sent before it waits.
    async fn ids(
        &mut self,
        tag: TagName<'_>,
        demand: Demand,
        tally: &Tally,
    ) -> io::Result<Result<Ids, AllocError>> {
        if let Some(ids) = self.service.allocator.take(tag.clone(), demand) {
            return Ok(Ok(ids));
        }
        let limit = left(tally.began, self.service.shared.limits.request_deadline);
        if limit.is_zero() {
            return Ok(Err(AllocError::too_late()));
        }
        self.send().await?;
        let asked = timeout(limit, self.service.allocator.allocate(tag, demand)).await;
        Ok(asked.unwrap_or_else(|_| Err(AllocError::too_late())))
    }

    /// How many of the keys are those of tags.
    async fn exist(
        &mut self,
        words: Words<'_>,
        tally: &Tally,
    ) -> io::Result<Result<Answer, Refused>> {
        let mut count = 0;
        for index in 1..words.len() {
            let Ok(tag) = ids::tag(words, index) else {
                continue;
            };
            if let Err(refused) = self.session.may_have(&self.service, tag.as_str()) {
                return Ok(Err(refused));
            }
            match self.ids(tag, 0_u32.into(), tally).await? {
                Err(AllocError::UnknownTag) => {}
                Ok(_) | Err(AllocError::TagExhausted(_) | AllocError::TagMisconfigured(_)) => {
                    count += 1;
                }
                Err(error) => return Ok(Err(error.into())),
            }
        }
        Ok(self.let_in().map(|()| Answer::Integer(count)))
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
            2 => Ok(Answer::Text(words.get(1).unwrap_or_default().to_vec())),
            _ => Err(Refused::Arguments("ping")),
        }
    }

    /// Sends the answers that are there.
    async fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let limit = self.service.shared.server.write_timeout;
        let (stream, unsent) = (&mut self.stream, &self.unsent);
        let sent = {
            let mut sending = pin!(async {
                stream.write_all(unsent).await?;
                stream.flush().await
            });
            match sending.as_mut().now_or_never() {
                Some(sent) => sent,
                None if limit.is_zero() => sending.await,
                None => timeout(limit, sending)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            }
        };
        self.unsent.clear();
        self.unsent.shrink_to(KEPT);
        sent
    }

    /// Sends what is left to send, says that nothing more will come, and lets the client leave first.
    async fn close(&mut self) -> io::Result<()> {
        self.send().await?;
        let ending = async {
            self.stream.shutdown().await?;
            poll_fn(|context| {
                loop {
                    self.unread.clear();
                    if ready!(self.read(context)?) == 0 {
                        return Poll::Ready(io::Result::Ok(()));
                    }
                }
            })
            .await
        };
        timeout(LINGER, ending).await.unwrap_or(Ok(()))
    }
}

impl From<AllocError> for Refused {
    fn from(error: AllocError) -> Self {
        Self::Same(Reason::Alloc(error))
    }
}
