//! Both ways of a connection, as bytes: what was read and not carried out yet, and answers that were not sent yet.

use futures_util::FutureExt as _;
use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

/// The most that is read at once.
const PIECE: usize = 32 * 1024;

/// What a connection keeps of its buffers between requests.
const KEPT: usize = 1024;

/// How long what a client still sends is read after the last answer: to close at once could take the answer from it.
const LINGER: Duration = Duration::from_secs(1);

thread_local! {
    /// A worker's room to read into. A connection keeps only the part of a request that has come.
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// A connection, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

pub(super) struct Channel<S> {
    stream: S,
    pub(super) unread: Vec<u8>,
    pub(super) unsent: Vec<u8>,
    /// How long answers may lie unread; zero for ever.
    write_timeout: Duration,
}

impl<S: Stream> Channel<S> {
    pub(super) fn new(stream: S, write_timeout: Duration) -> Self {
        Self {
            stream,
            unread: Vec::new(),
            unsent: Vec::new(),
            write_timeout,
        }
    }

    /// Reads what has come; 0 at the end.
    pub(super) fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ROOM.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(room);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut room))?;
            self.unread.extend_from_slice(room.filled());
            Poll::Ready(Ok(room.filled().len()))
        })
    }

    /// Keeps `bytes`, of which nothing was used from `at` on, until more comes.
    pub(super) fn keep(&mut self, mut bytes: Vec<u8>, at: usize) {
        bytes.drain(..at);
        bytes.shrink_to(KEPT);
        self.unread = bytes;
    }

    /// Sends the answers that are there.
    pub(super) async fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let (limit, stream, unsent) = (self.write_timeout, &mut self.stream, &self.unsent);
        let sent = {
            let mut sending = pin!(async {
                stream.write_all(unsent).await?;
                stream.flush().await
            });
            match sending.as_mut().now_or_never() {
                Some(sent) => sent,
                None if limit.is_zero() => sending.await,
                None => {
                    let sent = timeout(limit, sending).await;
                    sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                }
            }
        };
        self.unsent.clear();
        self.unsent.shrink_to(KEPT);
        sent
    }

    /// Sends what is left to send, says that nothing more will come, and lets the client leave first.
    pub(super) async fn close(&mut self) -> io::Result<()> {
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
