//! The yardstick of `scripts/bench`: actix-web answering a constant of the same length as `/alloc`'s body,
//! with as many workers as `id-alloc` has, and nothing else: no middleware, no metrics, no extractor.
//!
//! `constant PORT`; 0 takes a free port, which the line it prints names. `constant PORT later` answers in the next
//! turn of the worker's loop instead of at once: what any answer that comes from somewhere else costs at least.

use actix_web::{App, HttpResponse, HttpServer, http::header, web};
use std::io::{Error, Write as _};

/// As `/alloc` answers it for ids of ten digits, which those of `scripts/bench` are.
const BODY: &str = r#"{"errno":0,"msg":"success","id":1000000000}"#;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| Error::other("usage: constant PORT"))?;
    let is_later = std::env::args().nth(2).is_some_and(|word| word == "later");
    let app = move || {
        let route = match is_later {
            true => web::get().to(later),
            false => web::get().to(constant),
        };
        App::new().route("/alloc", route)
    };
    let server = HttpServer::new(app)
        .workers(std::thread::available_parallelism().map_or(1, usize::from))
        .bind(("127.0.0.1", port))?;
    for address in server.addrs() {
        writeln!(std::io::stdout(), "listening on http://{address}")?;
    }
    server.run().await
}

async fn constant() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(BODY)
}

async fn later() -> HttpResponse {
    tokio::task::yield_now().await;
    constant().await
}
