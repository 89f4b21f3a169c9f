//! Quotas of tokens: what is more is refused with when to come again, counted, and audited.

use crate::support::admin::{Client, new_token, write};
use crate::support::database::TestDatabase;
use crate::support::http::Response;
use crate::support::local::Local;
use crate::support::redis::{Redis, address};
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually};
use std::time::Instant;
use tempfile::TempDir;

/// A file with the entry of a token, and the token.
async fn quota(directory: &TempDir, more: &[&str]) -> (String, String) {
    let call = [&["shop", "--tags", "test,other"], more].concat();
    let (token, entry) = new_token(&call).await;
    let path = directory.path().join("callers.toml");
    write(&path, &entry);
    (path.display().to_string(), token)
}

#[tokio::test]
async fn what_is_over_a_quota_is_refused_until_the_time_that_the_answer_names() {
    let directory = TempDir::new().unwrap();
    let (file, token) = quota(&directory, &["--ids-per-second", "100"]).await;
    let server = Server::start(&[("alloc.tokens_file", &file)]).await;
    let shop = Client::new(&server.base, &token);
    let ask = async |path: &str| shop.get(path).await;
    let is_over =
        |answer: &Response| answer.status == 429 && answer.json()["code"] == "quota_exceeded";

    // Two and a half seconds' worth at once, never more.
    let much = ask("/range?biz_tag=test&count=251").await;
    assert!(
        is_over(&much) && much.body.contains("at most 250"),
        "{}",
        much.body
    );
    assert_eq!(ask("/range?biz_tag=test&count=250").await.status, 200);
    let over = async || {
        let answer = ask("/range?biz_tag=test&count=200").await;
        is_over(&answer).then_some(answer)
    };
    let over = eventually("the quota is used up", PATIENCE, over).await;
    let wait: u64 = over.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    let served = async || {
        let answer = ask("/range?biz_tag=test&count=200").await;
        (answer.status == 200).then_some(())
    };
    eventually("it is served again", PATIENCE, served).await;

    // A name that does not exist is refused as that, and counts for nothing.
    for _ in 0..20 {
        assert_eq!(ask("/alloc?biz_tag=other&count=100").await.status, 404);
    }
    let series = "id_alloc_requests_rejected_total{code=\"quota_exceeded\"} ";
    assert!(
        server
            .metric(series)
            .await
            .is_some_and(|count| count >= 2.0)
    );
    let audited = async || {
        let log = server.stderr();
        let line = log
            .lines()
            .find(|line| line.contains("refused for its quota"))?;
        Some(line.to_owned())
    };
    let line = eventually("it is audited", PATIENCE, audited).await;
    for part in ["id_alloc::audit", "shop", "test"] {
        assert!(line.contains(part), "{line}");
    }
}

#[tokio::test]
async fn a_token_without_a_quota_takes_what_it_wants() {
    let directory = TempDir::new().unwrap();
    let (file, token) = quota(&directory, &[]).await;
    let server = Local::start(&[("alloc.tokens_file", &file)]).await;
    let shop = Client::new(&server.base, &token);
    for _ in 0..5 {
        let answer = shop.get("/range?biz_tag=test&count=50000").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn over_redis_the_same_quota_holds_and_both_count_together() {
    let directory = TempDir::new().unwrap();
    let (file, token) = quota(&directory, &["--ids-per-day", "100"]).await;
    let address = address();
    let settings = [
        ("alloc.tokens_file", file.as_str()),
        ("wire.redis.bind", &address),
    ];
    let server = Local::start(&settings).await;
    let shop = Client::new(&server.base, &token);
    let answer = shop.get("/alloc?biz_tag=test&count=60").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut redis = Redis::connect(&address).await;
    redis.ask(&format!("AUTH {token}")).await;
    // What is not handed out is not counted.
    let unknown = redis.error("INCRBY other 40").await;
    assert!(unknown.contains("unknown"), "{unknown}");
    redis.id("INCRBY test 40").await;
    let over = redis.error("INCR test").await;
    assert!(over.contains("100 ids a day"), "{over}");
    let over = shop.get("/alloc?biz_tag=test").await;
    let wait = over.header("retry-after").parse::<u64>();
    assert!(
        over.status == 429 && wait.is_ok_and(|wait| wait >= 1),
        "{}",
        over.body
    );
}

/// Requests one after the other until a server has served so many ids.
async fn served(shop: &Client, ids: usize) -> usize {
    let mut taken = 0;
    while taken < ids {
        let answer = shop.get("/alloc?biz_tag=test&count=10").await;
        match answer.status {
            200 => taken += 10,
            429 => tokio::task::yield_now().await,
            _ => panic!("{}", answer.body),
        }
    }
    taken
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn three_servers_each_count_for_themselves_and_none_lets_more_through() {
    let directory = TempDir::new().unwrap();
    let (file, token) = quota(&directory, &["--ids-per-second", "200"]).await;
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, 100_000)]).await;
    let (url, mut servers) = (database.url(), Vec::new());
    for _ in 0..3 {
        let settings = [("database.url", url.as_str()), ("alloc.tokens_file", &file)];
        servers.push(Server::start(&settings).await);
    }
    let shops: Vec<_> = servers
        .iter()
        .map(|server| Client::new(&server.base, &token))
        .collect();
    let began = Instant::now();
    // Five seconds' worth on each.
    let all = shops.iter().map(|shop| served(shop, 1000));
    let taken: usize = futures_util::future::join_all(all).await.into_iter().sum();
    assert_eq!(taken, 3000);
    // Each lets through its quota and what can be taken at once, two and a half seconds' worth: no more however they
    // are asked, and in a minute no more than 5 % above the quota.
    let seconds = began.elapsed().as_secs_f64();
    let permitted = 3.0 * 200.0 * (seconds + 2.5);
    assert!(taken as f64 <= permitted, "{taken} in {seconds} s");
}
