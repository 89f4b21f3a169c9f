//! Request ids, sampled request logs, and traces as an OpenTelemetry collector gets them.

use crate::support::server::Server;
use crate::support::{PATIENCE, eventually};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Stands in for a collector: takes `POST /v1/traces` and keeps the spans.
struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let kept = spans.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(body) = next_body(&mut stream).await {
                        let export = ExportTraceServiceRequest::decode(&*body).unwrap();
                        let resources = export.resource_spans.into_iter();
                        let scopes = resources.flat_map(|resource| resource.scope_spans);
                        kept.lock()
                            .unwrap()
                            .extend(scopes.flat_map(|scope| scope.spans));
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        stream.get_mut().write_all(answer).await.unwrap();
                    }
                });
            }
        });
        Self { endpoint, spans }
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

async fn next_body(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    let mut line = String::new();
    assert!(stream.read_line(&mut line).await.ok()? == 0 || line.starts_with("POST /v1/traces "));
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

#[tokio::test]
async fn a_request_that_was_sent_with_a_traceparent_becomes_its_child_at_the_collector() {
    let collector = Collector::start().await;
    let settings = [("telemetry.otlp_endpoint", collector.endpoint.as_str())];
    let mut server = Server::start(&settings).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (flag, tag) in [("01", "test"), ("00", "test")] {
        let parent = format!("00-{trace}-00f067aa0ba902b7-{flag}");
        let url = format!("{}/alloc?biz_tag={tag}", server.base);
        let call = reqwest::Client::new()
            .get(url)
            .header("traceparent", parent);
        assert_eq!(call.send().await.unwrap().status(), 200);
    }
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
    // The last batch is sent at the end.
    let spans = collector.spans();
    let requests: Vec<&Span> = spans
        .iter()
        .filter(|span| span.name == "GET /alloc")
        .collect();
    assert_eq!(requests.len(), 1, "the one whose caller sampled: {spans:?}");
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(hex(&requests[0].trace_id), trace);
    assert_eq!(hex(&requests[0].parent_span_id), "00f067aa0ba902b7");
    let status = requests[0]
        .attributes
        .iter()
        .find(|a| a.key == "http.response.status_code");
    assert!(status.is_some(), "{requests:?}");
    assert!(spans.iter().any(|span| span.name == "claim"), "{spans:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_costs_no_request_and_not_the_end() {
    let settings = [
        ("telemetry.otlp_endpoint", "http://127.0.0.1:9"),
        ("telemetry.sample_ratio", "1"),
    ];
    let mut server = Server::start(&settings).await;
    for expected in 1..200 {
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [expected]);
    }
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
}

#[tokio::test]
async fn an_id_that_was_sent_comes_back_and_stands_in_the_log_of_a_failure() {
    let server = Server::start(&[]).await;
    let client = reqwest::Client::new();
    let ask = async |path: &str, id: &str| {
        let call = client.get(format!("{}{path}", server.base));
        let answer = call.header("x-request-id", id).send().await.unwrap();
        let back = answer.headers().get("x-request-id").cloned();
        back.map(|id| id.to_str().unwrap().to_owned())
    };
    let id = "order-7/attempt-1";
    assert_eq!(ask("/alloc?biz_tag=test", id).await.as_deref(), Some(id));
    // One that could forge a log line, or is endless, is not taken over.
    assert_eq!(ask("/alloc?biz_tag=test", "two words").await, None);
    assert_eq!(ask("/alloc?biz_tag=test", &"x".repeat(129)).await, None);
    assert_eq!(
        server
            .get("/alloc?biz_tag=test")
            .await
            .header("x-request-id"),
        ""
    );

    server.signal("TERM");
    server.until("/health", 503, PATIENCE).await;
    assert_eq!(
        ask("/health", "at-the-end").await.as_deref(),
        Some("at-the-end")
    );
    let made = server
        .get("/readyz")
        .await
        .header("x-request-id")
        .to_owned();
    assert_eq!(made.len(), 32, "a failure without an id gets one");
}

#[tokio::test]
async fn with_a_sample_ratio_of_one_each_request_is_logged_with_its_id() {
    let settings = [
        ("telemetry.sample_ratio", "1"),
        ("telemetry.log_format", "json"),
    ];
    let server = Server::start(&settings).await;
    let answer = server.get("/alloc?biz_tag=test").await;
    let id = answer.header("x-request-id").to_owned();
    assert_eq!(id.len(), 32);
    let line = eventually("the line of the request", PATIENCE, async || {
        let log = server.stderr();
        log.lines()
            .find(|line| line.contains(&id))
            .map(str::to_owned)
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["fields"]["route"], "/alloc");
    assert_eq!(line["fields"]["status"], 200);
}
