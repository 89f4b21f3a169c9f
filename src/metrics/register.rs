//! Metrics that are registered where they are made: `metrics!` names each once, with its type, name and help text.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};

/// A metric, or that there is one of its name already.
pub(super) type Made<C> = Result<C, prometheus::Error>;

/// A struct of metrics, whose fields are documented by their help texts, and `registered`, which makes and registers all
/// of them. What follows `and` it is given as it is.
macro_rules! metrics {
    (
        $(#[$about:meta])* pub struct $Name:ident {
            $($(#[$note:meta])* $seen:vis $field:ident: $Kind:ty =
                $($make:ident)::+($($name:literal, $help:literal $(, $more:expr)*)?);)+
        }
        $(and { $($(#[$other:meta])* $given:ident: $Given:ty,)+ })?
    ) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $Name {
            $($(#[$note])* $(#[doc = $help])? $seen $field: $Kind,)+
            $($($(#[$other])* $given: $Given,)+)?
        }

        impl $Name {
            pub(super) fn registered(
                registry: &prometheus::Registry $($(, $given: $Given)+)?
            ) -> $crate::metrics::register::Made<Self> {
                Ok(Self {
                    $($field: $($make)::+(registry $(, $name, $help $(, $more)*)?)?,)+
                    $($($given,)+)?
                })
            }
        }
    };
}
pub(super) use metrics;

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Made<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

pub(super) fn counter(registry: &Registry, name: &str, help: &str) -> Made<IntCounter> {
    register(registry, IntCounter::new(name, help)?)
}

pub(super) fn counters<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: [&str; N],
) -> Made<IntCounterVec> {
    register(
        registry,
        IntCounterVec::new(Opts::new(name, help), &labels)?,
    )
}

pub(super) fn gauge(registry: &Registry, name: &str, help: &str) -> Made<IntGauge> {
    register(registry, IntGauge::new(name, help)?)
}

/// By one label.
pub(super) fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Made<IntGaugeVec> {
    register(registry, IntGaugeVec::new(Opts::new(name, help), &[label])?)
}

/// `buckets`: their upper ends, in seconds.
pub(super) fn durations(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: [f64; 14],
) -> Made<Histogram> {
    let opts = HistogramOpts::new(name, help).buckets(buckets.into());
    register(registry, Histogram::with_opts(opts)?)
}

/// The same, by one label.
pub(super) fn durations_by(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: [f64; 14],
    label: &str,
) -> Made<HistogramVec> {
    let opts = HistogramOpts::new(name, help).buckets(buckets.into());
    register(registry, HistogramVec::new(opts, &[label])?)
}
