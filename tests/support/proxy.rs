//! A TCP link that can be cut, held up and restored: a broken network between server and database.

use std::net::SocketAddr;
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
        let accepting = tokio::spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                let (target, state) = (targets.borrow().clone(), state.clone());
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    // Errors and cuts end both directions by dropping both sockets.
                    let mut watching = state.clone();
                    tokio::select! {
                        _ = watching.wait_for(|&link| link == Link::Cut) => {}
                        _ = cut.changed() => {}
                        _ = join(inner, target, state) => {}
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

async fn join(
    inner: TcpStream,
    target: String,
    state: watch::Receiver<Link>,
) -> std::io::Result<()> {
    let outer = TcpStream::connect(target).await?;
    inner.set_nodelay(true)?;
    outer.set_nodelay(true)?;
    let (inner_read, inner_write) = inner.into_split();
    let (outer_read, outer_write) = outer.into_split();
    tokio::select! {
        ended = pass(inner_read, outer_write, state.clone()) => ended,
        ended = pass(outer_read, inner_write, state) => ended,
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<Link>,
) -> std::io::Result<()> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        let link = state.wait_for(|&link| link != Link::Hung).await;
        let link = link.map_or(Link::Cut, |link| *link);
        if let Link::Slow(delay) = link {
            tokio::time::sleep(delay).await;
        }
        to.write_all(&piece[..length]).await?;
    }
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

    #[tokio::test]
    async fn a_link_is_up_hung_cut_and_up_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let echo = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
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
        echo.abort();
    }
}
