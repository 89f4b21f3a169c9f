//! Three nodes of Galera, each written to by a server of its own: nodes die and come back, the quorum
//! is lost and regained, servers move from node to node. No id comes twice, and no move costs a skip,
//! since the identity that a claim carries is the cluster's.
//!
//! What the guard cannot see here: a cluster made anew from a node that had lost claims has the same
//! name. Galera loses none of them as long as one node that was in the quorum lives on.

use crate::support::checks::{Answer, assert_ordered, assert_unique};
use crate::support::database::connect;
use crate::support::galera::Galera;
use crate::support::http::send;
use crate::support::proxy::Proxy;
use crate::support::server::{Server, prepare};
use crate::support::{eventually, full};
use sea_orm::ConnectionTrait;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const NODES: usize = 3;
/// All servers write the first one's row all the time.
const TAGS: [&str; 3] = ["hot", "warm", "cold"];
const HOT: usize = 0;
/// `allocation.max_step` forbids larger claims, so that every other request needs one.
const STEP: i64 = 100;
/// The most ids per request.
const COUNT: usize = 80;
const CLIENTS: usize = 3 * NODES;
/// A claim waits for the group's timeouts, on a machine that runs all tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// What became of the load's requests, by server.
#[derive(Default)]
struct Counts {
    served: [AtomicUsize; NODES],
    refused: [AtomicUsize; NODES],
    ends: AtomicBool,
}

/// Clients of each server that go on through everything.
struct Load {
    counts: Arc<Counts>,
    clients: RefCell<JoinSet<Vec<Answer>>>,
}

impl Load {
    fn on(servers: &[Server]) -> Self {
        let counts = Arc::<Counts>::default();
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let server = number % NODES;
            let base = servers[server].base.clone();
            clients.spawn(client(number, server, base, counts.clone()));
        }
        Self {
            counts,
            clients: RefCell::new(clients),
        }
    }

    /// Waits until each server has served so many more requests.
    async fn each_serves(&self, more: usize) {
        self.each(&self.counts.served, more, "requests' being served")
            .await;
    }

    /// Waits until each server has refused a request: its memory is used up, and it cannot claim.
    async fn each_refuses(&self) {
        self.each(&self.counts.refused, 1, "requests' being refused")
            .await;
    }

    async fn each(&self, counts: &[AtomicUsize; NODES], more: usize, what: &str) {
        let read = || counts.each_ref().map(|count| count.load(Ordering::SeqCst));
        let before = read();
        eventually(what, PATIENCE, async || {
            if let Some(ended) = self.clients.borrow_mut().try_join_next() {
                panic!("a client failed: {:?}", ended.err());
            }
            let now = read();
            let all = (0..NODES).all(|server| now[server] >= before[server] + more);
            all.then_some(())
        })
        .await;
    }

    async fn end(self) -> Vec<Answer> {
        self.counts.ends.store(true, Ordering::SeqCst);
        let answers = self.clients.into_inner().join_all().await;
        answers.into_iter().flatten().collect()
    }
}

async fn client(number: usize, server: usize, base: String, counts: Arc<Counts>) -> Vec<Answer> {
    let client = reqwest::Client::new();
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut answers = Vec::new();
    while !counts.ends.load(Ordering::SeqCst) {
        let tag = match random.usize(..4) {
            0 => random.usize(1..TAGS.len()),
            _ => HOT,
        };
        let count = random.usize(1..=COUNT);
        let path = format!("/alloc?biz_tag={}&count={count}", TAGS[tag]);
        let sent = Instant::now();
        let answer = send(&client, &base, "GET", &path, None).await.unwrap();
        if answer.status == 200 {
            answers.push(Answer {
                server,
                tag,
                sent,
                received: Instant::now(),
                ids: answer.ids(),
            });
            counts.served[server].fetch_add(1, Ordering::SeqCst);
        } else {
            assert_eq!(answer.code(), "no_available_id", "{}", answer.body);
            counts.refused[server].fetch_add(1, Ordering::SeqCst);
        }
    }
    answers
}

/// A cluster, and for each node a link to it with a server behind that.
struct Scene {
    cluster: Galera,
    links: Vec<Proxy>,
    servers: Vec<Server>,
}

impl Scene {
    async fn set() -> Self {
        let cluster = Galera::start(NODES).await;
        let root = connect(&cluster.url(0)).await;
        // A node that was held up is put out of the cluster for a moment, and refuses everything.
        eventually("a database", PATIENCE, async || {
            let create = "CREATE DATABASE IF NOT EXISTS ids";
            root.execute_unprepared(create).await.ok()
        })
        .await;
        root.close().await.unwrap();
        let tags = TAGS.map(|tag| (tag, 0, STEP));
        prepare(&format!("{}/ids", cluster.url(1)), &tags).await;
        let (mut links, mut servers) = (Vec::new(), Vec::new());
        for node in 0..NODES {
            let link = Proxy::to(&cluster.address(node)).await;
            servers.push(behind(&link).await);
            links.push(link);
        }
        Self {
            cluster,
            links,
            servers,
        }
    }

    /// Leads a server to another node, as a failing health check would.
    fn move_to(&self, server: usize, node: usize) {
        self.links[server].retarget(&self.cluster.address(node));
        self.links[server].cut_open();
    }

    async fn guarded_without_a_skip(&self) {
        for server in &self.servers {
            for (series, wanted) in [
                ("id_alloc_guard_active ", 1.0),
                ("id_alloc_failover_skips_total ", 0.0),
                ("id_alloc_max_id_regressions_total ", 0.0),
            ] {
                assert_eq!(server.metric(series).await, Some(wanted), "{series}");
            }
        }
    }
}

async fn behind(link: &Proxy) -> Server {
    let step = STEP.to_string();
    let url = format!("mysql://root@{}/ids", link.address());
    Server::start(&[
        ("database.url", &url),
        ("allocation.max_step", &step),
        // A refusal here means what it says, not that the machine is slow.
        ("limits.request_deadline", "20s"),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Galera"]
async fn on_three_galera_nodes_that_die_and_lose_their_quorum_no_id_comes_twice() {
    let mut scene = Scene::set().await;
    let load = Load::on(&scene.servers);
    load.each_serves(200).await;
    let identity = "SELECT claimed_on FROM segments WHERE biz_tag = 'hot'";
    let claimed_on = scene.cluster.text(2, "ids", identity).await;
    assert_eq!(claimed_on, format!("galera:{}", scene.cluster.name));

    // A node crashes, its server goes on by way of another, and moves back when it has joined again.
    scene.cluster.kill9(2);
    scene.move_to(2, 0);
    load.each_serves(100).await;
    scene.cluster.rejoin(2).await;
    scene.move_to(2, 2);
    load.each_serves(100).await;
    scene.guarded_without_a_skip().await;

    // Two nodes hang: what was sent to them may be committed when they wake.
    for _ in 0..if full() { 3 } else { 1 } {
        scene.cluster.stop(1).await;
        scene.cluster.stop(2).await;
        scene.cluster.without_quorum(0).await;
        load.each_refuses().await;
        scene.cluster.cont(1);
        scene.cluster.cont(2);
        load.each_serves(100).await;
        for node in 0..NODES {
            scene.cluster.joined(node).await;
        }
    }

    // Two nodes crash and do not come back: the third one is declared to be the cluster.
    scene.cluster.kill9(0);
    scene.cluster.kill9(1);
    for server in 0..NODES {
        scene.move_to(server, 2);
    }
    scene.cluster.without_quorum(2).await;
    load.each_refuses().await;
    scene.cluster.bootstrap(2).await;
    load.each_serves(100).await;

    let mut answers = load.end().await;
    let another = behind(&scene.links[0]).await;
    for (tag, name) in TAGS.iter().enumerate() {
        let sent = Instant::now();
        let ids = another.ids(name, 500).await;
        let received = Instant::now();
        answers.push(Answer {
            server: NODES,
            tag,
            sent,
            received,
            ids,
        });
    }
    assert_unique(&answers);
    assert_ordered(&answers);
    scene.guarded_without_a_skip().await;
}
