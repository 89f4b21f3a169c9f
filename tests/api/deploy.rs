//! The files of `deploy/` that nothing runs here: their settings are ones that id-alloc knows, and their
//! times and names fit its defaults and each other.

use crate::support::server::run;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const SECRET: &str = "mysql://id_alloc:secret@mysql:3306/ids";

/// What is in force with these settings, by `section.key`, as `config check` prints it.
async fn in_force(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let directory = TempDir::new().unwrap();
    let output = run(directory.path(), settings, &["config", "check"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let mut section = String::new();
    let mut found = BTreeMap::new();
    for line in output.stdout.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let value = value.trim_matches('"').to_owned();
            found.insert(format!("{section}.{key}"), value);
        }
    }
    found
}

fn duration(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// SIGTERM to the end, at the longest.
fn drained(config: &BTreeMap<String, String>) -> Duration {
    let of = |key: &str| duration(&config[key]);
    of("server.drain_delay") + of("server.grace_period") + Duration::from_secs(1)
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect(name)
}

/// The words after `name` in the only line that begins with it.
fn words(text: &str, name: &str) -> Vec<String> {
    let lines = text.lines().map(str::split_whitespace);
    let mut found = lines.filter_map(|mut words| {
        let mut begins = name.split(' ').all(|part| words.next() == Some(part));
        let rest: Vec<String> = words.map(str::to_owned).collect();
        begins &= !rest.is_empty();
        begins.then_some(rest)
    });
    let first = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(found.next().is_none(), "{name} twice");
    first
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or_else(|| panic!("{value}")))
}

/// Whether all of `some` stands in `all`.
fn selects(some: &Value, all: &Value) -> bool {
    let some = some.as_object().expect("labels");
    !some.is_empty() && some.iter().all(|(name, value)| all[name] == *value)
}

#[tokio::test]
async fn every_setting_that_is_named_in_deploy_is_one_that_exists() {
    let known: BTreeSet<String> = in_force(&[]).await.into_keys().collect();
    let mut seen = 0;
    let mut left = vec![folder()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            left.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split("ID_ALLOC__").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_');
            let key = rest[..end.unwrap_or(rest.len())].to_lowercase();
            let key = key.replace("__", ".");
            if key == "section.key" {
                continue; // how they are named, in prose
            }
            assert!(known.contains(&key), "{key} in {}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen}");
}

#[tokio::test]
async fn the_pods_settings_are_valid_and_kubernetes_waits_for_their_drain() {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&read("kubernetes.yaml")).unwrap();
    let kind = |kind: &str| {
        let found = documents.iter().find(|document| document["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))
    };
    let template = &kind("Deployment")["spec"]["template"];
    let (labels, spec) = (&template["metadata"]["labels"], &template["spec"]);
    let container = &spec["containers"][0];

    let environment = container["env"].as_array().unwrap();
    let settings: Vec<(String, &str)> = environment
        .iter()
        .map(|variable| {
            let name = variable["name"].as_str().unwrap();
            let key = name.strip_prefix("ID_ALLOC__").expect(name).to_lowercase();
            let value = variable["value"].as_str().unwrap_or(SECRET);
            (key.replacen("__", ".", 1), value)
        })
        .collect();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    let config = in_force(&settings).await;
    for (key, value) in &settings {
        assert!(key == &"database.url" || config[*key] == *value, "{key}");
    }
    let patience = seconds(&spec["terminationGracePeriodSeconds"]);
    assert!(patience > drained(&config), "{patience:?}");

    let ready = &container["readinessProbe"];
    let noticed =
        seconds(&ready["periodSeconds"]) * ready["failureThreshold"].as_u64().unwrap() as u32;
    assert!(noticed < duration(&config["server.drain_delay"]));
    assert_eq!(ready["httpGet"]["path"], "/readyz");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");

    let ports = container["ports"].as_array().unwrap();
    let port = |name: &Value| {
        let found = ports.iter().find(|port| port["name"] == *name);
        found.unwrap_or_else(|| panic!("no port {name}"))["containerPort"].to_string()
    };
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(port(&container[probe]["httpGet"]["port"]), "8880");
    }
    let metrics = &config["telemetry.metrics_bind"];
    let scraped = &template["metadata"]["annotations"]["prometheus.io/port"];
    assert!(metrics.ends_with(&format!(":{}", scraped.as_str().unwrap())));
    assert_eq!(port(&"metrics".into()), scraped.as_str().unwrap());

    let service = &kind("Service")["spec"];
    assert!(selects(&service["selector"], labels));
    assert_eq!(port(&service["ports"][0]["targetPort"]), "8880");
    for other in [kind("PodDisruptionBudget"), kind("Deployment")] {
        assert!(selects(&other["spec"]["selector"]["matchLabels"], labels));
    }
    let job = &kind("Job")["spec"]["template"];
    assert!(!selects(&service["selector"], &job["metadata"]["labels"]));
    let arguments = &job["spec"]["containers"][0]["args"];
    assert_eq!(*arguments, serde_json::json!(["migrate", "up"]));
}

#[tokio::test]
async fn systemd_waits_for_the_drain() {
    let config = in_force(&[]).await;
    let unit = read("id-alloc.service");
    let lines: Vec<&str> = unit.lines().filter(|line| !line.starts_with('#')).collect();
    let of = |name: &str| {
        let found = lines.iter().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let patience = Duration::from_secs(of("TimeoutStopSec=").parse().unwrap());
    assert!(patience > drained(&config), "{patience:?}");
}

#[test]
fn the_unit_and_the_image_set_the_allocator_alike() {
    let allocator = |name: &str, before: &str| -> BTreeSet<String> {
        let text = read(name);
        let lines = text.lines().filter_map(|line| line.strip_prefix(before));
        let words = lines.flat_map(str::split_whitespace);
        words
            .filter(|word| word.starts_with("MIMALLOC_"))
            .map(str::to_owned)
            .collect()
    };
    let unit = allocator("id-alloc.service", "Environment=");
    assert!(unit.contains("MIMALLOC_PURGE_DELAY=0"), "{unit:?}");
    assert_eq!(unit, allocator("Dockerfile", "ENV "));
}

#[tokio::test]
async fn the_balancers_times_fit_the_default_ones() {
    let config = in_force(&[]).await;
    let of = |key: &str| duration(&config[key]);
    let haproxy = read("haproxy.cfg");
    let time = |name: &str| duration(&words(&haproxy, name)[0]);
    let checks = time("presetenv ID_ALLOC_CHECK");
    // Two checks, one of which has just been made when the drain begins.
    assert!(haproxy.matches(" fall 2 ").count() == 2, "in both backends");
    assert!(checks * 2 < of("server.drain_delay"));
    let nginx = read("nginx.conf").replace(';', " ");
    let read_timeout = duration(&words(&nginx, "proxy_read_timeout")[0]);
    for timeout in [time("timeout server"), time("timeout check"), read_timeout] {
        assert!(timeout > of("limits.request_deadline"), "{timeout:?}");
    }
    let kept = duration(&words(&nginx, "keepalive_timeout")[0]);
    assert!(kept < of("server.keep_alive"));
    // HAProxy keeps for another try what fits its buffer.
    assert!(config["limits.max_body"].parse::<u32>().unwrap() <= 16384);
}
