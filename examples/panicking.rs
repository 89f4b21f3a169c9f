//! The server as `id-alloc serve` runs it, but that the actor of the tag `panicking` panics ten times a second:
//! what `scripts/bench isolation` measures another tag beside. Configured by the environment alone.

use id_alloc::{
    actors::Crash,
    config::Config,
    domain::BizTag,
    startup::{Application, Stop},
};
use std::{
    io::{Error, Write as _},
    time::Duration,
};

/// Between two panics.
const PAUSE: Duration = Duration::from_millis(100);

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::other(error.to_string());
    let loaded = Config::load(None, std::env::vars()).map_err(|error| failed(&error))?;
    let application = Application::build(loaded.config).await;
    let application = application.map_err(|error| failed(&error))?;
    let tag = BizTag::parse("panicking").map_err(|error| failed(&error))?;
    writeln!(std::io::stdout(), "{}", application.start_line())?;
    let allocation = application.allocation().clone();
    actix_web::rt::spawn(async move {
        loop {
            allocation.crash(Crash::Tag(&tag));
            actix_web::rt::time::sleep(PAUSE).await;
        }
    });
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stop = async || {
        terminate.recv().await;
        Stop::Now
    };
    let ended = application.run_until_stopped(stop).await;
    ended.map_err(|error| failed(&error))
}
