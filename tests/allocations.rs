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
    body::MessageBody,
    dev::{Service, ServiceResponse},
    test,
};
use futures_util::future::join_all;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, time::Duration};
use support::{Parts, tag};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Heap allocations of one `/alloc` on a loaded tag, all threads, when it is the only request.
const PER_REQUEST_ALONE: f64 = 0.0;

/// The same when 64 come at once and travel together.
const PER_REQUEST_TOGETHER: f64 = 0.0;

/// Heap allocations of the request itself as the test makes it, and of an app that answers a constant.
const TOLERANCE: f64 = 0.5;

/// Bytes of the heap that a loaded tag holds: its actor, its buffer, its place in the directory.
const PER_TAG: f64 = 0.0;

/// Part of it by which it may differ: tables double.
const TAG_TOLERANCE: f64 = 0.1;

const REQUESTS: usize = 10_000;
const TOGETHER: usize = 50;
const TAGS: usize = 5000;

/// Within the tolerance of the stored figure. Less fails too, so that a gain is kept.
fn compare(what: &str, counted: f64, stored: f64, tolerance: f64) {
    println!("{what}: {counted:.2}, stored {stored}");
    assert!(
        (counted - stored).abs() <= tolerance,
        "{what}: {counted:.2} instead of {stored} (± {tolerance:.1}). If that is as it should be, change the figure \
         in tests/allocations.rs and say why."
    );
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
    let routes = id_alloc::http::routes(parts.allocation.allocator(), parts.shared.clone());
    let app = test::init_service(routes).await;
    let request = || test::TestRequest::with_uri("/alloc?biz_tag=test").to_request();

    // The tag is loaded and every table and queue has its size.
    send(&app, 200, TOGETHER, request).await;

    let alone = counted(send(&app, REQUESTS, 1, request)).await / REQUESTS as f64;
    let rounds = REQUESTS / TOGETHER;
    let together = counted(send(&app, rounds, TOGETHER, request)).await / REQUESTS as f64;

    for name in &names[..TAGS / 5] {
        allocator.allocate(&tag(name), 1).await.unwrap();
    }
    let region = Region::new(HEAP);
    for name in &names[TAGS / 5..] {
        allocator.allocate(&tag(name), 1).await.unwrap();
    }
    // What the last claims hold is let go of on other threads.
    actix_web::rt::time::sleep(Duration::from_millis(200)).await;
    let change = region.change();
    let held = change.bytes_allocated as isize - change.bytes_deallocated as isize;
    let per_tag = held as f64 / (TAGS - TAGS / 5) as f64;

    compare(
        "allocations per request, alone",
        alone,
        PER_REQUEST_ALONE,
        TOLERANCE,
    );
    compare(
        "allocations per request, together",
        together,
        PER_REQUEST_TOGETHER,
        TOLERANCE,
    );
    compare(
        "bytes per loaded tag",
        per_tag,
        PER_TAG,
        PER_TAG * TAG_TOLERANCE,
    );
}
