//! Callers who wait while the database hangs: their number is bounded, the rest is refused at once, and
//! whoever leaves or is late costs ids at most, never gives one to two.

use crate::support::checks::assert_distinct;
use crate::support::database::TestDatabase;
use crate::support::http::{Response, send};
use crate::support::local::Local;
use crate::support::proxy::{Link, Proxy};
use crate::support::raw::connect;
use crate::support::server::prepare;
use crate::support::{PATIENCE, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

/// A server whose way to the database can be held up. Dropped in this order.
struct Scene {
    server: Local,
    proxy: Proxy,
    _database: TestDatabase,
}

impl Scene {
    async fn set(tags: &[(&str, i64, i64)], settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::on_mariadb().await;
        prepare(&database.url(), tags).await;
        let (proxy, url) = Proxy::before(&database.url()).await;
        let url = [("database.url", url.as_str())];
        let server = Local::start(&[&url, settings].concat()).await;
        Self {
            server,
            proxy,
            _database: database,
        }
    }

    /// Sends `count` requests on connections of their own, and waits for none.
    fn ask(&self, path: &str, count: usize) -> JoinSet<Response> {
        let mut asked = JoinSet::new();
        for _ in 0..count {
            let (base, path) = (self.server.base.clone(), path.to_owned());
            asked.spawn(async move {
                let client = reqwest::Client::new();
                send(&client, &base, "GET", &path, None).await.unwrap()
            });
        }
        asked
    }

    async fn waiting(&self) -> f64 {
        let series = "id_alloc_waiting_requests ";
        self.server.metric(series).await.unwrap()
    }

    async fn until_waiting(&self, count: usize) {
        eventually(&format!("{count} waiting"), PATIENCE, async || {
            (self.waiting().await as usize == count).then_some(())
        })
        .await;
    }

    async fn refused(&self, path: &str) {
        let refused = self.server.get(path).await;
        assert_eq!(refused.status, 503, "{}", refused.body);
        assert_eq!(refused.code(), "overloaded");
        assert_ne!(refused.header("retry-after"), "");
    }
}

fn ids(answers: Vec<Response>) -> Vec<i64> {
    answers.iter().flat_map(Response::ids).collect()
}

const PATIENT: (&str, &str) = ("limits.request_deadline", "25s");

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn past_max_waiting_per_tag_callers_are_refused_at_once_and_other_tags_wait_on() {
    let settings = [
        PATIENT,
        ("server.workers", "1"),
        ("limits.max_waiting_per_tag", "4"),
    ];
    let scene = Scene::set(&[("a", 0, 10), ("b", 0, 10)], &settings).await;
    scene.proxy.set(Link::Hung);
    let first = scene.ask("/alloc?biz_tag=a", 4);
    scene.until_waiting(4).await;
    scene.refused("/alloc?biz_tag=a").await;
    scene.refused("/alloc?biz_tag=a&count=9").await;
    let other = scene.ask("/alloc?biz_tag=b", 4);
    scene.until_waiting(8).await;
    scene.proxy.set(Link::Up);
    let mut found = ids(first.join_all().await);
    found.sort_unstable();
    assert_eq!(found.len(), 4);
    assert_distinct(&found);
    assert_distinct(&ids(other.join_all().await));
    scene.until_waiting(0).await;
    assert_eq!(scene.server.get("/alloc?biz_tag=a").await.status, 200);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn past_max_waiting_callers_of_any_tag_are_refused_at_once() {
    let settings = [PATIENT, ("limits.max_waiting", "5")];
    let tags = [("a", 0, 10), ("b", 0, 10), ("c", 0, 10), ("held", 0, 100)];
    let scene = Scene::set(&tags, &settings).await;
    scene.server.ids("held", 1).await;
    scene.proxy.set(Link::Hung);
    let first = scene.ask("/alloc?biz_tag=a", 3);
    let second = scene.ask("/alloc?biz_tag=b", 2);
    scene.until_waiting(5).await;
    scene.refused("/alloc?biz_tag=c").await;
    scene.refused("/alloc?biz_tag=a").await;
    scene.proxy.set(Link::Up);
    assert_distinct(&ids(first.join_all().await));
    assert_distinct(&ids(second.join_all().await));
    assert_eq!(scene.server.get("/alloc?biz_tag=c").await.status, 200);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn in_a_flood_on_a_hung_database_the_gauge_never_passes_the_limit() {
    let settings = [
        PATIENT,
        ("server.workers", "2"),
        ("limits.max_waiting_per_tag", "40"),
        ("limits.max_waiting", "30"),
    ];
    let scene = Scene::set(&[("a", 0, 10)], &settings).await;
    scene.proxy.set(Link::Hung);
    let mut flood = scene.ask("/alloc?biz_tag=a", 300);
    let mut refused = 0;
    while refused < 270 {
        let waiting = scene.waiting().await;
        assert!(waiting <= 30.0, "{waiting} wait");
        while let Some(answer) = flood.try_join_next() {
            let answer = answer.unwrap();
            assert_eq!((answer.status, &*answer.code()), (503, "overloaded"));
            refused += 1;
        }
    }
    scene.until_waiting(30).await;
    scene.proxy.set(Link::Up);
    let served = ids(flood.join_all().await);
    assert_eq!(served.len(), 30);
    assert_distinct(&served);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn callers_past_their_deadline_are_refused_and_no_id_comes_twice() {
    // Claims do not grow, so that memory is used up.
    let settings = [
        ("limits.request_deadline", "300ms"),
        ("allocation.max_step", "10"),
    ];
    let scene = Scene::set(&[("a", 0, 10)], &settings).await;
    let mut found = scene.server.ids("a", 3).await;
    for _ in 0..3 {
        scene.proxy.set(Link::Hung);
        // More than is in memory: some are served, the rest wait until they are late.
        let answers = scene.ask("/alloc?biz_tag=a&count=30", 20).join_all().await;
        assert!(answers.iter().any(|answer| answer.status == 503));
        for answer in answers {
            match answer.status {
                200 => found.extend(answer.ids()),
                _ => assert_eq!((answer.status, &*answer.code()), (503, "no_available_id")),
            }
        }
        scene.until_waiting(0).await;
        scene.proxy.set(Link::Up);
        for _ in 0..20 {
            let path = "/alloc?biz_tag=a&count=20";
            found.extend(scene.server.until(path, 200, PATIENCE).await.ids());
        }
    }
    assert_distinct(&found);
}

#[tokio::test]
async fn ids_of_callers_who_left_are_a_gap_and_go_to_nobody() {
    let server = Local::start(&[]).await;
    let (gone, each) = (50, 10);
    let request = format!("GET /alloc?biz_tag=test&count={each} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut found = server.ids("test", 5).await;
    for round in 1..=3 {
        for _ in 0..gone {
            let mut stream = connect(&server).await;
            stream.write_all(request.as_bytes()).await.unwrap();
            // Dropped without reading.
        }
        let allotted = 5 * round + round * gone * each;
        let series = "id_alloc_ids_allocated_total{biz_tag=\"test\"}";
        eventually("all were allotted", PATIENCE, async || {
            (server.metric(series).await? as i64 == allotted).then_some(())
        })
        .await;
        // Nothing came back: the next ids lie above all that were allotted.
        let next = server.ids("test", 5).await;
        assert_eq!(next, (allotted + 1..=allotted + 5).collect::<Vec<_>>());
        found.extend(next);
    }
    assert_distinct(&found);
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn callers_who_leave_while_they_wait_are_counted_on_and_cost_no_id_twice() {
    let settings = [
        PATIENT,
        ("server.workers", "1"),
        ("limits.max_waiting", "10"),
    ];
    let scene = Scene::set(&[("a", 0, 10)], &settings).await;
    scene.proxy.set(Link::Hung);
    let stay = scene.ask("/alloc?biz_tag=a&count=3", 6);
    scene.until_waiting(6).await;
    let mut leave = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&scene.server).await;
        let request = "GET /alloc?biz_tag=a&count=3 HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        leave.push(stream);
    }
    scene.until_waiting(10).await;
    drop(leave);
    // The server may not know yet that they are gone, so they keep their places at most.
    assert!(scene.waiting().await <= 10.0);
    scene.proxy.set(Link::Up);
    let mut found = ids(stay.join_all().await);
    assert_eq!(found.len(), 6 * 3);
    scene.until_waiting(0).await;
    found.extend(scene.server.ids("a", 50).await);
    assert_distinct(&found);
}
