//! Offers to speak another protocol are overlooked, as the standard allows (RFC 9110, 7.8): the caller gets a plain
//! HTTP/1.1 answer on a connection that stays open.
//!
//! Java's `HttpClient` sends `Connection: Upgrade, HTTP2-Settings` and `Upgrade: h2c` with every request, unless it is
//! told otherwise. actix-http notes the option `upgrade` of a request as the state of its connection, answers
//! `connection: upgrade` and closes it, and nothing that a handler can say changes that. So the offer is made
//! unreadable in what comes from the client, before it is parsed: one byte of the option and one of the protocol's
//! name are replaced. No byte is added or taken away, and framing is left as it was sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What stands for a byte that was overwritten. Legal wherever one is.
const MASK: u8 = b'x';

/// The option of `Connection` that goes with an offer.
const OPTION: &[u8] = b"upgrade";

/// The longest header whose name matters.
const LONGEST: usize = b"transfer-encoding".len();

/// A stream of which offers are not seen.
#[derive(Debug)]
pub struct PlainHttp<T> {
    stream: T,
    offers: Offers,
}

impl<T> PlainHttp<T> {
    /// Of a connection from which nothing was read yet.
    pub fn new(stream: T) -> Self {
        let offers = Offers::default();
        Self { stream, offers }
    }

    /// The stream beneath.
    pub fn get_ref(&self) -> &T {
        &self.stream
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for PlainHttp<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, into))?;
        this.offers.mask(&mut into.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for PlainHttp<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where in the requests of a connection its next byte stands. Heads are told from bodies so that no body is
/// changed; a request that is framed wrongly is refused by actix-http, and its connection closed.
#[derive(Debug, Default)]
struct Offers {
    at: At,
    /// The name of the present header as far as it was read, lower case.
    name: [u8; LONGEST],
    /// How long it is; longer than the buffer: none that matters.
    length: usize,
    /// Whether the present head has a line already: empty ones before it do not end it.
    begun: bool,
    /// The body's length, as the present head tells.
    body: u64,
    chunked: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum At {
    /// At the start of a line of a head, or within a header's name.
    #[default]
    Name,
    /// In the value of `Connection`; so many bytes of the option were read, or `None` in another one.
    Option(Option<usize>),
    /// Before the value of `Upgrade`.
    Protocol,
    /// In the value of `Content-Length`.
    Length,
    /// Before the value of `Transfer-Encoding`.
    Coding,
    /// In the rest of a line that does not matter.
    Rest,
    /// In a body, so many bytes before its end.
    Body(u64),
    /// In the line that tells a chunk's size.
    Size { size: u64, told: bool },
    /// In a chunk, so many bytes before its end.
    Chunk(u64),
    /// In the line's end behind a chunk.
    ChunkEnd,
    /// In a line behind the last chunk; whether it is empty so far.
    Trailer { empty: bool },
}

impl Offers {
    /// Masks what offers there are in the next bytes of the connection.
    fn mask(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let byte = bytes[0];
            // One byte, or as many at once as do not matter.
            let mut taken = 1;
            match self.at {
                At::Name => self.name(byte),
                At::Option(_) | At::Protocol | At::Length | At::Coding if byte == b'\n' => {
                    self.at = At::Name;
                }
                At::Option(read) => self.at = At::Option(option(read, &mut bytes[0])),
                At::Protocol | At::Coding if byte.is_ascii_whitespace() => {}
                At::Protocol => {
                    bytes[0] = MASK;
                    self.at = At::Rest;
                }
                At::Coding => {
                    self.chunked |= byte.eq_ignore_ascii_case(&b'c');
                    self.at = At::Rest;
                }
                At::Length => {
                    if byte.is_ascii_digit() {
                        let digit = u64::from(byte - b'0');
                        self.body = self.body.saturating_mul(10).saturating_add(digit);
                    }
                }
                At::Rest | At::ChunkEnd => match memchr::memchr(b'\n', bytes) {
                    Some(end) => {
                        taken = end + 1;
                        self.at = match self.at {
                            At::Rest => At::Name,
                            _ => NEW_CHUNK,
                        };
                    }
                    None => taken = bytes.len(),
                },
                At::Body(left) => taken = self.skip(left, bytes.len(), At::Body, At::Name),
                At::Chunk(left) => taken = self.skip(left, bytes.len(), At::Chunk, At::ChunkEnd),
                At::Size { size, told } => self.at = chunk(size, told, byte),
                At::Trailer { empty } => {
                    self.at = match byte {
                        b'\n' if empty => At::Name,
                        b'\n' => At::Trailer { empty: true },
                        b'\r' => At::Trailer { empty },
                        _ => At::Trailer { empty: false },
                    }
                }
            }
            bytes = &mut bytes[taken..];
        }
    }

    /// Takes a byte of a header's name, or what ends it.
    fn name(&mut self, byte: u8) {
        match byte {
            b'\r' => {}
            b'\n' if self.length > 0 => self.length = 0,
            b'\n' if self.begun => {
                self.at = match (self.chunked, self.body) {
                    (true, _) => NEW_CHUNK,
                    (false, 0) => At::Name,
                    (false, length) => At::Body(length),
                };
                (self.begun, self.chunked, self.body) = (false, false, 0);
            }
            b'\n' => {}
            b':' => {
                self.at = match &self.name[..self.length] {
                    b"connection" => At::Option(Some(0)),
                    b"upgrade" => At::Protocol,
                    b"content-length" => At::Length,
                    b"transfer-encoding" => At::Coding,
                    _ => At::Rest,
                };
                (self.begun, self.length) = (true, 0);
            }
            byte => match self.name.get_mut(self.length) {
                Some(place) => {
                    *place = byte.to_ascii_lowercase();
                    self.length += 1;
                    self.begun = true;
                }
                None => (self.at, self.length) = (At::Rest, 0),
            },
        }
    }

    /// Takes as many of `there` bytes as are `left`.
    fn skip(&mut self, left: u64, there: usize, within: fn(u64) -> At, then: At) -> usize {
        let taken = usize::try_from(left).unwrap_or(there).min(there);
        let left = left - taken as u64;
        self.at = if left == 0 { then } else { within(left) };
        taken
    }
}

const NEW_CHUNK: At = At::Size {
    size: 0,
    told: false,
};

/// Takes a byte of a `Connection`'s value, of whose present option so much was like the one that is looked for.
/// Its last byte is masked, also where a longer option begins like that: there is none.
fn option(read: Option<usize>, byte: &mut u8) -> Option<usize> {
    match (read, &*byte) {
        (_, b',') => Some(0),
        (Some(0), b' ' | b'\t') => Some(0),
        (Some(read), byte_) if OPTION.get(read) == Some(&byte_.to_ascii_lowercase()) => {
            if read + 1 == OPTION.len() {
                *byte = MASK;
            }
            Some(read + 1)
        }
        _ => None,
    }
}

/// Takes a byte of the line that tells a chunk's size.
fn chunk(size: u64, told: bool, byte: u8) -> At {
    let digit = char::from(byte).to_digit(16);
    match (byte, digit) {
        (b'\n', _) if size == 0 => At::Trailer { empty: true },
        (b'\n', _) => At::Chunk(size),
        (_, Some(digit)) if !told => At::Size {
            size: size.saturating_mul(16).saturating_add(digit.into()),
            told,
        },
        // What follows is an extension.
        _ => At::Size { size, told: true },
    }
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
