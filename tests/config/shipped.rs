//! The files that come with the program: the built-in defaults, and the example for production.

use crate::{config, file, load};
use id_alloc::config::{Config, DatabaseKind, Guard, LogFormat, Preload};
use std::{path::PathBuf, time::Duration};

#[test]
fn the_shipped_default_is_complete_and_says_what_is_documented() {
    let loaded = load(None, &[]).unwrap();
    assert!(loaded.warnings.is_empty());
    let Config {
        server,
        database,
        allocation,
        limits,
        alloc,
        wire,
        admin,
        telemetry,
    } = loaded.config;
    let seconds = Duration::from_secs;
    let millis = Duration::from_millis;

    assert_eq!(
        (server.host.as_str(), server.port, server.workers),
        ("127.0.0.1", 8880, 0)
    );
    assert_eq!(
        (server.drain_delay, server.grace_period),
        (seconds(5), seconds(10))
    );
    assert_eq!(
        (server.max_connections, server.keep_alive),
        (25_000, seconds(75))
    );
    assert_eq!(
        (server.header_timeout, server.write_timeout),
        (seconds(5), seconds(30))
    );
    assert_eq!((server.tls.cert_file, server.tls.key_file), (None, None));

    assert_eq!(database.url.expose(), "sqlite://data/id-alloc.db?mode=rwc");
    let path = PathBuf::from("data/id-alloc.db");
    assert_eq!(database.url.kind(), DatabaseKind::Sqlite { path });
    assert_eq!(
        (database.password_file, database.server_identity),
        (None, None)
    );
    assert_eq!(
        (database.table.as_str(), database.max_connections),
        ("segments", 10)
    );
    assert_eq!(
        (database.acquire_timeout, database.statement_timeout),
        (millis(1500), seconds(2))
    );
    assert_eq!(
        (database.backoff_max, database.guard),
        (millis(500), Guard::Auto)
    );
    assert_eq!((database.failover_skip, database.failover_limit), (None, 3));

    assert_eq!(
        (allocation.segment_duration, allocation.outage_budget),
        (seconds(900), seconds(300))
    );
    assert_eq!(
        (allocation.max_step, allocation.id_limit),
        (100_000_000, i64::MAX)
    );
    assert_eq!(
        (allocation.idle_after, allocation.refresh),
        (seconds(3600), seconds(60))
    );
    assert_eq!(allocation.preload, Preload::Tags(Vec::new()));

    assert_eq!(
        (limits.max_count, limits.request_deadline),
        (10_000, seconds(2))
    );
    assert_eq!(
        (limits.max_waiting_per_tag, limits.max_waiting),
        (10_000, 50_000)
    );
    assert_eq!(
        (limits.unknown_tag_ttl, limits.unknown_tags),
        (seconds(2), 10_000)
    );
    assert_eq!(
        (limits.max_loaded_tags, limits.max_body, limits.max_query),
        (1_000_000, 16_384, 4096)
    );

    assert_eq!(
        (alloc.tokens_file, admin.tokens_file, admin.bind),
        (None, None, None)
    );
    assert_eq!((wire.tinyid, wire.leaf, wire.cosid), (false, false, false));
    assert_eq!(
        (
            wire.redis.bind,
            wire.redis.max_connections,
            wire.redis.idle_timeout
        ),
        (None, 10_000, seconds(3600))
    );
    assert_eq!(
        (telemetry.log_format, telemetry.log_level.as_str()),
        (LogFormat::Pretty, "info")
    );
    assert_eq!(
        (telemetry.slow_request, telemetry.sample_ratio),
        (millis(500), 0.0)
    );
    assert_eq!(
        (
            telemetry.metrics_bind,
            telemetry.otlp_endpoint,
            telemetry.max_tag_series
        ),
        (None, None, 1000)
    );
}

#[test]
fn the_production_example_is_accepted_as_shipped_and_with_every_comment_taken_up() {
    let text = include_str!("../../config/production.example.toml");
    assert_eq!(
        config(Some(&file("p.toml", text)), &[]).allocation.preload,
        Preload::Recent
    );
    let secret = file("secret", "hunter2\n");
    let password_file = format!("password_file = {:?}", secret.path.display().to_string());
    let taken_up: Vec<String> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.starts_with("password_file =") => password_file.clone(),
            Some(setting) if setting.split(' ').nth(1) == Some("=") => setting.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let config = config(Some(&file("p.toml", &taken_up.join("\n"))), &[]);
    assert_eq!(config.database.guard, Guard::On);
    assert!(config.database.url.expose().contains(":hunter2@"));
}
