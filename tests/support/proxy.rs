//! A TCP link that can be cut, held up and restored: a broken network between server and database.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the link does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Passes them on.
    Up,
    /// Passes each piece on after so long.
    Slow(Duration),
    /// Holds them, and connections open: a network that swallows packets.
    Hung,
    /// Closes all connections, and new ones at once.
    Cut,
    /// Passes half of the next request that holds these bytes on and closes its connection; then it
    /// is up.
    BreakRequest(&'static [u8]),
    /// Passes the next request that holds these bytes on, swallows its answer and closes its
    /// connection; then it is up.
    SwallowAnswer(&'static [u8]),
}

/// A proxy on a free port of 127.0.0.1; it ends when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    link: watch::Sender<Link>,
    target: watch::Sender<String>,
    cuts: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens, and connects each connection to `target` (`host:port`).
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (link, state) = watch::channel(Link::Up);
        let (target, targets) = watch::channel(target.to_owned());
        let (cuts, cut) = watch::channel(());
        let switch = link.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                let (target, state) = (targets.borrow().clone(), state.clone());
                let switch = switch.clone();
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    // Errors and cuts end both directions by dropping both sockets.
                    let mut watching = state.clone();
                    tokio::select! {
                        _ = watching.wait_for(|&link| link == Link::Cut) => {}
                        _ = cut.changed() => {}
                        _ = join(inner, target, switch) => {}
                    }
                });
            }
        });
        Self {
            address,
            link,
            target,
            cuts,
            accepting,
        }
    }

    /// In front of the database at `url`; and the URL that leads through it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let mut url = url::Url::parse(url).expect("a URL");
        let host = url.host_str().expect("a host");
        let proxy = Self::to(&format!("{host}:{}", url.port().expect("a port"))).await;
        let ip = proxy.address.ip().to_string();
        url.set_host(Some(&ip)).expect("a host");
        url.set_port(Some(proxy.address.port())).expect("a port");
        (proxy, url.into())
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes the link, for open connections too.
    pub(crate) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// Leads new connections to `target`; open ones stay where they are.
    pub(crate) fn retarget(&self, target: &str) {
        self.target.send_replace(target.to_owned());
    }

    /// Closes the open connections, every one of them; new ones are served.
    pub(crate) fn cut_open(&self) {
        self.cuts.send_replace(());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.link.send_replace(Link::Cut);
        self.accepting.abort();
    }
}

/// Both directions of one connection, until either ends.
async fn join(inner: TcpStream, target: String, link: watch::Sender<Link>) -> std::io::Result<()> {
    let outer = TcpStream::connect(target).await?;
    inner.set_nodelay(true)?;
    outer.set_nodelay(true)?;
    let (inner_read, inner_write) = inner.into_split();
    let (outer_read, outer_write) = outer.into_split();
    let swallow = AtomicBool::new(false);
    tokio::select! {
        ended = requests(inner_read, outer_write, &link, &swallow) => ended,
        ended = answers(outer_read, inner_write, &link, &swallow) => ended,
    }
}

async fn requests(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    link: &watch::Sender<Link>,
    swallow: &AtomicBool,
) -> std::io::Result<()> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let bytes = passed(&mut from, &mut piece, link).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut half = false;
        link.send_if_modified(|link| {
            match *link {
                Link::BreakRequest(part) if contains(bytes, part) => half = true,
                Link::SwallowAnswer(part) if contains(bytes, part) => {
                    swallow.store(true, Ordering::SeqCst);
                }
                _ => return false,
            }
            *link = Link::Up;
            true
        });
        if half {
            return to.write_all(&bytes[..bytes.len() / 2]).await;
        }
        to.write_all(bytes).await?;
    }
}

async fn answers(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    link: &watch::Sender<Link>,
    swallow: &AtomicBool,
) -> std::io::Result<()> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let bytes = passed(&mut from, &mut piece, link).await?;
        if bytes.is_empty() || swallow.load(Ordering::SeqCst) {
            return Ok(());
        }
        to.write_all(bytes).await?;
    }
}

/// The next bytes, once the link passes them on; none at the end.
async fn passed<'a>(
    from: &mut (impl AsyncReadExt + Unpin),
    piece: &'a mut [u8],
    link: &watch::Sender<Link>,
) -> std::io::Result<&'a [u8]> {
    let length = from.read(piece).await?;
    let mut state = link.subscribe();
    let state = state.wait_for(|&link| link != Link::Hung).await;
    let state = state.map_or(Link::Cut, |link| *link);
    if let Link::Slow(delay) = state {
        tokio::time::sleep(delay).await;
    }
    Ok(&piece[..length])
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a byte and waits up to 300 ms for it to come back.
    async fn echoes(stream: &mut TcpStream) -> Option<std::io::Result<usize>> {
        let _ = stream.write_all(b"x").await;
        let limit = Duration::from_millis(300);
        tokio::time::timeout(limit, stream.read(&mut [0]))
            .await
            .ok()
    }

    /// A server that sends back what comes, and tells how many bytes came over each connection.
    async fn echo() -> (String, tokio::sync::mpsc::UnboundedReceiver<u64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let (ended, lengths) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let ended = ended.clone();
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let mut came = 0;
                    let mut piece = [0; 100];
                    while let Ok(length @ 1..) = read.read(&mut piece).await {
                        came += length as u64;
                        let _ = write.write_all(&piece[..length]).await;
                    }
                    let _ = ended.send(came);
                });
            }
        });
        (target, lengths)
    }

    #[tokio::test]
    async fn a_request_is_broken_or_its_answer_swallowed_once() {
        let (target, mut lengths) = echo().await;
        let proxy = Proxy::to(&target).await;
        for (link, arrived) in [
            (Link::BreakRequest(b"claim"), 1 + 5),
            (Link::SwallowAnswer(b"claim"), 1 + 10),
        ] {
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            proxy.set(link);
            assert!(matches!(echoes(&mut stream).await, Some(Ok(1))));
            stream.write_all(b"12claim890").await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert_eq!(answer, b"");
            assert_eq!(lengths.recv().await, Some(arrived), "{link:?}");
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            stream.write_all(b"claim").await.unwrap();
            stream.read_exact(&mut [0; 5]).await.unwrap();
            drop(stream);
            assert_eq!(lengths.recv().await, Some(5));
        }
    }

    #[tokio::test]
    async fn a_link_is_up_hung_cut_and_up_again() {
        let (target, _lengths) = echo().await;
        let proxy = Proxy::to(&target).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(matches!(echoes(&mut stream).await, Some(Ok(1))));
        proxy.set(Link::Hung);
        assert!(echoes(&mut stream).await.is_none());
        proxy.set(Link::Slow(Duration::from_millis(10)));
        assert!(matches!(echoes(&mut stream).await, Some(Ok(1))));
        proxy.set(Link::Cut);
        assert!(!matches!(echoes(&mut stream).await, None | Some(Ok(1))));
        proxy.set(Link::Up);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(matches!(echoes(&mut stream).await, Some(Ok(1))));
    }
}
