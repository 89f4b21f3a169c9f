//! What is allowed: the ranges of single values, and values that do not go together.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, time::Duration};

use tracing::level_filters::LevelFilter;

use super::{
    Config, Preload,
    layers::Layers,
    problems::Problems,
    tokens::{self, AdminToken, AllocToken},
};
use crate::domain::BizTag;

/// No duration here has a use beyond a year, and clocks overflow at centuries.
const LONGEST: Duration = Duration::from_secs(31_557_600);
const MINUTE: Duration = Duration::from_secs(60);
const ZERO: Duration = Duration::ZERO;
const SHORTEST: Duration = Duration::from_millis(1);
/// The width of `claimed_on`.
const IDENTITY_CHARS: usize = 255;
/// A column's name leaves room for `_migrations` within MySQL's 64.
const TABLE_CHARS: usize = 48;

struct Checks<'a> {
    layers: &'a Layers,
    problems: &'a mut Problems,
}

impl Checks<'_> {
    fn that(&mut self, ok: bool, key: &str, message: impl Display) {
        if !ok {
            self.problems.at(&self.layers.origin(key), key, message);
        }
    }

    fn number<T: PartialOrd + Display>(&mut self, key: &str, value: T, range: RangeInclusive<T>) {
        let message = format!("{value} is not within {} to {}", range.start(), range.end());
        self.that(range.contains(&value), key, message);
    }

    fn duration(&mut self, key: &str, value: Duration, shortest: Duration, longest: Duration) {
        let shown = humantime::format_duration;
        let (least, most) = (shown(shortest), shown(longest));
        let message = format!("{} is not within {least} to {most}", shown(value));
        self.that((shortest..=longest).contains(&value), key, message);
    }
}

/// Names every value that cannot serve, and warns of those likely not meant.
pub(super) fn check(config: &Config, layers: &Layers, problems: &mut Problems) {
    let mut checks = Checks { layers, problems };
    numbers(config, &mut checks);
    durations(config, &mut checks);
    texts(config, &mut checks);
    together(config, &mut checks);
}

fn numbers(config: &Config, checks: &mut Checks<'_>) {
    let Config {
        server,
        database,
        allocation,
        limits,
        telemetry,
        ..
    } = config;
    checks.number("server.workers", server.workers, 0..=1024);
    checks.number(
        "server.max_connections",
        server.max_connections,
        1..=10_000_000,
    );
    checks.number(
        "database.max_connections",
        database.max_connections,
        1..=10_000,
    );
    checks.number("allocation.id_limit", allocation.id_limit, 1..=i64::MAX);
    checks.number("allocation.max_step", allocation.max_step, 1..=i64::MAX);
    if let Some(skip) = database.failover_skip {
        checks.number("database.failover_skip", skip, 0..=i64::MAX);
    }
    checks.number("limits.max_count", limits.max_count, 1..=1_000_000);
    checks.number(
        "limits.max_waiting_per_tag",
        limits.max_waiting_per_tag,
        1..=10_000_000,
    );
    checks.number("limits.max_waiting", limits.max_waiting, 1..=10_000_000);
    checks.number("limits.unknown_tags", limits.unknown_tags, 1..=100_000_000);
    checks.number(
        "limits.max_loaded_tags",
        limits.max_loaded_tags,
        1..=100_000_000,
    );
    checks.number("limits.max_body", limits.max_body, 1..=16_777_216);
    checks.number("limits.max_query", limits.max_query, 1..=1_048_576);
    checks.number("telemetry.sample_ratio", telemetry.sample_ratio, 0.0..=1.0);
    checks.number(
        "telemetry.max_tag_series",
        telemetry.max_tag_series,
        0..=1_000_000,
    );
}

fn durations(config: &Config, checks: &mut Checks<'_>) {
    let Config {
        server,
        database,
        allocation,
        limits,
        telemetry,
        ..
    } = config;
    checks.duration("server.drain_delay", server.drain_delay, ZERO, LONGEST);
    checks.duration("server.grace_period", server.grace_period, ZERO, LONGEST);
    checks.duration("server.keep_alive", server.keep_alive, ZERO, LONGEST);
    checks.duration("server.write_timeout", server.write_timeout, ZERO, LONGEST);
    for (key, value) in [
        ("server.header_timeout", server.header_timeout),
        ("database.acquire_timeout", database.acquire_timeout),
        ("database.statement_timeout", database.statement_timeout),
        ("database.backoff_max", database.backoff_max),
        ("allocation.segment_duration", allocation.segment_duration),
        ("allocation.outage_budget", allocation.outage_budget),
        ("allocation.idle_after", allocation.idle_after),
        ("allocation.refresh", allocation.refresh),
    ] {
        checks.duration(key, value, SHORTEST, LONGEST);
    }
    checks.duration(
        "limits.request_deadline",
        limits.request_deadline,
        SHORTEST,
        MINUTE,
    );
    checks.duration(
        "limits.unknown_tag_ttl",
        limits.unknown_tag_ttl,
        ZERO,
        LONGEST,
    );
    checks.duration(
        "telemetry.slow_request",
        telemetry.slow_request,
        ZERO,
        LONGEST,
    );
}

fn texts(config: &Config, checks: &mut Checks<'_>) {
    let host = &config.server.host;
    let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control());
    checks.that(plain, "server.host", "must be an address or a host's name");

    let table = &config.database.table;
    let plain = (1..=TABLE_CHARS).contains(&table.len())
        && table
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    let message = format!("{table:?} is not 1 to {TABLE_CHARS} letters, digits, '_' or '$'");
    checks.that(plain, "database.table", message);

    if let Some(identity) = &config.database.server_identity {
        let plain =
            identity.chars().count() <= IDENTITY_CHARS && !identity.contains(char::is_control);
        let message =
            format!("must be at most {IDENTITY_CHARS} characters, none a control character");
        checks.that(plain, "database.server_identity", message);
    }
    if let Preload::Tags(tags) = &config.allocation.preload {
        for tag in tags {
            if let Err(reason) = BizTag::parse(tag) {
                checks.that(false, "allocation.preload", format!("{tag:?}: {reason}"));
            }
        }
    }
    // `module=level` or `level`, comma-separated.
    let level = &config.telemetry.log_level;
    let readable = level.split(',').all(|directive| {
        let level = directive.rsplit('=').next().unwrap_or_default().trim();
        !level.is_empty() && level.parse::<LevelFilter>().is_ok()
    });
    let message = format!(
        "{level:?} is not off, error, warn, info, debug or trace, nor such as \"info,id_alloc=debug\""
    );
    checks.that(readable, "telemetry.log_level", message);
    for (key, bind, port) in [
        (
            "telemetry.metrics_bind",
            &config.telemetry.metrics_bind,
            9880,
        ),
        ("admin.bind", &config.admin.bind, 9881),
    ] {
        if let Some(bind) = bind {
            let message =
                format!("{bind:?} is no address with a port, such as \"127.0.0.1:{port}\"");
            checks.that(bind.parse::<SocketAddr>().is_ok(), key, message);
        }
    }
    if let Some(file) = &config.admin.tokens_file
        && let Err(reason) = tokens::read::<AdminToken>(file)
    {
        checks.that(false, "admin.tokens_file", reason);
    }
    if let Some(file) = &config.alloc.tokens_file
        && let Err(reason) = tokens::read::<AllocToken>(file)
    {
        checks.that(false, "alloc.tokens_file", reason);
    }
    if let Some(endpoint) = &config.telemetry.otlp_endpoint {
        let url = url::Url::parse(endpoint).ok();
        let plain = url.is_some_and(|url| url.scheme() == "http" && url.has_host());
        let message = format!("{endpoint:?} is no such URL as \"http://127.0.0.1:4318\"");
        checks.that(plain, "telemetry.otlp_endpoint", message);
        checks.that(
            cfg!(feature = "otlp"),
            "telemetry.otlp_endpoint",
            "this id-alloc cannot export traces: build it with --features otlp",
        );
    }
}

fn together(config: &Config, checks: &mut Checks<'_>) {
    let Config {
        server,
        database,
        limits,
        telemetry,
        ..
    } = config;
    let address = |bind: &Option<String>| bind.as_ref()?.parse::<SocketAddr>().ok();
    let (metrics, admin) = (
        address(&telemetry.metrics_bind),
        address(&config.admin.bind),
    );
    for (key, bind) in [("telemetry.metrics_bind", metrics), ("admin.bind", admin)] {
        let same = bind.is_some_and(|bind| {
            server.host.parse() == Ok(bind.ip()) && bind.port() == server.port && bind.port() != 0
        });
        let message = "is the address that server.host and server.port name; give it another port";
        checks.that(!same, key, message);
    }
    let same = metrics.is_some_and(|bind| Some(bind) == admin && bind.port() != 0);
    let message = "is the address of telemetry.metrics_bind; give it another port";
    checks.that(!same, "admin.bind", message);
    if config.admin.bind.is_some() && config.admin.tokens_file.is_none() {
        let warning = "admin.bind does nothing without admin.tokens_file: the admin API is off";
        checks.problems.warn(warning.to_owned());
    }
    for (key, other, alone) in [
        (
            "server.tls.cert_file",
            "server.tls.key_file",
            server.tls.key_file.is_none(),
        ),
        (
            "server.tls.key_file",
            "server.tls.cert_file",
            server.tls.cert_file.is_none(),
        ),
    ] {
        let one = server.tls.cert_file.is_some() != server.tls.key_file.is_some();
        let message = format!("is set alone; give {other} too, or neither for plain HTTP");
        checks.that(!(one && alone), key, message);
    }
    if database.failover_skip == Some(0) {
        checks.problems.warn(
            "database.failover_skip is 0: after a failover that lost claims, ids repeat".to_owned(),
        );
    }
    if server.grace_period < limits.request_deadline {
        checks.problems.warn(
            "server.grace_period is shorter than limits.request_deadline: shutting down cuts waiting \
             requests off"
                .to_owned(),
        );
    }
    if limits.max_waiting_per_tag > limits.max_waiting {
        checks.problems.warn(
            "limits.max_waiting_per_tag is above limits.max_waiting: one tag can take every place"
                .to_owned(),
        );
    }
}
