//! Those who poll: balancers, scrapers, consoles. What they are told is right however many tags there are.

use crate::support::PATIENCE;
use crate::support::admin::{Client, TokenFile, new_token, write};
use crate::support::eventually;
use crate::support::local::Local;
use crate::support::ports::reserved_port;
use crate::support::server::run;
use flate2::read::GzDecoder;
use std::fmt::Write as _;
use std::io::Read as _;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// More than are looked at on a request's thread.
const MANY: usize = 150;

/// A server on an embedded database with many tags, each of which has given an id.
async fn busy(directory: &TempDir, settings: &[(&str, &str)]) -> Local {
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("ids.db").display()
    );
    let mut csv = String::from("biz_tag,step\ntest,1000\n");
    for number in 0..MANY {
        writeln!(csv, "tag-{number:03},1000").unwrap();
    }
    let file = directory.path().join("tags.csv");
    std::fs::write(&file, csv).unwrap();
    let import = ["tag", "import", file.to_str().unwrap()];
    let output = run(directory.path(), &[("database.url", &url)], &import).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let server = Local::start(&[&[("database.url", url.as_str())], settings].concat()).await;
    for number in 0..MANY {
        server.ids(&format!("tag-{number:03}"), 1).await;
    }
    server
}

/// The metrics as a scraper gets them that takes gzip.
async fn compressed(server: &Local) -> String {
    let request = reqwest::Client::new().get(format!("{}/metrics", server.base));
    let request = request.header("accept-encoding", "gzip, deflate;q=0.5");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["vary"], "accept-encoding");
    let mut text = String::new();
    let body = response.bytes().await.unwrap();
    GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    assert!(
        body.len() < text.len() / 2,
        "{} of {}",
        body.len(),
        text.len()
    );
    text
}

#[tokio::test]
async fn metrics_are_compressed_for_a_scraper_that_takes_them_so_and_for_no_other() {
    let server = Local::start(&[]).await;
    let text = compressed(&server).await;
    assert!(text.contains("\nid_alloc_build_info{"), "{text}");
    for refused in ["", "br", "gzip;q=0", "identity, gzip;q=0.5"] {
        let request = reqwest::Client::new().get(format!("{}/metrics", server.base));
        let response = request
            .header("accept-encoding", refused)
            .send()
            .await
            .unwrap();
        assert_eq!(
            response.headers().get("content-encoding"),
            None,
            "{refused}"
        );
        assert!(
            response
                .text()
                .await
                .unwrap()
                .contains("\nid_alloc_build_info{")
        );
    }
}

#[tokio::test]
async fn of_many_tags_health_metrics_and_the_console_tell_the_same_as_of_few() {
    let (directory, tokens) = (TempDir::new().unwrap(), TokenFile::new().await);
    let server = busy(&directory, &[("admin.tokens_file", &tokens.text())]).await;
    server.ids("tag-007", 500).await;
    let remaining = "id_alloc_buffer_remaining_ids{biz_tag=";
    eventually("the fewest ids left of all tags", PATIENCE, async || {
        let metrics = server.get("/metrics").await.body;
        let left = metrics.lines().filter_map(|line| {
            let (_, left) = line.strip_prefix(remaining)?.rsplit_once(' ')?;
            left.parse::<u64>().ok()
        });
        let least = left.min().unwrap();
        (server.get("/health").await.json()["left"] == least).then_some(())
    })
    .await;
    let series = "id_alloc_ids_allocated_total{biz_tag=\"tag-007\"} 501\n";
    eventually("the newest metrics, both ways", PATIENCE, async || {
        let plain = server.get("/metrics").await.body;
        let both = plain.contains(series) && compressed(&server).await.contains(series);
        both.then_some(())
    })
    .await;
    let client = Client::new(&server.base, &tokens.read);
    let page = client
        .get("/admin/v1/server/tags?limit=3&after=tag-005")
        .await
        .json();
    let names: Vec<&str> = page["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["biz_tag"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["tag-006", "tag-007", "tag-008"]);
    server.unharmed().await;
}

#[tokio::test]
async fn a_stranger_is_not_told_which_tags_there_are_and_claims_nothing() {
    let directory = TempDir::new().unwrap();
    let (one, entry_one) = new_token(&["one", "--tags", "test"]).await;
    let (all, entry_all) = new_token(&["all", "--tags", "*"]).await;
    let file = directory.path().join("alloc.toml");
    write(&file, &format!("{entry_one}\n{entry_all}"));
    let metrics = format!("127.0.0.1:{}", reserved_port());
    let server = Local::start(&[
        ("alloc.tokens_file", file.to_str().unwrap()),
        ("telemetry.metrics_bind", &metrics),
    ])
    .await;
    let as_holder = |token: &str| Client::new(&server.base, token);
    for tag in ["test", "nosuch"] {
        let path = format!("/health?biz_tag={tag}");
        assert_eq!(server.get(&path).await.status, 401, "{tag}");
        assert_eq!(as_holder("ida_wrong").get(&path).await.status, 401, "{tag}");
    }
    assert_eq!(
        as_holder(&one).get("/health?biz_tag=nosuch").await.status,
        403
    );
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.metric("id_alloc_tags_loaded ").await, Some(0.0));
    assert_eq!(
        as_holder(&one).get("/health?biz_tag=test").await.status,
        200
    );
    assert_eq!(
        as_holder(&one)
            .get("/alloc?biz_tag=test&count=3")
            .await
            .status,
        200
    );

    let own = "{biz_tag=\"test\"}";
    for stranger in ["", "ida_wrong", &one] {
        let text = as_holder(stranger).get("/metrics").await.body;
        assert!(!text.contains(own), "{text}");
        assert!(
            text.contains("id_alloc_ids_allocated_total{biz_tag=\"_other\"} 3\n"),
            "{text}"
        );
        assert!(
            text.contains("id_alloc_buffer_remaining_ids{biz_tag=\"_other\"}"),
            "{text}"
        );
    }
    // Who may take ids of every tag, and who scrapes on the listener for it.
    let text = as_holder(&all).get("/metrics").await.body;
    assert!(text.contains(own), "{text}");
    let scraped = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    assert!(scraped.text().await.unwrap().contains(own));
}

/// The least time is the promise: the turns of those who poll are 10 ms apart.
#[tokio::test]
async fn who_polls_without_a_pause_waits_for_a_turn_wherever_it_polls() {
    let tokens = TokenFile::new().await;
    let server = Local::start(&[("admin.tokens_file", &tokens.text())]).await;
    server.ids("test", 1).await;
    let client = Client::new(&server.base, &tokens.read);
    for path in [
        "/health",
        "/health?biz_tag=test",
        "/readyz",
        "/metrics",
        "/admin/v1/server",
        "/admin/v1/server/quotas",
        "/admin/v1/server/tags",
        "/admin/v1/server/tags/test",
        "/admin/v1/servers",
        "/admin/v1/tags",
        "/admin/v1/tags/test",
    ] {
        let began = Instant::now();
        for _ in 0..11 {
            assert_eq!(client.get(path).await.status, 200, "{path}");
        }
        // Turns are counted in whole milliseconds.
        assert!(began.elapsed() >= Duration::from_millis(90), "{path}");
    }
}
