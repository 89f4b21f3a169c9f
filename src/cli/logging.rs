//! Logs go to standard error, pretty or as JSON; `RUST_LOG` wins over `telemetry.log_level`. With the
//! cargo feature `otlp`, spans go to an OpenTelemetry collector as well.

use super::Exit;
use crate::config::{LogFormat, Telemetry};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Layered, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// What libraries say about their ordinary life is of no use to operators: each malformed request is
/// an error to actix-http, and each connection that a restarted database closed a warning to sqlx.
/// Changes by administrators are logged whatever the level is.
const LIBRARIES: &str = "actix_server=warn,actix_http=off,sea_orm_migration=warn,sqlx=error,\
    sqlx_core=error,hyper=warn,reqwest=warn,opentelemetry=warn,opentelemetry_sdk=warn,\
    opentelemetry_otlp=warn,opentelemetry_http=warn,id_alloc::audit=info";

type Log = Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

/// Logging for as long as it lives.
pub(super) struct Logging {
    #[cfg(feature = "otlp")]
    traces: Option<traces::Export>,
}

/// Starts logging for the whole process; where it runs already, nothing changes.
pub(super) fn init(telemetry: &Telemetry) -> Result<Logging, Exit> {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{LIBRARIES},{}", telemetry.log_level)));
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match telemetry.log_format {
        LogFormat::Json => Box::new(to_stderr.json().with_filter(filter)),
        LogFormat::Pretty => Box::new(to_stderr.with_ansi(false).with_filter(filter)),
    };
    let log = tracing_subscriber::registry().with(lines);
    start(log, telemetry)
}

#[cfg(not(feature = "otlp"))]
#[allow(clippy::unnecessary_wraps, reason = "it fails with the feature otlp")]
fn start(log: Log, _: &Telemetry) -> Result<Logging, Exit> {
    let _ = log.try_init();
    Ok(Logging {})
}

#[cfg(feature = "otlp")]
fn start(log: Log, telemetry: &Telemetry) -> Result<Logging, Exit> {
    let traces = match &telemetry.otlp_endpoint {
        Some(endpoint) => {
            let (export, layer) = traces::Export::to(endpoint)
                .map_err(|error| Exit::internal(format!("telemetry.otlp_endpoint: {error}")))?;
            let _ = log.with(layer).try_init();
            Some(export)
        }
        None => {
            let _ = log.try_init();
            None
        }
    };
    Ok(Logging { traces })
}

#[cfg(feature = "otlp")]
impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(traces) = self.traces.take() {
            traces.end();
        }
    }
}

#[cfg(feature = "otlp")]
mod traces {
    //! Export of spans by OTLP over HTTP.

    use super::Log;
    use opentelemetry::{global, trace::TracerProvider as _};
    use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace};
    use std::time::Duration;
    use tracing_subscriber::{Layer, filter};

    /// How long the collector may take for a batch, and for the last one at the end.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Sends spans in batches from a thread of its own; a full queue drops them.
    pub(super) struct Export(trace::SdkTracerProvider);

    impl Export {
        pub(super) fn to(
            endpoint: &str,
        ) -> Result<(Self, impl Layer<Log> + Send + Sync), ExporterBuildError> {
            let exporter = SpanExporter::builder()
                .with_http()
                .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
                .with_timeout(PATIENCE)
                .build()?;
            let service = Resource::builder().with_service_name("id-alloc").build();
            let provider = trace::SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(service)
                .build();
            global::set_text_map_propagator(TraceContextPropagator::new());
            let layer = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("id-alloc"))
                .with_filter(filter::filter_fn(|metadata| {
                    metadata.is_span() && metadata.target().starts_with("id_alloc")
                }));
            Ok((Self(provider), layer))
        }

        pub(super) fn end(self) {
            if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
                tracing::warn!(%error, "the last traces were not sent");
            }
        }
    }
}
