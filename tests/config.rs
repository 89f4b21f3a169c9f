//! What an operator may rely on about configuration: the shipped files are right, later layers win,
//! every mistake is named at once, go-id-alloc's file is taken, and no password is shown.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{fs, path::PathBuf, time::Duration};

use id_alloc::config::{Config, ConfigError, DatabaseKind, Guard, Loaded, LogFormat, Preload};
use tempfile::TempDir;

/// A directory with one file in it.
struct File {
    _dir: TempDir,
    path: PathBuf,
}

fn file(name: &str, text: &str) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    File { _dir: dir, path }
}

fn load(file: Option<&File>, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(file.map(|file| file.path.as_path()), env)
}

fn config(file: Option<&File>, env: &[(&str, &str)]) -> Config {
    load(file, env).unwrap().config
}

/// The problems, without the directory of the file.
fn problems(file: Option<&File>, env: &[(&str, &str)]) -> Vec<String> {
    let dir = file.map_or(String::from("\0"), |f| {
        format!("{}/", f.path.parent().unwrap().display())
    });
    let error = load(file, env).unwrap_err();
    assert_eq!(error.to_string(), error.problems.join("\n"));
    error
        .problems
        .iter()
        .map(|problem| problem.replace(&dir, ""))
        .collect()
}

#[track_caller]
fn assert_named(problems: &[String], expected: &[&str]) {
    for part in expected {
        assert!(
            problems.iter().any(|p| p.contains(part)),
            "{part:?} not in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

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
    let text = include_str!("../config/production.example.toml");
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

#[test]
fn the_file_wins_over_the_default_and_the_environment_over_the_file() {
    let toml = file(
        "c.toml",
        "server.port = 1\n[limits]\nmax_count = 5\n[allocation]\npreload = [\"a\"]",
    );
    let json = file(
        "c.json",
        r#"{"server":{"port":1},"limits":{"max_count":5},"allocation":{"preload":["a"]}}"#,
    );
    let env = [
        ("id_alloc__Server__PORT", "0"),
        ("ID_ALLOC__ALLOCATION__PRELOAD", "x, y z"),
        ("ID_ALLOC__DATABASE__FAILOVER_SKIP", "7"),
        ("ID_ALLOC__TELEMETRY__SAMPLE_RATIO", "0.5"),
        ("ID_ALLOC_PORT", "tcp://10.0.0.1:80"),
        ("PATH", "/bin"),
    ];
    for file in [&toml, &json] {
        let config = config(Some(file), &env);
        assert_eq!((config.server.port, config.limits.max_count), (0, 5));
        assert_eq!(
            config.allocation.preload,
            Preload::Tags(vec!["x".into(), "y z".into()])
        );
        assert_eq!(
            (config.database.failover_skip, config.telemetry.sample_ratio),
            (Some(7), 0.5)
        );
    }
    let recent = [("ID_ALLOC__ALLOCATION__PRELOAD", "recent")];
    assert_eq!(
        config(Some(&toml), &recent).allocation.preload,
        Preload::Recent
    );
}

#[test]
fn every_mistake_is_named_at_once_with_its_place() {
    let file = file(
        "c.toml",
        r#"
        [server]
        port = 70000
        drain-delay = "5s"
        grace_period = 10
        [database]
        url = "postgres://u:hunter2@h/d"
        table = "a b"
        guard = "maybe"
        password = "hunter2"
        [allocation]
        max_step = 0
        id_limit = 0
        preload = ["ok", "_other", 3]
        refresh = "60"
        [limits]
        request_deadline = "2m"
        [telemetri]
        log_format = "json"
        "#,
    );
    let env = [
        ("ID_ALLOC__TELEMETRY__SAMPLE_RATIO", "1.5"),
        ("ID_ALLOC__TELEMETRY__LOG_LEVEL", "loud"),
        ("ID_ALLOC__TELEMETRY__METRICS_BIND", "9880"),
        ("ID_ALLOC__TELEMETRY__MAX_TAG_SERIES", "many"),
        ("ID_ALLOC__LIMITS__COUNT", "1"),
        ("ID_ALLOC__SERVER__WORKERS", "-1"),
    ];
    let problems = problems(Some(&file), &env);
    assert_named(
        &problems,
        &[
            "c.toml: server.port: invalid value: integer `70000`, expected a whole number from 0 to 65535",
            "c.toml: server.drain-delay: no such key; did you mean server.drain_delay?",
            "c.toml: server.grace_period: 10 has no unit; write it as text, such as \"10s\"",
            "c.toml: database.url: must begin with mysql://",
            "c.toml: database.table: \"a b\"",
            "c.toml: database.guard: unknown variant `maybe`",
            "c.toml: database.password: no such key; did you mean database.password_file?",
            "c.toml: allocation.max_step: 0 is not within 1 to",
            "c.toml: allocation.id_limit: 0 is not within 1 to",
            "c.toml: allocation.preload: invalid type: integer `3`, expected text",
            "c.toml: allocation.refresh: 60 has no unit",
            "c.toml: limits.request_deadline: 2m is not within 1ms to 1m",
            "c.toml: telemetri.log_format: no such key; did you mean telemetry.log_format?",
            "environment variable ID_ALLOC__TELEMETRY__SAMPLE_RATIO: telemetry.sample_ratio: 1.5 is not",
            "environment variable ID_ALLOC__TELEMETRY__LOG_LEVEL: telemetry.log_level: \"loud\"",
            "environment variable ID_ALLOC__TELEMETRY__METRICS_BIND: telemetry.metrics_bind: \"9880\"",
            "environment variable ID_ALLOC__TELEMETRY__MAX_TAG_SERIES: telemetry.max_tag_series: invalid",
            "environment variable ID_ALLOC__LIMITS__COUNT: limits.count: no such key; did you mean limits.max_count?",
            "environment variable ID_ALLOC__SERVER__WORKERS: server.workers: invalid",
        ],
    );
    assert!(!problems.join("\n").contains("hunter2"));
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_line_and_without_its_content() {
    let missing = File {
        _dir: tempfile::tempdir().unwrap(),
        path: "/no/such.toml".into(),
    };
    assert_named(
        &problems(Some(&missing), &[]),
        &["such.toml: cannot read the file: No such file"],
    );
    let bad = file("c.toml", "[database]\nurl = \"mysql://u:hunter2@h/d\n");
    let found = problems(Some(&bad), &[("ID_ALLOC__SERVER__PORT", "x")]);
    assert_named(
        &found,
        &[
            "c.toml: TOML parse error at line 2, column",
            "ID_ALLOC__SERVER__PORT",
        ],
    );
    assert!(!found.join("\n").contains("hunter2"));
    let bad = file("c.json", "{\n\"database\": {\"url\": \"hunter2\"");
    let found = problems(Some(&bad), &[]);
    assert_named(&found, &["c.json: EOF while parsing an object at line 2"]);
    assert_named(
        &problems(Some(&file("c.yaml", "")), &[]),
        &["must end in .toml or .json"],
    );
    assert_named(
        &problems(Some(&file("c.json", "\"hunter2\"")), &[]),
        &["c.json: the file must hold a table of sections"],
    );
    assert_named(
        &problems(
            Some(&file("c.toml", "server = 5\nport = 1\n\"server.port\" = 2")),
            &[],
        ),
        &[
            "server: is a section",
            "port: no such key; did you mean server.port",
            "server\u{b7}port: no such key",
        ],
    );
}

#[test]
fn the_password_file_becomes_the_password_and_nothing_shows_it() {
    let secret = file("secret", "  p@ss:w/ord#\u{e9} \n");
    let path = secret.path.display().to_string();
    let env = [
        ("ID_ALLOC__DATABASE__URL", "mysql://u@h:3306/d"),
        ("ID_ALLOC__DATABASE__PASSWORD_FILE", path.as_str()),
    ];
    let config = config(None, &env);
    assert_eq!(
        config.database.url.expose(),
        "mysql://u:p%40ss%3Aw%2Ford%23%C3%A9@h:3306/d"
    );
    let shown = format!("{config:?}\n{}", config.effective());
    assert!(
        shown.contains("mysql://u:***@h:3306/d")
            && !shown.contains("w/ord")
            && !shown.contains("w%2F"),
        "{shown}"
    );

    let on_sqlite = [("ID_ALLOC__DATABASE__PASSWORD_FILE", path.as_str())];
    assert_named(
        &problems(None, &on_sqlite),
        &["database.password_file: database.url takes no password"],
    );
    // A wrong URL is named once, not a second time as the default that stands in for it.
    let wrong = [on_sqlite[0], ("ID_ALLOC__DATABASE__URL", "mysql://h")];
    assert_named(
        &problems(None, &wrong),
        &["database.url: names no database"],
    );
    let none = [("ID_ALLOC__DATABASE__PASSWORD_FILE", "/no/secret")];
    assert_named(
        &problems(None, &none),
        &["database.password_file: cannot read /no/secret"],
    );
}

#[test]
fn the_effective_configuration_can_be_read_back() {
    let env = [
        ("ID_ALLOC__ALLOCATION__PRELOAD", "a\"b,c\\d,é"),
        ("ID_ALLOC__DATABASE__FAILOVER_SKIP", "1000"),
        ("ID_ALLOC__SERVER__DRAIN_DELAY", "1m 1500ms"),
        ("ID_ALLOC__TELEMETRY__METRICS_BIND", "[::1]:9"),
    ];
    let before = config(None, &env);
    let text = before.effective();
    assert_eq!(config(Some(&file("c.toml", &text)), &[]), before, "{text}");
}

#[test]
fn sections_within_sections_are_keys_like_any_other() {
    let toml = "[server]\nport = 1\n[server.tls]\ncert_file = \"c\"\nkey_file = \"k\"";
    let json = r#"{"server": {"port": 1, "tls": {"cert_file": "c", "key_file": "k"}}}"#;
    for file in [
        file("c.toml", toml),
        file(
            "c.toml",
            "server.port = 1\nserver.tls = {cert_file = \"c\", key_file = \"k\"}",
        ),
        file("c.json", json),
    ] {
        let env = [("ID_ALLOC__SERVER__TLS__KEY_FILE", "other")];
        let before = config(Some(&file), &env);
        assert!(before.server.tls.is_on());
        assert_eq!(before.server.port, 1);
        assert_eq!(before.server.tls.cert_file, Some("c".into()));
        assert_eq!(before.server.tls.key_file, Some("other".into()));
        let text = before.effective();
        assert!(
            text.contains("\n[server.tls]\ncert_file = \"c\"\n"),
            "{text}"
        );
        assert_eq!(
            config(Some(&self::file("e.toml", &text)), &[]),
            before,
            "{text}"
        );
    }
    let wrong = file(
        "c.toml",
        "[server.tls]\ncert_file = 5\ncert-file = \"x\"\n[server]\n\"tls.key_file\" = \"x\"\n\
         [limits]\nmax_count = {a = 1}\n[no.such]\nkey = 1",
    );
    let env = [
        ("ID_ALLOC__SERVER__KEY_FILE", "k"),
        ("ID_ALLOC__SERVER__TLS", "on"),
        ("ID_ALLOC__SERVER__TLS__KEY_FILE", "k"),
    ];
    assert_named(
        &problems(Some(&wrong), &env),
        &[
            "c.toml: server.tls.cert_file: invalid type: integer `5`, expected text",
            "c.toml: server.tls.cert-file: no such key; did you mean server.tls.cert_file?",
            "c.toml: server.tls\u{b7}key_file: no such key",
            "c.toml: limits.max_count: invalid type: map",
            "c.toml: no.such.key: no such key",
            "ID_ALLOC__SERVER__KEY_FILE: server.key_file: no such key; did you mean server.tls.key_file?",
            "ID_ALLOC__SERVER__TLS: server.tls: no such key",
            "environment variable ID_ALLOC__SERVER__TLS__KEY_FILE: server.tls.key_file: is set alone; give \
             server.tls.cert_file too",
        ],
    );
    let near = load(None, &[("ID_ALLOC_SERVER_TLS_CERT_FILE", "x")]).unwrap();
    assert_named(
        &near.warnings,
        &["ID_ALLOC_SERVER_TLS_CERT_FILE is not used; write ID_ALLOC__SERVER__TLS__CERT_FILE"],
    );
}

#[test]
fn an_alloc_json_of_go_id_alloc_is_taken_and_the_environment_wins_over_it() {
    let text = r#"{"dsn": "root:p@ss/w@tcp(db)/ids?charset=utf8&autocommit=0", "Table": "segs",
        "HttpPort": 9000, "httpReadTimeout": 700, "httpWriteTimeout": 5000}"#;
    let file = file("alloc.json", text);
    let Loaded {
        config: found,
        warnings,
    } = load(Some(&file), &[]).unwrap();
    assert_eq!(
        (found.server.host.as_str(), found.server.port),
        ("0.0.0.0", 9000)
    );
    assert_eq!(found.server.header_timeout, Duration::from_millis(700));
    assert_eq!(found.server.write_timeout, Duration::from_secs(5));
    assert_eq!(found.database.table, "segs");
    assert_eq!(
        found.database.url.expose(),
        "mysql://root:p%40ss%2Fw@db:3306/ids?ssl-mode=DISABLED"
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("dsn: the parameter autocommit")),
        "{warnings:?}"
    );
    let env = [
        ("ID_ALLOC__SERVER__HOST", "::1"),
        ("ID_ALLOC__DATABASE__TABLE", "other"),
    ];
    let found = config(Some(&file), &env);
    assert_eq!(
        (found.server.host.as_str(), found.database.table.as_str()),
        ("::1", "other")
    );
}

#[test]
fn mistakes_in_an_alloc_json_are_named_by_its_own_keys_and_without_the_password() {
    let text = r#"{"DSN": "root:hunter2@tcp(db:x)/ids", "Tables": "s", "HTTPPORT": 99999,
        "httpReadTimeout": "5s", "table": "a-b"}"#;
    let found = problems(Some(&file("alloc.json", text)), &[]);
    assert_named(
        &found,
        &[
            "alloc.json: DSN: database.url: has a port that is no number",
            "alloc.json: Tables: no such key",
            "alloc.json: HTTPPORT: server.port: invalid value: integer `99999`",
            "alloc.json: httpReadTimeout: server.header_timeout: must be whole milliseconds",
            "alloc.json: table: database.table: \"a-b\"",
        ],
    );
    assert!(!found.join("\n").contains("hunter2"));
}

#[test]
fn what_is_legal_but_hardly_meant_is_warned_about() {
    let env = [
        ("ID_ALLOC_DATABASE__TABLE", "x"),
        ("ID_ALLOC_SERVER_PORT", "1"),
        ("id_alloc_database_max_connections", "1"),
        ("ID_ALLOC_LIMITS__NO_SUCH", "1"),
        // Set by Kubernetes for a service of this name.
        ("ID_ALLOC_SERVICE_HOST", "10.0.0.1"),
        ("ID_ALLOC_PORT_8880_TCP_PORT", "8880"),
        ("ID_ALLOC__DATABASE__FAILOVER_SKIP", "0"),
        ("ID_ALLOC__SERVER__GRACE_PERIOD", "0s"),
    ];
    let warnings = load(None, &env).unwrap().warnings;
    assert_named(
        &warnings,
        &[
            "ID_ALLOC_DATABASE__TABLE is not used; write ID_ALLOC__DATABASE__TABLE",
            "ID_ALLOC_LIMITS__NO_SUCH is not used",
            "ID_ALLOC_SERVER_PORT is not used; write ID_ALLOC__SERVER__PORT",
            "id_alloc_database_max_connections is not used; write ID_ALLOC__DATABASE__MAX_CONNECTIONS",
            "ids repeat",
            "grace_period",
        ],
    );
}

#[test]
fn a_file_of_tokens_is_read_whole_before_anything_starts_and_never_quoted() {
    let good = format!(
        "[[token]]\nname = \"ops\"\nscopes = [\"read\"]\nhash = \"{}\"\n",
        id_alloc::config::tokens::TokenHash::of("x")
    );
    let bad = "[[token]]\nname = \"a\"\nhash = \"hunter2\"\n";
    let (good_file, bad_file) = (file("t.toml", &good), file("t.toml", bad));
    let path = |file: &File| file.path.display().to_string();
    let (good, bad) = (path(&good_file), path(&bad_file));
    config(
        None,
        &[
            ("ID_ALLOC__ADMIN__TOKENS_FILE", &good),
            ("ID_ALLOC__ADMIN__BIND", "[::1]:0"),
        ],
    );
    let env = [
        ("ID_ALLOC__ADMIN__TOKENS_FILE", bad.as_str()),
        ("ID_ALLOC__ALLOC__TOKENS_FILE", "/no/tokens"),
        ("ID_ALLOC__ADMIN__BIND", "127.0.0.1:8880"),
        ("ID_ALLOC__SERVER__PORT", "8880"),
    ];
    let found = problems(None, &env);
    assert_named(
        &found,
        &[
            "admin.tokens_file: ",
            "alloc.tokens_file: cannot read /no/tokens",
            "admin.bind: is the address that server.host and server.port name",
        ],
    );
    assert!(!found.join("\n").contains("hunter2"), "{found:?}");
    let warnings = load(None, &[("ID_ALLOC__ADMIN__BIND", "127.0.0.1:1")])
        .unwrap()
        .warnings;
    assert_named(
        &warnings,
        &["admin.bind does nothing without admin.tokens_file"],
    );
}
