//! Logs go to standard error, pretty or as JSON; `RUST_LOG` wins over `telemetry.log_level`.

use crate::config::{LogFormat, Telemetry};
use tracing_subscriber::EnvFilter;

/// What libraries say about their ordinary life is of no use to operators: each malformed request is
/// an error to actix-http, and each connection that a restarted database closed a warning to sqlx.
const LIBRARIES: &str = "actix_server=warn,actix_http=off,sea_orm_migration=warn,sqlx=error,\
    sqlx_core=error";

/// Starts logging for the whole process; a second call does nothing.
pub(super) fn init(telemetry: &Telemetry) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{LIBRARIES},{}", telemetry.log_level)));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match telemetry.log_format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Pretty => builder.with_ansi(false).try_init(),
    };
}
