//! go-id-alloc's `alloc.json`, so that its successor starts with the file that is there: a JSON file
//! with a key `DSN`. Keys are matched without case, as Go does. The DSN itself is read in `dsn.rs`.

mod dsn;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    layers::Layers,
    problems::{Origin, Problems},
};

/// Whether a JSON file is an `alloc.json`.
pub(super) fn is_alloc_json(tree: &Map<String, Value>) -> bool {
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
        file.to_owned(),
        problems,
    );
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in tree {
        let origin = format!("{file}: {key}");
        let lower = key.to_ascii_lowercase();
        if let Some(other) = seen.insert(lower.clone(), key.clone()) {
            problems.general(format!("{file}: {key}: set by {other} too"));
            continue;
        }
        match lower.as_str() {
            "dsn" => add_dsn(&value, origin, layers, problems),
            "table" => layers.set("database.table", value, origin, problems),
            "httpport" => layers.set("server.port", value, origin, problems),
            "httpreadtimeout" => {
                add_timeout(&value, "server.header_timeout", origin, layers, problems);
            }
            "httpwritetimeout" => {
                add_timeout(&value, "server.write_timeout", origin, layers, problems);
            }
            _ => problems.general(format!(
                "{file}: {key}: no such key; an alloc.json has DSN, table, httpPort, httpReadTimeout and \
                 httpWriteTimeout"
            )),
        }
    }
}

/// Milliseconds, of which go-id-alloc takes 0 for no limit.
fn add_timeout(
    value: &Value,
    target: &str,
    origin: Origin,
    layers: &mut Layers,
    problems: &mut Problems,
) {
    match value.as_u64() {
        Some(0) => problems.warn(format!(
            "{origin}: 0 (no limit) is ignored; {target} keeps its value"
        )),
        Some(millis) => {
            let text = Value::from(format!("{millis}ms"));
            layers.set(target, text, origin, problems);
        }
        None => problems.at(&origin, target, "must be whole milliseconds"),
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
        Ok((url, warnings)) => {
            for warning in warnings {
                problems.warn(format!("{origin}: {warning}"));
            }
            layers.set(KEY, Value::from(url.expose()), origin, problems);
        }
        Err(reason) => problems.at(&origin, KEY, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any JSON, three levels deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "(?s).{0,20}".prop_map(Value::from),
            "[a-z]{1,5}:Q7[@:/]{0,3}@tcp\\([a-z:0-9]{0,9}\\)/[a-z?=&]{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_makes_it_panic_and_none_shows_a_password(
            keys in prop::collection::btree_map(
                "(?i)DSN|table|httpPort|httpReadTimeout|httpWriteTimeout|[a-z.]{0,6}", any_json(), 0..7),
        ) {
            let tree: Map<String, Value> = keys.into_iter().collect();
            let mut problems = Problems::default();
            let mut layers = Layers::new();
            add("alloc.json", tree, &mut layers, &mut problems);
            let said = match problems.finish(Some(())) {
                Ok(((), warnings)) => warnings.join("\n"),
                Err(error) => error.to_string(),
            };
            prop_assert!(!said.contains("Q7"), "{}", said);
        }

        #[test]
        fn no_environment_makes_it_panic(
            env in prop::collection::vec(("(?i)(ID_ALLOC_{0,3})[a-z_]{0,12}|(?s).{0,12}", "(?s).{0,12}"), 0..8),
        ) {
            let mut problems = Problems::default();
            let mut layers = Layers::new();
            layers.add_env(env.into_iter(), &mut problems);
            let _ = problems.finish(Some(()));
        }
    }
}
