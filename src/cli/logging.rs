//! Logs go to standard error (`log_queue.rs`), pretty or as JSON; `RUST_LOG` wins over `telemetry.log_level`. Of thousands
//! of lines about as many tags a few are written, and the others counted (`log_bursts.rs`). With the cargo feature
//! `otlp`, spans go to an OpenTelemetry collector as well. Panics are logged as all else is.

use super::{Exit, log_bursts::LogBursts, log_queue::LogQueue};
use crate::config::{LogFormat, Telemetry};
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::FilterExt as _, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// What libraries say about their ordinary life is of no use to operators: each malformed request is
/// an error to actix-http, and each connection that a restarted database closed a warning to sqlx.
/// Changes by administrators are logged whatever the level is.
const LIBRARIES: &str = "actix_server=warn,actix_http=off,sea_orm_migration=warn,sqlx=error,\
    sqlx_core=error,hyper=warn,reqwest=warn,opentelemetry=warn,opentelemetry_sdk=warn,\
    opentelemetry_otlp=warn,opentelemetry_http=warn,id_alloc::audit=info";

/// How long whoever reads the log may take for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Logging for as long as it lives; its end waits until what was logged is written.
pub(super) struct Logging {
    lines: Arc<LogQueue>,
    bursts: LogBursts,
    #[cfg(feature = "otlp")]
    traces: Option<traces::Export>,
}

/// Starts logging for the whole process; where it runs already, nothing changes.
pub(super) fn init(telemetry: &Telemetry) -> Result<Logging, Exit> {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{LIBRARIES},{}", telemetry.log_level)));
    let bursts = LogBursts::default();
    let filter = filter.and(bursts.clone());
    let now_and_then = {
        let bursts = bursts.clone();
        move || bursts.tell(Instant::now())
    };
    let queue = LogQueue::start(std::io::stderr(), now_and_then)
        .map_err(|error| Exit::internal(format!("cannot start the log's thread: {error}")))?;
    let queue = Arc::new(queue);
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(queue.clone());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match telemetry.log_format {
        LogFormat::Json => Box::new(to_stderr.json().with_filter(filter)),
        LogFormat::Pretty => Box::new(to_stderr.with_ansi(false).with_filter(filter)),
    };
    let log = tracing_subscriber::registry().with(lines);
    #[cfg(feature = "otlp")]
    let (traces, log) = {
        let endpoint = telemetry.otlp_endpoint.as_deref();
        let export = endpoint.map(traces::Export::to).transpose();
        let export =
            export.map_err(|error| Exit::internal(format!("telemetry.otlp_endpoint: {error}")))?;
        let (traces, layer) = export.unzip();
        (traces, log.with(layer))
    };
    let _ = log.try_init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(Logging {
        lines: queue,
        bursts,
        #[cfg(feature = "otlp")]
        traces,
    })
}

/// The hook of the standard library would write to standard error by itself, and wait for whoever reads it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let text = panic.payload_as_str().unwrap_or("(no text)");
    let at = panic.location().map(ToString::to_string);
    let at = at.unwrap_or_default();
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!(thread, at, %backtrace, "panicked: {text}"),
        _ => tracing::error!(thread, at, "panicked: {text}"),
    }
}

impl Logging {
    pub(super) fn count_dropped(&self, counted: impl Fn(u64) + Send + Sync + 'static) {
        self.lines.count_dropped(counted);
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.traces.take() {
            traces.end();
        }
        self.bursts.tell_all();
        self.lines.flush(LAST_LINES);
    }
}

#[cfg(feature = "otlp")]
mod traces {
    //! Export of spans by OTLP over HTTP.

    use opentelemetry::{global, trace::TracerProvider as _};
    use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace};
    use std::time::Duration;
    use tracing_subscriber::{Layer, Registry, filter, layer::Layered};

    type Log = Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

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
