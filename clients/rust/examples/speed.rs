//! How many ids a second `try_next` gives, beside a plain `AtomicI64`, on one thread and on two:
//!
//!     cargo run --release -p id-alloc-client --example speed
//!
//! A server within the program answers, so fetching ranges is a part of what is measured.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use id_alloc_client::{Client, IdAllocError, Tag};
use std::{
    error::Error,
    hint::black_box,
    sync::atomic::{AtomicI64, Ordering},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(2);
/// So many ids are taken between two looks at the clock.
const BATCH: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let _entered = runtime.enter();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = format!("http://{}", listener.local_addr()?);
    runtime.spawn(serve(listener));

    let client = Client::builder()
        .server(address)
        .max_range(1 << 32)
        .build()?;
    let tag = client.tag("speed");
    // So that its ranges have their size.
    runtime.block_on(warm_up(&tag))?;

    for threads in [1, 2] {
        let counter = AtomicI64::new(0);
        report("AtomicI64, shared", threads, || {
            let counter = &counter;
            move || Some(counter.fetch_add(1, Ordering::Relaxed))
        });
        report("try_next, shared handle", threads, || {
            let tag = tag.clone();
            move || tag.try_next()
        });
        report("try_next, a handle for one thread each", threads, || {
            let mut local = tag.local();
            move || local.try_next()
        });
    }
    runtime.block_on(client.close());
    Ok(())
}

async fn warm_up(tag: &Tag) -> Result<(), IdAllocError> {
    let mut local = tag.local();
    let begun = Instant::now();
    while begun.elapsed() < WARM_UP {
        for _ in 0..BATCH {
            local.next().await?;
        }
    }
    Ok(())
}

fn report<T: FnMut() -> Option<i64> + Send>(what: &str, threads: usize, taker: impl Fn() -> T) {
    let rate: f64 = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let taker = taker();
                scope.spawn(move || ids_per_second(taker))
            })
            .collect();
        let rates = running.into_iter().map(thread::ScopedJoinHandle::join);
        rates.map(Result::unwrap_or_default).sum()
    });
    println!(
        "{what}, {threads} thread(s): {:.1} million ids/s",
        rate / 1e6
    );
}

#[allow(clippy::cast_precision_loss, reason = "a rate")]
fn ids_per_second(mut take: impl FnMut() -> Option<i64>) -> f64 {
    let (begun, mut ids) = (Instant::now(), 0_u64);
    while begun.elapsed() < MEASURED {
        for _ in 0..BATCH {
            ids += u64::from(black_box(take()).is_some());
        }
    }
    ids as f64 / begun.elapsed().as_secs_f64()
}

/// Answers every request with as many ids as it asks for.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let next = &*Box::leak(Box::new(AtomicI64::new(1)));
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, next));
    }
}

async fn answer(stream: TcpStream, next: &AtomicI64) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut count, mut line) = (0, String::new());
    while stream.read_line(&mut line).await? > 0 {
        if let Some((_, rest)) = line.split_once("count=") {
            let digits = rest.split(' ').next().unwrap_or_default();
            count = digits.parse().unwrap_or(0);
        }
        if line == "\r\n" {
            let first = next.fetch_add(count, Ordering::Relaxed);
            let body = format!(r#"{{"errno":0,"msg":"success","first":{first},"count":{count}}}"#);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await?;
        }
        line.clear();
    }
    Ok(())
}
