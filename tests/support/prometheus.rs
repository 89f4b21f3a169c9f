//! A real Prometheus that scrapes servers of a test with the repository's rules loaded, and promtool.

use super::{PATIENCE, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// One series of an answer: its labels and its newest value.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// `dashboards/` of the repository.
pub(crate) fn dashboards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

/// Runs promtool, with `input` on its standard input; panics with its output where it complains.
pub(crate) fn promtool(arguments: &[&str], input: &str) {
    let file = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut &file, input.as_bytes()).expect("write");
    std::io::Seek::rewind(&mut &file).expect("rewind");
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(dashboards().join("prometheus"))
        .stdin(file)
        .output()
        .expect("promtool: run ./scripts/test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + text(&output.stderr).as_str();
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
}

/// Scrapes and evaluates rules twice a second; killed when dropped.
pub(crate) struct Prometheus {
    process: Child,
    directory: TempDir,
    base: String,
    client: reqwest::Client,
}

impl Prometheus {
    /// Starts one for the servers at `targets` (`host:port`), as the job `id-alloc`, and waits until it
    /// has seen them all.
    pub(crate) async fn scraping(targets: &[&str]) -> Self {
        let directory = TempDir::new().expect("a directory");
        let rules = ["recording.yml", "alerts.yml"];
        let rules = rules.map(|name| dashboards().join("prometheus").join(name));
        let config = serde_json::json!({
            "global": { "scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms" },
            "rule_files": rules,
            "scrape_configs": [{
                "job_name": "id-alloc",
                "static_configs": [{ "targets": targets }],
            }],
        });
        // JSON is YAML.
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, config.to_string()).expect("write");
        let log = std::fs::File::create(directory.path().join("log")).expect("a log file");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus: run ./scripts/test");
        let mut prometheus = Self {
            process,
            directory,
            base: String::new(),
            client: reqwest::Client::new(),
        };
        prometheus.base = eventually("Prometheus' address", PATIENCE, async || {
            let log = prometheus.log();
            let (_, line) = log.split_once("\"Listening on\" address=")?;
            Some(format!("http://{}", line.split_once('\n')?.0))
        })
        .await;
        eventually("Prometheus' first scrapes", PATIENCE, async || {
            let seen = prometheus.try_query("up == 1").await.ok()?;
            (seen.len() == targets.len()).then_some(())
        })
        .await;
        prometheus
    }

    /// What an expression gives now; panics where Prometheus refuses it.
    pub(crate) async fn query(&self, expression: &str) -> Vec<Sample> {
        let answer = self.try_query(expression).await;
        answer.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression has a value that is a number and that `wanted` accepts.
    pub(crate) async fn until(&self, expression: &str, wanted: impl Fn(&Sample) -> bool) -> Sample {
        let good = |sample: &Sample| !sample.value.is_nan() && wanted(sample);
        eventually(expression, PATIENCE, async || {
            self.query(expression).await.into_iter().find(good)
        })
        .await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    async fn try_query(&self, expression: &str) -> Result<Vec<Sample>, String> {
        let mut url = url::Url::parse(&self.base).expect("a URL");
        url.set_path("/api/v1/query");
        url.query_pairs_mut().append_pair("query", expression);
        let request = self.client.get(url).timeout(PATIENCE).send().await;
        let answer: Value = match request {
            Ok(answer) => answer.json().await.map_err(|error| error.to_string())?,
            Err(error) => return Err(error.to_string()),
        };
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let result = answer["data"]["result"].clone();
        if answer["data"]["resultType"] == "scalar" {
            let labels = BTreeMap::new();
            let value = number(&result[1]);
            return Ok(vec![Sample { labels, value }]);
        }
        let series = result.as_array().expect("a vector").iter();
        let sample = |one: &Value| Sample {
            labels: serde_json::from_value(one["metric"].clone()).expect("labels"),
            value: number(&one["value"][1]),
        };
        Ok(series.map(sample).collect())
    }
}

/// Prometheus writes numbers as strings, `+Inf` and `NaN` among them.
fn number(value: &Value) -> f64 {
    let text = value.as_str().expect("a number as a string");
    text.parse().expect("a number")
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- Prometheus' log:\n{}", self.log());
        }
    }
}
