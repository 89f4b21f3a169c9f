//! A connection of a Redis client, from its beginning to its end.
//!
//! Nothing here waits without a limit: for the rest of a request `server.header_timeout`, as for a token where one is
//! needed; for another request `wire.redis.idle_timeout`; for answers to be taken in `server.write_timeout`; for ids
//! `limits.request_deadline`, once for all commands that came together. When the server goes away, a connection is closed
//! after its next answer, when its client has most likely nothing under way, or after a second without a request.

use super::{
    Service,
    channel::Stream,
    client::Client,
    refusal::Refused,
    tally::{Open, Tally},
};
use futures_util::FutureExt as _;
use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::time::{Sleep, sleep};

/// How long a last request is waited for when the server goes away.
const LAST: Duration = Duration::from_secs(1);

/// Where nothing has to be done by a certain time.
const LATER: Duration = Duration::from_secs(24 * 3600);

/// Serves a client until it leaves, or `closing` says that the server does.
pub async fn serve(stream: impl Stream, service: Arc<Service>, closing: impl Future<Output = ()>) {
    let open = Open::new(&service);
    let mut connection = Connection::new(stream, service);
    let served = match open {
        Some(_) => connection.serve(closing).await,
        None => {
            let client = &mut connection.client;
            client.refuse(None, &Refused::Full, &Tally::new());
            Ok(())
        }
    };
    // An error: the client is gone.
    if served.is_ok() {
        let _ = connection.client.channel.close().await;
    }
}

struct Connection<S> {
    client: Client<S>,
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
        let now = Instant::now();
        Self {
            client: Client::new(stream, service),
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
            let answered = self.client.answer_all(&mut tally).await;
            tally.end(&self.client.service);
            let answered = answered?;
            self.client.channel.send().await?;
            self.half_since = match self.client.channel.unread.is_empty() {
                true => None,
                // The same one as before goes on counting.
                false if answered.requests == 0 => self.half_since.or(Some(self.heard)),
                false => Some(self.heard),
            };
            // Its client has its answers, and is not likely to have sent more yet.
            let is_leaving = self.closing_since.is_some()
                || self.client.service.allocator.is_draining()
                    && closing.as_mut().now_or_never().is_some();
            if is_leaving || answered.is_last {
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
            if let Poll::Ready(count) = self.client.channel.read(context)? {
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
        let shared = &self.client.service.shared;
        let (server, redis) = (&shared.server, &shared.wire.redis);
        if let Some(since) = self.closing_since {
            since + LAST
        } else if let Some(since) = self.half_since {
            since + server.header_timeout
        } else if !self.client.is_known() {
            self.opened + server.header_timeout
        } else if redis.idle_timeout.is_zero() {
            Instant::now() + LATER
        } else {
            self.heard + redis.idle_timeout
        }
    }
}
