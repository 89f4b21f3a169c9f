//! go-id-alloc's alloc.json is taken as it is.

use crate::{assert_named, config, file, load, problems};
use id_alloc::config::Loaded;
use std::time::Duration;

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
            "alloc.json: DSN: database.url: has a port that is not a number",
            "alloc.json: Tables: no such key",
            "alloc.json: HTTPPORT: server.port: 99999 is not within 0 to 65535",
            "alloc.json: httpReadTimeout: server.header_timeout: must be whole milliseconds",
            "alloc.json: table: database.table: \"a-b\"",
        ],
    );
    assert!(!found.join("\n").contains("hunter2"));
}
