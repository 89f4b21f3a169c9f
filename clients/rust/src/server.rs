//! `Server`: one address, its kept connections, and one attempt to get a range from it.
//!
//! Connections are kept here rather than by a pool of the HTTP library, since only who knows whether a connection was
//! used before can tell a server that closed an idle connection (no failure) from one that broke off an answer.

use crate::{
    IdAllocError,
    answer::{self, Failure},
    tls::Tls,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use id_alloc_range::Run;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};

/// An answer with ids has about 60 bytes.
const LONGEST_BODY: usize = 64 << 10;
const MOST_IDLE: usize = 8;
const LONGEST_IDLE: Duration = Duration::from_secs(60);

type Connection = SendRequest<Empty<Bytes>>;

#[derive(Debug)]
pub(crate) struct Server {
    /// The address as it was given, for messages.
    pub(crate) name: String,
    pub(crate) is_https: bool,
    host: String,
    port: u16,
    /// For the `Host` header.
    authority: String,
    /// Up to and with `/range`.
    path: String,
    /// Open connections that nobody uses, with the time since when.
    idle: Mutex<Vec<(Connection, Instant)>>,
    /// It did not answer at all lately, so it is asked last until then, or until it answers.
    suspect_until: Mutex<Option<Instant>>,
}

/// What all requests of a client have in common.
pub(crate) struct Manner {
    /// `Bearer TOKEN`.
    pub(crate) authorization: Option<header::HeaderValue>,
    pub(crate) tls: Tls,
    /// Within so long an answer has to be there.
    pub(crate) patience: Duration,
}

impl Server {
    pub(crate) fn parse(address: &str) -> Result<Self, IdAllocError> {
        let name = address.trim_end_matches('/').to_owned();
        let refused = || {
            IdAllocError::Options(format!(
                "server address {address:?}: want http://HOST:PORT or https://HOST:PORT, perhaps with a path"
            ))
        };
        let uri: Uri = name.parse().map_err(|_| refused())?;
        let authority = uri.authority().ok_or_else(refused)?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refused()),
        };
        let has_more = name.contains(['#', '@']) || uri.query().is_some();
        let has_other_port =
            authority.as_str() != authority.host() && authority.port_u16().is_none();
        if has_more || has_other_port || authority.host().is_empty() {
            return Err(refused());
        }
        Ok(Self {
            is_https,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_https { 443 } else { 80 }),
            authority: authority.to_string(),
            path: format!("{}/range", uri.path().trim_end_matches('/')),
            name,
            idle: Mutex::default(),
            suspect_until: Mutex::default(),
        })
    }

    pub(crate) fn is_suspect(&self, now: Instant) -> bool {
        locked(&self.suspect_until).is_some_and(|until| until > now)
    }

    pub(crate) fn suspect(&self, until: Option<Instant>) {
        *locked(&self.suspect_until) = until;
    }

    /// Closes what is idle.
    pub(crate) fn disconnect(&self) {
        locked(&self.idle).clear();
    }

    /// Asks for a range once.
    pub(crate) async fn ask(&self, tag: &str, count: i64, manner: &Manner) -> Result<Run, Failure> {
        let attempt = self.exchange(tag, count, manner);
        let (status, headers, body) = tokio::time::timeout(manner.patience, attempt)
            .await
            .map_err(|_| "no answer in time".to_owned())
            .and_then(|answer| answer)
            .map_err(|message| Failure::no_answer(&self.name, message))?;
        answer::read(&self.name, status, &headers, &body, count)
    }

    /// One request and its whole answer. It is sent again, on a new connection, where a kept one turns out to be closed;
    /// a range that was claimed for nobody is a gap.
    async fn exchange(
        &self,
        tag: &str,
        count: i64,
        manner: &Manner,
    ) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        loop {
            let kept = self.kept();
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect(&manner.tls).await?,
            };
            let sent = match connection.ready().await {
                Ok(()) => {
                    let request = self.request(tag, count, manner)?;
                    connection.send_request(request).await
                }
                Err(error) => Err(error),
            };
            let response = match sent {
                Ok(response) => response,
                Err(error) if was_kept && is_closed(&error) => continue,
                Err(error) => return Err(text(&error)),
            };
            let (head, body) = response.into_parts();
            let body = match Limited::new(body, LONGEST_BODY).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Err("the answer does not end".to_owned());
                }
                Err(error) => return Err(format!("the answer broke off: {}", text(&*error))),
            };
            self.keep(connection);
            return Ok((head.status, head.headers, body));
        }
    }

    fn request(
        &self,
        tag: &str,
        count: i64,
        manner: &Manner,
    ) -> Result<Request<Empty<Bytes>>, String> {
        let tag = utf8_percent_encode(tag, NON_ALPHANUMERIC);
        let mut request = Request::post(format!("{}?biz_tag={tag}&count={count}", self.path))
            .header(header::HOST, &self.authority)
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_LENGTH, 0);
        if let Some(authorization) = &manner.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.body(Empty::new()).map_err(|error| text(&error))
    }

    async fn connect(&self, tls: &Tls) -> Result<Connection, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| text(&error))?;
        // Without it a request may wait for an acknowledgement; with it at worst a packet more is sent.
        stream.set_nodelay(true).map_err(|error| text(&error))?;
        if self.is_https {
            let stream = tls.connect(&self.host, stream).await;
            start(stream.map_err(|error| format!("TLS: {}", text(&error)))?).await
        } else {
            start(stream).await
        }
    }

    /// A connection that was used before and is open, as far as is known.
    fn kept(&self) -> Option<Connection> {
        let mut idle = locked(&self.idle);
        while let Some((connection, since)) = idle.pop() {
            if !connection.is_closed() && since.elapsed() < LONGEST_IDLE {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        let mut idle = locked(&self.idle);
        if !connection.is_closed() && idle.len() < MOST_IDLE {
            idle.push((connection, Instant::now()));
        }
    }
}

async fn start<T>(stream: T) -> Result<Connection, String>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| text(&error))?;
    tokio::spawn(async move {
        // Who waits for an answer is told of the error too.
        if let Err(error) = connection.await {
            tracing::trace!(error = text(&error), "a connection ended");
        }
    });
    Ok(sender)
}

/// Whether the connection ended before anything of an answer came, as an idle one may.
fn is_closed(error: &hyper::Error) -> bool {
    let by_io = error
        .source()
        .is_some_and(|source| source.is::<std::io::Error>());
    error.is_closed() || error.is_canceled() || error.is_incomplete_message() || by_io
}

/// An error with its causes, unless they say the same.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_have_a_path_and_need_no_port() {
        let parts = |address| {
            let server = Server::parse(address).unwrap();
            (server.host, server.port, server.path, server.is_https)
        };
        let is = |host: &str, port, path: &str, https| (host.into(), port, path.into(), https);
        assert_eq!(parts("http://a:1"), is("a", 1, "/range", false));
        assert_eq!(parts("http://a/"), is("a", 80, "/range", false));
        assert_eq!(parts("https://a/x/y/"), is("a", 443, "/x/y/range", true));
        assert_eq!(parts("http://[::1]:1"), is("::1", 1, "/range", false));
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused_by_name() {
        for address in [
            "",
            "a:8880",
            "a",
            "/x",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a?x=1",
            "http://a#x",
            "http://a:port",
        ] {
            let error = Server::parse(address).unwrap_err().to_string();
            assert!(error.contains(&format!("{address:?}")), "{error}");
        }
    }
}
