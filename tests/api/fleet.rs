//! Three servers on one table, a million ids, and one server that crashes in between.

use crate::support::checks::{Answer, assert_ordered, assert_unique};
use crate::support::database::TestDatabase;
use crate::support::http::send;
use crate::support::server::{Server, prepare};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const TAGS: [&str; 3] = ["single", "ten", "thousand"];
const IDS: usize = 1_000_000;
const CLIENTS: usize = 32;
/// The server that crashes.
const VICTIM: usize = 1;

/// Where a server is reached; `None` while it is dead. The generation grows with each change.
#[derive(Clone)]
struct Place {
    base: Option<String>,
    generation: usize,
}

struct Fleet {
    places: Vec<RwLock<Place>>,
    taken: AtomicUsize,
}

impl Fleet {
    fn place(&self, server: usize) -> Place {
        self.places[server].read().unwrap().clone()
    }

    fn set(&self, server: usize, base: Option<String>) {
        let mut place = self.places[server].write().unwrap();
        place.base = base;
        place.generation += 1;
    }
}

/// Takes ids of all tags from all servers in turn until the fleet has given out enough.
async fn client(number: usize, fleet: Arc<Fleet>) -> Vec<Answer> {
    let client = reqwest::Client::new();
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut answers = Vec::new();
    let mut server = number;
    while fleet.taken.load(Ordering::Relaxed) < IDS {
        server = (server + 1) % fleet.places.len();
        let place = fleet.place(server);
        let Some(base) = &place.base else { continue };
        let tag = random.usize(..TAGS.len());
        let mut path = format!("/alloc?biz_tag={}", TAGS[tag]);
        if random.bool() {
            path += &format!("&count={}", random.usize(1..=200));
        }
        let sent = Instant::now();
        let answer = send(&client, base, "GET", &path, None).await;
        let received = Instant::now();
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "server {server}: {}", answer.body);
                let ids = answer.ids();
                fleet.taken.fetch_add(ids.len(), Ordering::Relaxed);
                answers.push(Answer {
                    server,
                    tag,
                    sent,
                    received,
                    ids,
                });
            }
            Err(error) => assert_ne!(
                fleet.place(server).generation,
                place.generation,
                "server {server} lives and did not answer: {error:?}"
            ),
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_ids_of_three_servers_are_distinct_and_ordered_though_one_crashes() {
    let database = TestDatabase::on_mariadb().await;
    let tags = [(TAGS[0], 0, 1), (TAGS[1], 0, 10), (TAGS[2], 0, 1000)];
    prepare(&database.url(), &tags).await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Server::on(&database.url()).await);
    }
    let fleet = Arc::new(Fleet {
        places: servers
            .iter()
            .map(|server| {
                RwLock::new(Place {
                    base: Some(server.base.clone()),
                    generation: 0,
                })
            })
            .collect(),
        taken: AtomicUsize::new(0),
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(number, Arc::clone(&fleet)));
    }

    let reached = |part: usize| {
        let fleet = Arc::clone(&fleet);
        async move {
            let limit = Duration::from_secs(300);
            crate::support::eventually("ids taken", limit, async || {
                (fleet.taken.load(Ordering::Relaxed) >= part).then_some(())
            })
            .await;
        }
    };
    // A client that fails ends the test at once, not when the ids do not come.
    let crash = async {
        reached(IDS / 3).await;
        fleet.set(VICTIM, None);
        servers.remove(VICTIM).kill();
        reached(IDS / 2).await;
        let again = Server::on(&database.url()).await;
        fleet.set(VICTIM, Some(again.base.clone()));
        servers.push(again);
        let restarted = Instant::now();
        reached(IDS).await;
        restarted
    };
    let mut answers: Vec<Answer> = Vec::new();
    let taking = async {
        while let Some(taken) = clients.join_next().await {
            answers.extend(taken.expect("a client failed"));
        }
    };
    let (restarted, ()) = tokio::join!(crash, taking);

    assert!(assert_unique(&answers) >= IDS);
    assert_ordered(&answers);
    let by_victim = |answer: &&Answer| answer.server == VICTIM;
    let again = answers.iter().filter(by_victim);
    assert!(
        again.filter(|answer| answer.sent > restarted).count() > 100,
        "the server that crashed serves again"
    );
}
