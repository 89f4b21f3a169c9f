//! What a request and a loaded tag take from the heap, counted and compared with stored figures: unlike
//! times, these are the same on every machine, so a `clone` or a `String` more per request shows.
//!
//! One test alone, in a program of its own: the counter sees every thread.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of tests fails by panicking, and says what it counted"
)]

#[path = "../benches/support/mod.rs"]
mod support;

use actix_web::{
    App,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    test, web,
};
use futures_util::future::join_all;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{
    alloc::System,
    time::{Duration, Instant},
};
use support::{Parts, tag};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Heap allocations of one `/alloc` on a loaded tag when it is the only request, in all threads, above
/// those of an app that answers a constant (the framework's, and those of the test). Fewer than the constant's, whose
/// handler actix-web boxes once more, and whose app has a router.
const ALONE: f64 = -3.0;

/// The same when 50 come at once.
const TOGETHER: f64 = -3.0;

/// Another allocation per request is past it. What happens now and then (checks of the store) is not.
const TOLERANCE: f64 = 0.5;

/// The most bytes of the heap that a loaded tag may hold at rest: its buffer, its place in the directory. The
/// directory's table doubles at sizes that differ with its random hashes, so this is a ceiling and no figure.
const PER_TAG: f64 = 0.8 * 1024.0;

/// Actors end within a few seconds.
const PATIENCE: Duration = Duration::from_secs(30);

const REQUESTS: usize = 10_000;
const BATCH: usize = 50;
const TAGS: usize = 5000;

/// What was counted, and what is stored.
struct Figure(&'static str, f64, f64);

impl Figure {
    /// Whether it is as stored. Less is not either, so that a gain is kept.
    fn is_known(&self) -> bool {
        let Self(what, counted, stored) = self;
        println!("{what}: {counted:.2}, stored {stored} ± {TOLERANCE}");
        (counted - stored).abs() <= TOLERANCE
    }
}

/// Heap allocations, first ones and growth, while this runs.
async fn counted(run: impl Future<Output = ()>) -> f64 {
    let region = Region::new(HEAP);
    run.await;
    let change = region.change();
    (change.allocations + change.reallocations) as f64
}

/// Sends `rounds` times `together` requests.
async fn send<R, S, B>(app: &S, rounds: usize, together: usize, request: impl Fn() -> R)
where
    S: Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    for _ in 0..rounds {
        join_all((0..together).map(|_| async {
            let response = app.call(request()).await.unwrap();
            assert!(response.status().is_success());
        }))
        .await;
    }
}

#[actix_web::test]
async fn a_request_and_a_loaded_tag_take_no_more_of_the_heap_than_is_known() {
    let names: Vec<String> = (0..TAGS).map(|number| format!("tag-{number:05}")).collect();
    let parts = Parts::start(names.iter().map(String::as_str).chain(["test"]));
    let allocator = parts.allocation.allocator();
    let routes = id_alloc::http::routes(
        parts.allocation.allocator(),
        parts.shared.clone(),
        id_alloc::http::Options::default(),
    );
    let app = test::init_service(routes).await;
    let request = || test::TestRequest::with_uri("/alloc?biz_tag=test").to_request();

    // The tag is loaded and every table and queue has its size.
    send(&app, 200, BATCH, request).await;

    let plain = App::new().route("/alloc", web::get().to(async || "constant"));
    let plain = test::init_service(plain).await;
    let mut above = Vec::new();
    for together in [1, BATCH] {
        let rounds = REQUESTS / together;
        let all = counted(send(&app, rounds, together, request)).await;
        let framework = counted(send(&plain, rounds, together, request)).await;
        above.push((all - framework) / REQUESTS as f64);
    }

    let region = Region::new(HEAP);
    for name in &names {
        allocator.allocate(&tag(name), 1).await.unwrap();
    }
    let per_tag = || {
        let change = region.change();
        let held = change.bytes_allocated as isize - change.bytes_deallocated as isize;
        held as f64 / TAGS as f64
    };
    let began = Instant::now();
    while per_tag() > PER_TAG && began.elapsed() < PATIENCE {
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
    let per_tag = per_tag();

    println!("bytes per loaded tag at rest: {per_tag:.0}, at most {PER_TAG:.0}");
    assert!(per_tag <= PER_TAG, "a loaded tag takes more than it may");

    let figures = [
        Figure("allocations per request, alone", above[0], ALONE),
        Figure("… 50 together", above[1], TOGETHER),
    ];
    let known = figures.map(|figure| figure.is_known());
    assert_eq!(
        known, [true; 2],
        "the heap is used otherwise than stored, see above. If that is as it should be, change the figures in \
         tests/allocations.rs and say why in the commit."
    );
}
