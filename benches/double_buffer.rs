//! What `DoubleBuffer` takes per id, by itself: no actor, no thread, no clock.
//!
//! - `per id`: 64 callers of one id each in one batch, as the workers gather them under load, with the
//!   question for the next load after each batch as its actor asks it, and segments from a claim that
//!   always succeeds at once; divided by the ids.
//! - `batch of one`: the same with one caller per batch, as when there is hardly any load.
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

mod support;

use criterion::Criterion;
use id_alloc::domain::{Batch, DoubleBuffer, IdRange};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use support::{CALLERS, step};

/// The step of the row that the claims come from.
const STEP: i64 = 100_000;

/// A row without a database.
struct Row {
    max_id: i64,
}

impl Row {
    fn claim(&mut self, want: i64) -> IdRange {
        self.max_id += want;
        IdRange::claimed(self.max_id, want).unwrap()
    }
}

/// Hands out `ids` ids to batches of so many callers, and says how long each took on average, times `ids`.
fn hand_out(ids: u64, callers: u32) -> Duration {
    let (mut buffer, mut row) = (DoubleBuffer::new(step(), 0), Row { max_id: 0 });
    let batches = ids.div_ceil(u64::from(callers));
    let began = Instant::now();
    let (mut now, deadline) = (began, began + Duration::from_secs(1 << 30));
    for _ in 0..batches {
        now += Duration::from_nanos(u64::from(callers) * 1000);
        let batch = Batch {
            count: 1,
            deadlines: vec![deadline; callers as usize],
            reply: (),
        };
        let mut granted = buffer.allocate(now, batch).is_some();
        while let Some(load) = buffer.next_load(now) {
            let range = row.claim(load.want.max(STEP));
            granted |= !buffer.offer(now, load.seq, range, STEP).1.is_empty();
        }
        assert!(black_box(granted));
    }
    let taken = began.elapsed().as_secs_f64() / (batches * u64::from(callers)) as f64;
    Duration::from_secs_f64(taken * ids as f64)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("double_buffer");
    group.bench_function("per id", |bench| {
        bench.iter_custom(|ids| hand_out(ids, CALLERS));
    });
    group.bench_function("batch of one", |bench| {
        bench.iter_custom(|ids| hand_out(ids, 1));
    });
    group.finish();
    criterion.final_summary();
}
