//! A slow network for `scripts/bench`: passes TCP connections on, each byte so much later.
//!
//! `delay HOST:PORT MILLISECONDS` listens on a free port, which the line it prints names, and holds what
//! goes in either direction for so many milliseconds. Unlike a sleep between two reads it does not lower
//! the throughput: what was read waits in a queue, each piece until its own time.

use std::{
    io::{Error, Write as _},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// Pieces that one direction of a connection may hold; then its sender waits.
const QUEUE: usize = 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(target), Some(Ok(delay))) = (
        arguments.next(),
        arguments.next().map(|delay| delay.parse()),
    ) else {
        return Err(Error::other("usage: delay HOST:PORT MILLISECONDS"));
    };
    let delay = Duration::from_millis(delay);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(
        std::io::stdout(),
        "listening on tcp://{}",
        listener.local_addr()?
    )?;
    loop {
        let (near, _) = listener.accept().await?;
        let target = target.clone();
        tokio::spawn(async move {
            if let Ok(far) = TcpStream::connect(target).await {
                join(near, far, delay);
            }
        });
    }
}

fn join(near: TcpStream, far: TcpStream, delay: Duration) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    hold(near_in, far_out, delay);
    hold(far_in, near_out, delay);
}

/// Passes one direction on; the end of the stream is as late as its bytes.
fn hold(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (queue, mut held) = mpsc::channel::<(Instant, Vec<u8>)>(QUEUE);
    tokio::spawn(async move {
        let mut piece = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let due = Instant::now() + delay;
            if queue.send((due, piece[..length].to_vec())).await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, piece)) = held.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
    });
}
