//! go-id-alloc's `alloc.json`, so that its successor starts with the file that is there: a JSON file
//! with a key `DSN`. Keys are matched without case, as Go does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    dsn,
    layers::Layers,
    problems::{Origin, Problems},
};

/// Whether a JSON file is an `alloc.json`.
pub(super) fn is_legacy(tree: &Map<String, Value>) -> bool {
    tree.keys().any(|key| key.eq_ignore_ascii_case("DSN"))
}

/// Lays the file over what is there. go-id-alloc listens on every interface, so this does too.
pub(super) fn add(
    file: &str,
    tree: Map<String, Value>,
    layers: &mut Layers,
    problems: &mut Problems,
) {
    layers.set(
        "server.host",
        Value::from("0.0.0.0"),
        Origin::File(file.to_owned()),
        problems,
    );
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in tree {
        let origin = Origin::Legacy {
            file: file.to_owned(),
            key: key.clone(),
        };
        let lower = key.to_ascii_lowercase();
        if let Some(other) = seen.insert(lower.clone(), key.clone()) {
            problems.general(format!("{file}: {key}: set by {other} too"));
            continue;
        }
        match lower.as_str() {
            "dsn" => add_dsn(&value, origin, layers, problems),
            "table" => layers.set("database.table", value, origin, problems),
            "httpport" => layers.set("server.port", value, origin, problems),
            "httpreadtimeout" => match value.as_u64() {
                Some(0) => problems.warn(format!(
                    "{file}: {key}: 0 (no limit) is not taken over; server.header_timeout keeps its value"
                )),
                Some(millis) => {
                    let text = Value::from(format!("{millis}ms"));
                    layers.set("server.header_timeout", text, origin, problems);
                }
                None => problems.at(&origin, "server.header_timeout", "must be whole milliseconds"),
            },
            "httpwritetimeout" => match value.as_u64() {
                Some(_) => problems.warn(format!(
                    "{file}: {key}: not taken over; limits.request_deadline bounds the time of an answer"
                )),
                None => problems.general(format!("{file}: {key}: must be whole milliseconds")),
            },
            _ => problems.general(format!(
                "{file}: {key}: no such key; an alloc.json has DSN, table, httpPort, httpReadTimeout and \
                 httpWriteTimeout"
            )),
        }
    }
}

fn add_dsn(value: &Value, origin: Origin, layers: &mut Layers, problems: &mut Problems) {
    const KEY: &str = "database.url";
    let Some(text) = value.as_str() else {
        problems.at(
            &origin,
            KEY,
            "must be text such as user:password@tcp(host:port)/database",
        );
        return;
    };
    match dsn::parse(text) {
        Ok(dsn) => {
            for warning in dsn.warnings {
                problems.warn(format!("{origin}: {warning}"));
            }
            layers.set(KEY, Value::from(dsn.url.expose()), origin, problems);
        }
        Err(reason) => problems.at(&origin, KEY, reason),
    }
}
