//! `/openapi.json`: it is there, it is whole, and a server answers nothing that it does not say.

use crate::support::admin::{Client, TokenFile};
use crate::support::local::Local;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

/// How long the fuzzer may call, and how many calls it makes of each operation.
const CALLS: (&str, Duration) = ("25", Duration::from_secs(240));

async fn server(tokens: &TokenFile) -> Local {
    let tokens = tokens.text();
    let settings = [
        ("admin.tokens_file", &*tokens),
        ("wire.tinyid", "true"),
        ("wire.leaf", "true"),
        ("wire.cosid", "true"),
    ];
    Local::start(&settings).await
}

#[tokio::test]
async fn the_document_describes_every_path_with_its_methods_and_who_may() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens).await;
    let answer = server.get("/openapi.json").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/json")
    );
    let document = answer.json();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    let methods: [(&str, &[&str]); 21] = [
        ("/alloc", &["get", "post"]),
        ("/range", &["get", "post"]),
        ("/tinyid/id/nextId", &["get"]),
        ("/tinyid/id/nextIdSimple", &["get"]),
        ("/tinyid/id/nextSegmentId", &["get"]),
        ("/tinyid/id/nextSegmentIdSimple", &["post"]),
        ("/api/segment/get/{key}", &["get"]),
        ("/segments/{ns}/{name}", &["patch"]),
        ("/segments/distributor/{ns}/{name}", &["post"]),
        ("/health", &["get"]),
        ("/livez", &["get"]),
        ("/readyz", &["get"]),
        ("/metrics", &["get"]),
        ("/openapi.json", &["get"]),
        ("/admin/v1/tags", &["get"]),
        ("/admin/v1/tags/{tag}", &["get", "put", "patch", "delete"]),
        ("/admin/v1/tags/{tag}/advance", &["post"]),
        ("/admin/v1/server", &["get"]),
        ("/admin/v1/servers", &["get"]),
        ("/admin/v1/server/quotas", &["get"]),
        ("/admin/v1/server/tags", &["get"]),
    ];
    for (path, methods) in methods {
        for method in methods {
            let operation = &document["paths"][path][method];
            assert!(
                operation["responses"]["200"].is_object(),
                "{method} {path}: {operation}"
            );
            if path.starts_with("/admin") {
                assert!(
                    operation["security"][0]["admin"].is_array(),
                    "{method} {path}"
                );
                assert!(operation["responses"]["401"].is_object(), "{method} {path}");
            }
        }
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), 22);
    assert_eq!(
        document["components"]["securitySchemes"]["admin"]["scheme"],
        "bearer"
    );
    references(&document, &document);
}

/// Every reference leads somewhere.
fn references(value: &Value, document: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                let found = document.pointer(target.trim_start_matches('#'));
                assert!(found.is_some(), "{target}");
            }
            fields
                .values()
                .for_each(|field| references(field, document));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, document)),
        _ => {}
    }
}

#[tokio::test]
#[ignore = "needs schemathesis"]
async fn a_fuzzer_that_reads_the_document_finds_no_answer_that_it_does_not_say_and_no_500() {
    let program = std::env::var("ID_ALLOC_TEST_SCHEMATHESIS")
        .expect("ID_ALLOC_TEST_SCHEMATHESIS is not set: run ./scripts/test");
    let tokens = TokenFile::new().await;
    let server = server(&tokens).await;
    let admin = Client::new(&server.base, &tokens.both);
    admin
        .done(
            201,
            "PUT",
            "/admin/v1/tags/order",
            Some(json!({"step": 10})),
        )
        .await;
    let directory = TempDir::new().unwrap();
    let header = format!("Authorization: Bearer {}", tokens.both);
    let mut command = tokio::process::Command::new(program);
    command
        .current_dir(directory.path())
        .kill_on_drop(true)
        .env("NO_COLOR", "1")
        .args([
            "run",
            &format!("{}/openapi.json", server.base),
            "-H",
            &header,
        ])
        .args([
            "-c",
            "status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args([
            "-n",
            CALLS.0,
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "1",
        ])
        .args(["--generation-database", "none", "--max-time", "40"]);
    let output = tokio::time::timeout(CALLS.1, command.output()).await;
    let output = output.expect("the fuzzer's end").expect("the fuzzer");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metrics = server.get("/metrics").await.body;
    let answered = |route: &str| {
        let name = format!("route=\"{route}\"");
        metrics
            .lines()
            .any(|line| line.starts_with("http_requests_total") && line.contains(&name))
    };
    for route in [
        "/alloc",
        "/tinyid/id/nextSegmentIdSimple",
        "/segments/{ns}/{name}",
        "/admin/v1/tags/{tag}",
        "/admin/v1/tags/{tag}/advance",
        "/admin/v1/server/tags/{tag}",
    ] {
        assert!(answered(route), "{route} was never called: {said}");
    }
    let broken: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("http_requests_total") && line.contains("status=\"500\""))
        // Leaf refuses unknown keys so.
        .filter(|line| !line.ends_with(" 0") && !line.contains("/api/segment/get"))
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}
