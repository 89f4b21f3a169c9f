//! The dashboards as files: what Grafana needs to import them, and what people need to read them. Their
//! expressions are tried out in `tests/api/observability.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests fails by panicking"
)]

use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const BOARDS: [&str; 2] = ["dashboards/overview.json", "dashboards/tag.json"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn board(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value[name].as_array();
    list.unwrap_or_else(|| panic!("no list {name} in {value}"))
}

/// The panels that show something.
fn panels(board: &Value) -> impl Iterator<Item = &Value> {
    let panels = list(board, "panels").iter();
    panels.filter(|panel| panel["type"] != "row")
}

#[test]
#[ignore = "needs Grafana's types"]
fn grafana_types_fit_the_dashboards() {
    let types = std::env::var("ID_ALLOC_TEST_GRAFANA_TYPES")
        .expect("ID_ALLOC_TEST_GRAFANA_TYPES is not set: run ./scripts/test (or ./scripts/test cargo test …)");
    let mut versions = 0;
    for folder in std::fs::read_dir(&types).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.join("grafana_foundation_sdk").is_dir() {
            continue;
        }
        versions += 1;
        let output = Command::new(Path::new(&types).join("venv/bin/python"))
            .arg("-B")
            .arg(file("tests/dashboards/grafana_types.py"))
            .args(BOARDS.map(file))
            .env("PYTHONPATH", &folder)
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{said}", folder.display());
    }
    assert_eq!(versions, 2, "Grafana's oldest and newest types");
}

#[test]
fn each_panel_says_what_it_shows_in_which_unit_and_what_is_bad() {
    for name in BOARDS {
        for panel in panels(&board(name)) {
            let title = panel["title"].as_str().unwrap_or_default();
            assert!(!title.is_empty(), "{name}: a panel without title");
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(description.len() > 20, "{name}: {title}: no description");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(defaults["unit"].is_string(), "{name}: {title}: no unit");
            let steps = list(&defaults["thresholds"], "steps");
            assert!(steps[0]["value"].is_null(), "{name}: {title}: {steps:?}");
            assert!(!list(panel, "targets").is_empty(), "{name}: {title}");
        }
    }
}

#[test]
fn a_dashboard_is_found_by_uid_and_reads_the_data_source_that_is_chosen() {
    for (name, uid, variables) in [
        (
            BOARDS[0],
            "id-alloc-overview",
            &["datasource", "job", "instance"][..],
        ),
        (
            BOARDS[1],
            "id-alloc-tag",
            &["datasource", "job", "instance", "biz_tag"],
        ),
    ] {
        let board = board(name);
        assert_eq!(board["uid"], uid);
        assert!(board["id"].is_null(), "an id is of one Grafana alone");
        assert!(board["schemaVersion"].as_u64().unwrap() >= 36);
        let found = list(&board["templating"], "list");
        let names: Vec<&str> = found
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, variables);
        assert_eq!(found[0]["type"], "datasource");
        assert_eq!(found[0]["query"], "prometheus");
        let chosen = serde_json::json!({ "type": "prometheus", "uid": "${datasource}" });
        let asking = panels(&board).flat_map(|panel| {
            let targets = list(panel, "targets").iter();
            targets.chain([panel]).map(|one| &one["datasource"])
        });
        for datasource in asking.chain(found[1..].iter().map(|one| &one["datasource"])) {
            assert_eq!(*datasource, chosen, "{name}");
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    for name in BOARDS {
        let board = board(name);
        let (mut ids, mut taken) = (HashSet::new(), HashSet::new());
        for panel in list(&board, "panels") {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(place("x") + place("w") <= 24, "{panel}");
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(
                        taken.insert((x, y)),
                        "{name}: two panels at {x}, {y}: {panel}"
                    );
                }
            }
        }
    }
}

/// The lines of the rules that have `key`, without it and its quotes.
fn values<'a>(rules: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = rules.lines().map(str::trim);
    lines.filter_map(move |line| Some(line.strip_prefix(key)?.trim().trim_matches('"')))
}

#[test]
fn each_alert_says_what_it_is_and_has_its_section_in_the_runbook() {
    let (rules, runbook) = (
        text("dashboards/prometheus/alerts.yml"),
        text("docs/runbook.md"),
    );
    let tests = text("dashboards/prometheus/rules_test.yml");
    let alerts: Vec<&str> = values(&rules, "- alert:").collect();
    assert!(alerts.len() >= 15, "{alerts:?}");
    for key in ["summary:", "description:", "severity:"] {
        let said = values(&rules, key).filter(|text| !text.is_empty());
        assert_eq!(said.count(), alerts.len(), "an alert without {key}");
    }
    let links: Vec<&str> = values(&rules, "runbook_url:").collect();
    assert_eq!(links.len(), alerts.len());
    for (alert, link) in alerts.iter().zip(links) {
        assert_eq!(link, format!("docs/runbook.md#{}", alert.to_lowercase()));
        let (_, section) = runbook
            .split_once(&format!("\n### {alert}\n"))
            .unwrap_or_else(|| panic!("{alert} has no section"));
        let section = section.split("\n### ").next().unwrap_or_default();
        for part in ["**Means**", "**Look at**", "**Do**"] {
            assert!(section.contains(part), "{alert}: no {part}");
        }
        assert!(runbook.contains(&format!("[{alert}](#{})", alert.to_lowercase())));
        let tested = format!(r#"alertname="{alert}""#);
        let times = tests.matches(&tested).count();
        assert!(
            times >= 2,
            "{alert}: {times} tests, one each for yes and no"
        );
    }
    // Before them come the drills.
    let (_, sections) = runbook.split_once("\n## Callers\n").unwrap();
    for heading in values(sections, "### ") {
        assert!(alerts.contains(&heading), "no alert {heading}");
    }
}
