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
                    $($field: $($make)::+(registry $(, prometheus::Opts::new($name, $help) $(, $more)*)?)?,)+
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

pub(super) fn counter(registry: &Registry, opts: Opts) -> Made<IntCounter> {
    register(registry, IntCounter::with_opts(opts)?)
}

pub(super) fn counters<const N: usize>(
    registry: &Registry,
    opts: Opts,
    labels: [&str; N],
) -> Made<IntCounterVec> {
    register(registry, IntCounterVec::new(opts, &labels)?)
}

pub(super) fn gauge(registry: &Registry, opts: Opts) -> Made<IntGauge> {
    register(registry, IntGauge::with_opts(opts)?)
}

pub(super) fn gauges(registry: &Registry, opts: Opts, label: &str) -> Made<IntGaugeVec> {
    register(registry, IntGaugeVec::new(opts, &[label])?)
}

/// The upper ends of buckets, in seconds.
type Buckets = [f64; 14];

pub(super) fn durations(registry: &Registry, opts: Opts, buckets: Buckets) -> Made<Histogram> {
    let opts = HistogramOpts::from(opts).buckets(buckets.into());
    register(registry, Histogram::with_opts(opts)?)
}

pub(super) fn durations_by(
    registry: &Registry,
    opts: Opts,
    buckets: Buckets,
    label: &str,
) -> Made<HistogramVec> {
    let opts = HistogramOpts::from(opts).buckets(buckets.into());
    register(registry, HistogramVec::new(opts, &[label])?)
}
