//! What an id takes from a tag's open range, by itself: no actor, no clock, no request.
//!
//! - `per id`: one thread takes one id after the other, reminds the buffer when it is told to, as a request does,
//!   and refills it from a claim that always succeeds at once.
//! - `per id, two threads`: two threads take from one range that never ends.
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

mod support;

use criterion::Criterion;
use id_alloc::domain::{BizTag, Demand, DoubleBuffer, IdRange, OpenRange, Take, Waiting};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use support::step;

/// The step of the row that the claims come from.
const STEP: i64 = 100_000;

/// A tag and its row, without a database.
struct Tag {
    range: OpenRange,
    buffer: DoubleBuffer<()>,
    max_id: i64,
}

impl Tag {
    fn new() -> Self {
        Self {
            range: OpenRange::default(),
            buffer: DoubleBuffer::new(step(), 0),
            max_id: 0,
        }
    }

    fn take(&mut self, now: Instant) {
        match black_box(self.range.cursor.take(1)) {
            Take::Ids { remind: false, .. } => {}
            Take::Ids { remind: true, .. } => {
                self.buffer.remind(&self.range, now);
                self.load(now);
            }
            Take::Short | Take::Revoked => {
                let waiting = Waiting {
                    demand: Demand {
                        count: 1,
                        contiguous: false,
                    },
                    deadline: now + Duration::from_secs(1),
                    reply: (),
                };
                self.buffer.wait(&self.range, now, waiting);
                self.load(now);
            }
        }
    }

    fn load(&mut self, now: Instant) {
        while let Some(load) = self.buffer.next_load(&self.range, now, &tag(), 0) {
            let size = load.claim.want.max(STEP);
            self.max_id += size;
            let segment = IdRange::claimed(self.max_id, size).unwrap();
            self.buffer.offer(&self.range, now, load.seq, segment, STEP);
        }
    }
}

fn tag() -> BizTag {
    BizTag::parse("test").unwrap()
}

fn one_thread(ids: u64) -> Duration {
    let (mut tag, mut now) = (Tag::new(), Instant::now());
    let began = Instant::now();
    for _ in 0..ids {
        now += Duration::from_micros(1);
        tag.take(now);
    }
    began.elapsed()
}

fn two_threads(ids: u64) -> Duration {
    let (range, now) = (OpenRange::default(), Instant::now());
    let mut buffer = DoubleBuffer::<()>::new(step(), 0);
    let load = buffer.next_load(&range, now, &tag(), 0).unwrap();
    let segment = IdRange::claimed(1 << 60, 1 << 60).unwrap();
    buffer.offer(&range, now, load.seq, segment, STEP);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ids / 2 {
                    let _ = black_box(range.cursor.take(1));
                }
            });
        }
    });
    began.elapsed()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("open_range");
    group.bench_function("per id", |bench| bench.iter_custom(one_thread));
    group.bench_function("per id, two threads", |bench| {
        bench.iter_custom(two_threads);
    });
    group.finish();
    criterion.final_summary();
}
