//! One tag, two servers, and callers of every protocol at once, while the database is killed and comes back: no id comes
//! twice, and those of each server come in order.

use crate::support::PATIENCE;
use crate::support::checks::{Answer, assert_ordered, assert_unique};
use crate::support::eventually;
use crate::support::flavour::Flavour;
use crate::support::http::{Response, send};
use crate::support::own_database::OwnDatabase;
use crate::support::redis::{Redis, Said, address};
use crate::support::server::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// As CosId names it, `shop/order`.
const TAG: &str = "shop.order";
const STEP: i64 = 1000;

/// How a protocol asks, and what its callers make of the answer; `None` where it is no answer with ids.
struct Protocol {
    name: &'static str,
    way: Way,
}

enum Way {
    /// Method, path, and what ids the answer holds.
    Http(
        &'static str,
        &'static str,
        fn(&Response) -> Option<Vec<i64>>,
    ),
    /// A command, and how many ids it takes.
    Redis(&'static str, i64),
}

const PROTOCOLS: [Protocol; 8] = [
    Protocol {
        name: "alloc",
        way: Way::Http("GET", "/alloc?biz_tag=shop.order", |answer| {
            (answer.status == 200).then(|| answer.ids())
        }),
    },
    Protocol {
        name: "range",
        way: Way::Http("GET", "/range?biz_tag=shop.order&count=300", |answer| {
            let first = answer.json()["first"].as_i64()?;
            Some((first..first + 300).collect())
        }),
    },
    Protocol {
        name: "tinyid",
        way: Way::Http(
            "GET",
            "/tinyid/id/nextIdSimple?bizType=shop.order&token=t&batchSize=2",
            |answer| list(&answer.body),
        ),
    },
    Protocol {
        name: "tinyid's client",
        way: Way::Http(
            "POST",
            "/tinyid/id/nextSegmentIdSimple?token=t&bizType=shop.order",
            |answer| {
                let fields = list(&answer.body)?;
                assert_eq!(fields[2] - fields[0], STEP, "{}", answer.body);
                Some((fields[0] + 1..=fields[2]).collect())
            },
        ),
    },
    Protocol {
        name: "leaf",
        way: Way::Http("GET", "/api/segment/get/shop.order", |answer| {
            (answer.status == 200).then(|| vec![answer.body.parse().expect(&answer.body)])
        }),
    },
    Protocol {
        name: "cosid",
        way: Way::Http("PATCH", "/segments/shop/order?step=400", |answer| {
            let last: i64 = answer.body.parse().ok()?;
            Some((last - 399..=last).collect())
        }),
    },
    Protocol {
        name: "redis",
        way: Way::Redis("INCR shop.order", 1),
    },
    Protocol {
        name: "redis, by more than one",
        way: Way::Redis("INCRBY shop.order 250", 250),
    },
];

fn list(text: &str) -> Option<Vec<i64>> {
    let fields = text.split(',').map(|field| field.parse().ok());
    fields.collect()
}

/// What all callers look at.
struct State {
    /// Whether refusals are to be expected.
    is_dead: AtomicBool,
    /// By protocol and server: requests that may still be served, and those that were.
    callers: [[(Semaphore, AtomicUsize); 2]; PROTOCOLS.len()],
}

impl State {
    fn new() -> Arc<Self> {
        let caller = || (Semaphore::new(0), AtomicUsize::new(0));
        Arc::new(Self {
            is_dead: AtomicBool::new(false),
            callers: std::array::from_fn(|_| [caller(), caller()]),
        })
    }

    /// Has each caller be served so often more. A tag's allowance is for what people need, not for callers in a loop.
    fn ask(&self, answers: usize) {
        let all = self.callers.iter().flatten();
        all.for_each(|(permits, _)| permits.add_permits(answers));
    }

    /// Waits until each was served so often in all.
    async fn served(&self, answers: usize) {
        eventually(
            "each protocol's being served by each server",
            PATIENCE * 4,
            async || {
                let mut all = self.callers.iter().flatten();
                let is_served = |(_, served): &(Semaphore, AtomicUsize)| {
                    served.load(Ordering::SeqCst) >= answers
                };
                all.all(is_served).then_some(())
            },
        )
        .await;
    }
}

/// Where a server is: for HTTP, and for Redis' clients.
type Addresses = (String, String);

async fn caller(
    state: Arc<State>,
    protocol: usize,
    server: usize,
    (base, redis): Addresses,
) -> Vec<Answer> {
    let Protocol { name, way } = &PROTOCOLS[protocol];
    let (permits, served) = &state.callers[protocol][server];
    let client = reqwest::Client::new();
    let mut redis = Redis::connect(&redis).await;
    let mut answers = Vec::new();
    while let Ok(permit) = permits.acquire().await {
        let was_dead = state.is_dead.load(Ordering::SeqCst);
        let sent = Instant::now();
        let ids = match way {
            Way::Http(method, path, ids) => {
                let answer = send(&client, &base, method, path, None).await;
                let answer = answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
                ids(&answer).ok_or(format!("{} {}", answer.status, answer.body))
            }
            Way::Redis(command, count) => match redis.ask(command).await {
                Said::Integer(last) => Ok((last - count + 1..=last).collect()),
                said => Err(format!("{said:?}")),
            },
        };
        let received = Instant::now();
        match ids {
            Ok(ids) => {
                permit.forget();
                served.fetch_add(1, Ordering::SeqCst);
                answers.push(Answer {
                    server,
                    tag: 0,
                    sent,
                    received,
                    ids,
                });
            }
            Err(refusal) => assert!(
                was_dead || state.is_dead.load(Ordering::SeqCst),
                "{name}: {refusal}"
            ),
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB"]
async fn callers_of_every_protocol_share_a_tag_through_an_outage_and_no_id_comes_twice() {
    let mut database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let url = database.holding(&[(TAG, 0, STEP)]).await;
    let redis = [address(), address()];
    let settings = redis.each_ref().map(|redis| {
        [
            ("database.url", &*url),
            ("wire.tinyid", "true"),
            ("wire.leaf", "true"),
            ("wire.cosid", "true"),
            ("wire.redis.bind", redis),
        ]
    });
    let servers = [
        Server::start(&settings[0]).await,
        Server::start(&settings[1]).await,
    ];
    let state = State::new();
    let mut callers = JoinSet::new();
    for protocol in 0..PROTOCOLS.len() {
        for (number, server) in servers.iter().enumerate() {
            let addresses = (server.base.clone(), redis[number].clone());
            callers.spawn(caller(state.clone(), protocol, number, addresses));
        }
    }
    state.ask(30);
    state.served(30).await;
    state.is_dead.store(true, Ordering::SeqCst);
    database.kill9();
    // More than is in memory: they are served while it lasts, and refused until the database is back.
    state.ask(30);
    for server in &servers {
        eventually("its being noticed", PATIENCE, async || {
            let up = server.metric("id_alloc_store_up").await;
            (up == Some(0.0)).then_some(())
        })
        .await;
    }
    database.restart().await;
    state.served(60).await;
    state.is_dead.store(false, Ordering::SeqCst);
    state.ask(30);
    state.served(90).await;
    let all = state.callers.iter().flatten();
    all.for_each(|(permits, _)| permits.close());
    let answers = callers.join_all().await.concat();
    assert_eq!(answers.len(), 90 * 2 * PROTOCOLS.len());
    assert_unique(&answers);
    assert_ordered(&answers);
}
