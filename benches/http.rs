//! What a request takes in the routes as production has them (middleware, metrics, root span), from a
//! parsed request to the response's body, without a socket: 64 requests at a time, time per request.
//!
//! - `alloc`: `/alloc` with the actors behind it, on a store in memory.
//! - `constant`: a route that answers a constant of the same length in an app of its own, no middleware.
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

mod support;

use actix_web::{
    App, Error, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    http::header,
    test, web,
};
use criterion::Criterion;
use futures_util::future::join_all;
use std::time::{Duration, Instant};
use support::{CALLERS, Parts};

const BODY: &str = r#"{"errno":0,"msg":"success","id":1000000000}"#;

async fn constant() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(BODY)
}

/// Sends so many requests, 64 at a time, and says how long each took on average, times `requests`.
async fn send<R, S, B>(app: &S, requests: u64, request: impl Fn() -> R) -> Duration
where
    S: Service<R, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let rounds = requests.div_ceil(u64::from(CALLERS));
    let began = Instant::now();
    for _ in 0..rounds {
        join_all((0..CALLERS).map(|_| async {
            let response = app.call(request()).await.unwrap();
            assert!(response.status().is_success());
            let body = actix_web::body::to_bytes(response.into_body()).await;
            assert!(body.is_ok_and(|body| !body.is_empty()));
        }))
        .await;
    }
    let taken = began.elapsed().as_secs_f64() / (rounds * u64::from(CALLERS)) as f64;
    Duration::from_secs_f64(taken * requests as f64)
}

fn main() {
    let system = actix_web::rt::System::new();
    let (parts, plain) = system.block_on(async {
        let plain = App::new().route("/alloc", web::get().to(constant));
        (Parts::start(["test"]), test::init_service(plain).await)
    });
    let routes = id_alloc::http::routes(
        parts.allocation.allocator(),
        parts.shared.clone(),
        id_alloc::http::Options::default(),
    );
    let routes = system.block_on(test::init_service(routes));

    let request = || test::TestRequest::with_uri("/alloc?biz_tag=test").to_request();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("http");
    group.bench_function("alloc", |bench| {
        bench.iter_custom(|requests| system.block_on(send(&routes, requests, request)));
    });
    group.bench_function("constant", |bench| {
        bench.iter_custom(|requests| system.block_on(send(&plain, requests, request)));
    });
    group.finish();
    criterion.final_summary();
}
