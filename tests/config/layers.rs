//! Later layers win, sections within sections are keys like any other, and what is in force can be read back.

use crate::{assert_named, config, file, load, problems};
use id_alloc::{config::Preload, domain::BizTag};

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
            Preload::Tags(["x", "y z"].map(|tag| BizTag::parse(tag).unwrap()).into())
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
