//! SIGTERM and SIGINT: the load balancer is told first, callers notice nothing.

use crate::support::server::Server;
use crate::support::{PATIENCE, eventually};
use std::time::{Duration, Instant};

#[tokio::test]
async fn sigterm_turns_health_red_while_ids_are_still_given_and_ends_with_0() {
    let settings = [("server.drain_delay", "3s"), ("server.grace_period", "5s")];
    let mut server = Server::start(&settings).await;
    let before = server.get("/alloc?biz_tag=test").await;
    assert_eq!(before.ids(), [1]);
    assert_eq!(before.header("connection"), "");

    let asked = Instant::now();
    server.signal("TERM");
    let limit = Duration::from_secs(2);
    server.until("/health", 503, limit).await;
    let alloc = server.get("/alloc?biz_tag=test").await;
    assert_eq!(alloc.ids(), [2]);
    assert!(alloc.header("connection").eq_ignore_ascii_case("close"));
    assert_eq!(server.get("/health?biz_tag=test").await.status, 503);
    assert_eq!(server.get("/readyz").await.status, 503);
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.metric("id_alloc_draining ").await, Some(1.0));

    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
    let lasted = asked.elapsed();
    assert!(lasted >= Duration::from_secs(3), "drained {lasted:?}");
}

#[tokio::test]
async fn sigint_ends_at_once_with_0() {
    let mut server = Server::start(&[("server.drain_delay", "60s")]).await;
    assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
}

#[tokio::test]
async fn a_drain_under_load_fails_no_request_that_was_answered() {
    let mut server = Server::start(&[("server.drain_delay", "1s")]).await;
    let client = reqwest::Client::new();
    let url = format!("{}/alloc?biz_tag=test", server.base);
    let loads: Vec<_> = (0..16)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                let mut ids = Vec::new();
                // Until the listener is closed: then no connection can be made.
                while let Ok(answer) = client.get(&url).send().await {
                    assert_eq!(answer.status(), 200);
                    let Ok(body) = answer.json::<serde_json::Value>().await else {
                        panic!("a response was cut off");
                    };
                    ids.push(body["id"].as_i64().unwrap());
                }
                ids
            })
        })
        .collect();
    server
        .until("/health?biz_tag=test", 200, Duration::from_secs(5))
        .await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
    let mut ids = Vec::new();
    for load in loads {
        ids.extend(load.await.unwrap());
    }
    assert!(!ids.is_empty());
    crate::support::checks::assert_distinct(&ids);
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_and_callers_get_their_answers() {
    for second in ["TERM", "INT"] {
        let mut server = Server::start(&[("server.drain_delay", "1h")]).await;
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [1]);
        server.signal("TERM");
        server.until("/health", 503, PATIENCE).await;
        assert_eq!(server.get("/alloc?biz_tag=test").await.ids(), [2]);
        server.signal(second);
        assert_eq!(server.ended().await.code(), Some(0), "{}", server.stderr());
    }
}

#[tokio::test]
async fn signals_that_rotate_logs_or_end_terminals_do_not_end_the_server() {
    let server = Server::start(&[]).await;
    for name in ["HUP", "USR1", "USR2", "ALRM"] {
        server.signal(name);
        eventually("a line about the signal", PATIENCE, async || {
            let line = format!("SIG{name} is ignored");
            server.stderr().contains(&line).then_some(())
        })
        .await;
    }
    server.serves_on().await;
}
