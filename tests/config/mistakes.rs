//! Every mistake is named at once, with its place and its key and without a password.

use crate::{File, assert_named, config, file, load, problems};

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
            "c.toml: server.port: 70000 is not within 0 to 65535",
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
            "environment variable ID_ALLOC__SERVER__WORKERS: server.workers: -1 is not within 0 to 1024",
        ],
    );
    assert!(!problems.join("\n").contains("hunter2"));
}

#[test]
fn a_table_has_a_plain_name_that_leaves_room_for_its_companion() {
    let long = "x".repeat(49);
    for table in ["", "a b", "a`b", "a;b", "ä", &long] {
        let env = [("ID_ALLOC__DATABASE__TABLE", table)];
        assert_named(&problems(None, &env), &["database.table: "]);
    }
    for table in ["segments", "a$_0", &long[..48]] {
        config(None, &[("ID_ALLOC__DATABASE__TABLE", table)]);
    }
    let long = "é".repeat(256);
    let env = [("ID_ALLOC__DATABASE__SERVER_IDENTITY", long.as_str())];
    assert_named(&problems(None, &env), &["database.server_identity: "]);
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
        &["c.json: the file must contain sections"],
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
fn a_file_of_tokens_is_read_whole_before_anything_starts_and_never_quoted() {
    let good = format!(
        "[[token]]\nname = \"ops\"\nscopes = [\"read\"]\nhash = \"{}\"\n",
        id_alloc::auth::TokenHash::of("x")
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
