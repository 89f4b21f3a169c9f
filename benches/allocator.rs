//! What an id takes from the `Allocator`, without HTTP and without a database.
//!
//! - `64 callers`: that many tasks of one worker ask for one id after the other; time per id, all together.
//! - `one caller`: one task does; time from asking to having.
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

mod support;

use criterion::Criterion;
use futures_util::future::join_all;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use support::{CALLERS, Parts, tag};

fn main() {
    let system = actix_web::rt::System::new();
    let parts = system.block_on(async { Parts::start(["test"]) });
    let allocator = Rc::new(parts.allocation.allocator());
    let tag = tag("test");
    let ask = |ids: u64, callers: u32| -> Duration {
        let each = ids.div_ceil(u64::from(callers));
        system.block_on(async {
            allocator.allocate(&tag, 1).await.unwrap();
            let began = Instant::now();
            let tasks = (0..callers).map(|_| {
                let (allocator, tag) = (allocator.clone(), tag.clone());
                actix_web::rt::spawn(async move {
                    for _ in 0..each {
                        allocator.allocate(&tag, 1).await.unwrap();
                    }
                })
            });
            for done in join_all(tasks).await {
                done.unwrap();
            }
            let taken = began.elapsed().as_secs_f64() / (each * u64::from(callers)) as f64;
            Duration::from_secs_f64(taken * ids as f64)
        })
    };
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("allocator");
    group.bench_function("64 callers", |bench| {
        bench.iter_custom(|ids| ask(ids, CALLERS));
    });
    group.bench_function("one caller", |bench| {
        bench.iter_custom(|ids| ask(ids, 1));
    });
    group.finish();
    criterion.final_summary();
}
