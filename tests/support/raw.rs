//! HTTP as bytes over TCP, for what no client library would send; and what a server holds meanwhile.

use super::caller::Caller;
use super::server::Server;
use super::{PATIENCE, eventually};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection to the server.
pub(crate) async fn connect(server: &Caller) -> TcpStream {
    let address = super::tls::address(server);
    let stream = TcpStream::connect(address).await;
    stream.unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// Sends `bytes` while reading, until the server closes the connection, and gives all that it said. A
/// server that neither answers to the end nor closes fails the test.
pub(crate) async fn exchange(server: &Caller, bytes: &[u8], ends: bool) -> String {
    let (mut read, mut write) = connect(server).await.into_split();
    let mut said = Vec::new();
    let both = async {
        let sending = async {
            // A server may close before it has read everything.
            let sent = write.write_all(bytes).await;
            if ends && sent.is_ok() {
                let _ = write.shutdown().await;
            }
        };
        // A reset is a closed connection; what came before it counts.
        let _ = tokio::join!(sending, read.read_to_end(&mut said));
    };
    if tokio::time::timeout(PATIENCE, both).await.is_err() {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
        let said = String::from_utf8_lossy(&said);
        panic!("neither answered nor closed: {start:?}; it said {said:?}");
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Reads one response with a `Content-Length`, which must come.
pub(crate) async fn response(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let reading = async {
        let (mut said, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let text = String::from_utf8_lossy(&said).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    let named = name.eq_ignore_ascii_case("content-length");
                    named.then(|| value.trim().parse::<usize>().expect("a length"))
                });
                if body.len() >= length.unwrap_or(0) {
                    return text;
                }
            }
            let length = stream.read(&mut piece).await.expect("an answer");
            assert!(length > 0, "closed within an answer: {text:?}");
            said.extend_from_slice(&piece[..length]);
        }
    };
    let read = tokio::time::timeout(PATIENCE, reading).await;
    read.expect("an answer")
}

/// The status of a response, 0 where none came.
pub(crate) fn status(said: &str) -> u16 {
    let line = said.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let http = words.next().unwrap_or_default().starts_with("HTTP/1.");
    let number = words.next().unwrap_or_default();
    if http { number.parse().unwrap_or(0) } else { 0 }
}

/// Files and sockets that the server has open.
pub(crate) fn descriptors(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.pid());
    std::fs::read_dir(folder).expect("a process").count()
}

/// Waits until the server has no more than `count` files and sockets open.
pub(crate) async fn closed(server: &Server, count: usize, limit: Duration) {
    eventually("connections closed by the server", limit, async || {
        (descriptors(server) <= count).then_some(())
    })
    .await;
}

/// The server's memory in use, in KiB.
pub(crate) fn memory(server: &Server) -> i64 {
    let path = format!("/proc/{}/status", server.pid());
    let text = std::fs::read_to_string(path).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("VmRSS").parse().expect("a number")
}

/// How many files this process, and servers started by it, may open.
pub(crate) fn open_files() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").expect("limits");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(1024)
}

/// It serves `test` without giving an id twice, and nothing in it panicked.
pub(crate) async fn unharmed(server: &Server) {
    server.serves_on().await;
    let log = server.stderr();
    assert!(!log.contains("panicked"), "{log}");
}
