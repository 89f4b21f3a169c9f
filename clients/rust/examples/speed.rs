//! Measures ids from memory beside a plain `AtomicI64`, against a running server:
//!
//!     cargo run --release -p id-alloc-client --example speed -- http://127.0.0.1:8880 test 2
//!
//! The tag needs a large step. It prints a line of JSON for each measurement, of so many seconds each, which scripts/bench
//! reads. With a number of ids a second as a fourth argument it takes just so many, in memory or not.
#![allow(clippy::print_stdout, reason = "that is what it is for")]
#![allow(clippy::cast_precision_loss, reason = "rates")]

use id_alloc_client::{Client, IdAllocError, Tag};
use serde_json::{Value, json};
use std::{
    error::Error,
    fs,
    hint::black_box,
    sync::atomic::{AtomicI64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// So many ids are taken between two looks at the clock.
const BATCH: u64 = 10_000;
/// So many single calls are timed.
const TIMED: usize = 1_000_000;
/// The kernel counts processor time in these.
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [address, tag, seconds, rest @ ..] = arguments.as_slice() else {
        return Err("usage: speed ADDRESS TAG SECONDS [IDS_PER_SECOND]".into());
    };
    let duration = Duration::from_secs_f64(seconds.parse()?);
    let client = Client::builder().server(address.as_str()).build()?;
    let tag = client.tag(tag);
    if let [rate] = rest {
        println!("{}", paced(&tag, duration, rate.parse()?).await?);
    } else {
        all(&tag, duration).await?;
    }
    client.close().await;
    Ok(())
}

async fn all(tag: &Tag, duration: Duration) -> Result<(), IdAllocError> {
    // So that its ranges have their size.
    let (mut local, begun) = (tag.local(), Instant::now());
    while begun.elapsed() < duration {
        for _ in 0..BATCH {
            local.next().await?;
        }
    }
    for threads in [1, 2] {
        let counter = AtomicI64::new(0);
        measure("counter", threads, duration, || {
            let counter = &counter;
            move || Some(counter.fetch_add(1, Ordering::Relaxed))
        });
        measure("try next, shared", threads, duration, || {
            let tag = tag.clone();
            move || tag.try_next()
        });
        measure("try next, of one thread", threads, duration, || {
            let mut local = tag.local();
            move || local.try_next()
        });
    }
    println!("{}", latency(tag).await?);
    Ok(())
}

fn measure<T: FnMut() -> Option<i64> + Send>(
    what: &str,
    threads: usize,
    duration: Duration,
    taker: impl Fn() -> T,
) {
    let (begun, used) = (Instant::now(), cpu());
    let ids: u64 = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let taker = taker();
                scope.spawn(move || take_for(duration, taker))
            })
            .collect();
        let ids = running.into_iter().map(thread::ScopedJoinHandle::join);
        ids.map(Result::unwrap_or_default).sum()
    });
    let measured = json!({
        "what": what, "threads": threads, "ids": ids, "seconds": begun.elapsed().as_secs_f64(), "cpu": cpu() - used,
    });
    println!("{measured}");
}

fn take_for(duration: Duration, mut take: impl FnMut() -> Option<i64>) -> u64 {
    let (begun, mut ids) = (Instant::now(), 0_u64);
    while begun.elapsed() < duration {
        for _ in 0..BATCH {
            ids += u64::from(black_box(take()).is_some());
        }
    }
    ids
}

/// Nanoseconds of single calls, with what it takes to read the clock.
async fn latency(tag: &Tag) -> Result<Value, IdAllocError> {
    let mut times = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        let begun = Instant::now();
        black_box(tag.next().await?);
        times.push(begun.elapsed().as_nanos());
    }
    times.sort_unstable();
    let at = |thousandth: usize| times.get(TIMED * thousandth / 1000).copied();
    Ok(json!({"what": "latency", "p50": at(500), "p99": at(990), "p999": at(999), "ids": TIMED}))
}

async fn paced(tag: &Tag, duration: Duration, rate: f64) -> Result<Value, IdAllocError> {
    let (begun, used, mut ids) = (Instant::now(), cpu(), 0_u64);
    while begun.elapsed() < duration {
        while (ids as f64) < begun.elapsed().as_secs_f64() * rate {
            tag.next().await?;
            ids += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({"what": "paced", "threads": 1, "ids": ids, "seconds": seconds, "cpu": cpu() - used}))
}

/// Seconds of processor time of this process, user and system; 0 where there is no /proc.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2);
    ticks
        .filter_map(|tick| tick.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_PER_SECOND
}
