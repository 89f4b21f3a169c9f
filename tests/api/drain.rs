//! A drain under load, request by request: whoever had a connection and sent a request gets an answer.
//!
//! HTTP clients try again on their own, which would hide a lost request; these here speak TCP.

use crate::support::checks::assert_distinct;
use crate::support::full;
use crate::support::server::Server;
use crate::support::tls::{self, Certificates};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const REQUEST: &[u8] = b"GET /alloc?biz_tag=test HTTP/1.1\r\nhost: test\r\n\r\n";

/// What one client saw.
#[derive(Debug, Default)]
struct Seen {
    ids: Vec<i64>,
    /// Requests that were sent on an open connection and got no whole answer.
    lost: Vec<String>,
}

/// Asks until no connection can be made any more. A connection is used again until the server says
/// that it closes it, or never where `fresh`.
async fn client(
    address: String,
    tls: Option<TlsConnector>,
    fresh: bool,
    draining: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
) -> Seen {
    let mut seen = Seen::default();
    loop {
        let mut stream = match open(&address, tls.as_ref()).await {
            Ok(stream) => stream,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
                assert!(draining.load(Ordering::SeqCst), "refused while it serves");
                return seen;
            }
        };
        for number in 1.. {
            asked.fetch_add(1, Ordering::SeqCst);
            match ask(&mut *stream).await {
                Ok((id, closes)) => {
                    seen.ids.push(id);
                    if closes || fresh {
                        break;
                    }
                }
                Err(why) => {
                    let lost = format!("request {number} of a connection: {why}");
                    seen.lost.push(lost);
                    break;
                }
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn open(address: &str, tls: Option<&TlsConnector>) -> std::io::Result<Box<dyn Stream>> {
    Ok(match tls {
        Some(connector) => Box::new(tls::open(connector, address).await?),
        None => Box::new(TcpStream::connect(address).await?),
    })
}

/// The id, and whether the server closes the connection.
async fn ask(stream: &mut dyn Stream) -> Result<(i64, bool), String> {
    let mut answer = Vec::new();
    let told =
        |what: &str, answer: &[u8]| format!("{what} after {:?}", String::from_utf8_lossy(answer));
    if let Err(error) = stream.write_all(REQUEST).await {
        return Err(told(&error.to_string(), &answer));
    }
    loop {
        match stream.read_buf(&mut answer).await {
            Ok(0) => return Err(told("closed", &answer)),
            Ok(_) => {}
            Err(error) => return Err(told(&error.to_string(), &answer)),
        }
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.ends_with('}')
        {
            assert!(head.starts_with("http/1.1 200"), "{text}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let id = body["id"].as_i64().unwrap();
            return Ok((id, head.contains("connection: close")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_answers_every_request_that_was_sent_on_an_open_connection() {
    drain(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_tls_does_so_too_and_breaks_no_handshake_off() {
    drain(Some(Certificates::new())).await;
}

async fn drain(certificates: Option<Certificates>) {
    for round in 0..if full() { 20 } else { 3 } {
        // A lost request means what it says, not that the machine is slow.
        let settings = [
            ("server.drain_delay", "300ms"),
            ("server.grace_period", "60s"),
            ("server.header_timeout", "60s"),
            ("limits.request_deadline", "60s"),
        ];
        let mut server = match &certificates {
            Some(certificates) => certificates.server(&settings).await,
            None => Server::start(&settings).await,
        };
        let tls = certificates.as_ref().map(|own| own.connector(&[]));
        let address = tls::address(&server).to_owned();
        let draining = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for number in 0..32 {
            let (address, draining) = (address.clone(), draining.clone());
            clients.spawn(client(
                address,
                tls.clone(),
                number % 2 == 0,
                draining,
                asked.clone(),
            ));
        }
        crate::support::eventually("the load", crate::support::PATIENCE, async || {
            (asked.load(Ordering::SeqCst) > 200).then_some(())
        })
        .await;
        draining.store(true, Ordering::SeqCst);
        server.signal("TERM");
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
        let mut ids = Vec::new();
        let mut lost = Vec::new();
        while let Some(seen) = clients.join_next().await {
            let seen = seen.expect("a client failed");
            ids.extend(seen.ids);
            lost.extend(seen.lost);
        }
        assert_distinct(&ids);
        let asked = asked.load(Ordering::SeqCst);
        let number = lost.len();
        assert_eq!(number, 0, "round {round}: {number} of {asked}: {lost:?}");
        assert_eq!(ids.len(), asked);
    }
}
