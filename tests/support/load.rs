//! Clients that take ids through everything: every answer is kept, every refusal counted, and what
//! nobody tolerates ends the test.

use super::checks::{Answer, assert_ordered, assert_unique};
use super::http::send;
use super::server::Server;
use super::{PATIENCE, eventually};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Who asks for what.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The tags asked for; elsewhere a tag is its place in here.
    pub(crate) tags: &'static [&'static str],
    /// How many ask at once.
    pub(crate) clients: usize,
    /// Ids per request, drawn anew for each.
    pub(crate) count: RangeInclusive<usize>,
    /// Whether a client takes another server and tag each time. Else each keeps to one of each, so
    /// that a tag which hangs holds up its own clients alone.
    pub(crate) roaming: bool,
}

/// Where a server is reached; `None` while it is dead. The generation grows with each change.
#[derive(Clone)]
struct Place {
    base: Option<String>,
    generation: usize,
}

/// What became of the requests for one tag.
#[derive(Default)]
struct Tally {
    served: AtomicUsize,
    ids: AtomicUsize,
    refused: AtomicUsize,
    /// Codes of refusals that fail no test at present.
    tolerated: RwLock<&'static [&'static str]>,
}

struct Shared {
    plan: Plan,
    places: Vec<RwLock<Place>>,
    tallies: Vec<Tally>,
    /// One for each request that may still be sent.
    permits: Semaphore,
    /// The first thing that went wrong.
    failure: Mutex<Option<String>>,
}

/// A load under way.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Vec<Answer>>,
}

impl Load {
    /// Clients that wait for [`Load::serve`] or [`Load::unleash`].
    pub(crate) fn held(servers: &[Server], plan: Plan) -> Self {
        let place = |server: &Server| {
            RwLock::new(Place {
                base: Some(server.base.clone()),
                generation: 0,
            })
        };
        let shared = Arc::new(Shared {
            places: servers.iter().map(place).collect(),
            tallies: plan.tags.iter().map(|_| Tally::default()).collect(),
            permits: Semaphore::new(0),
            failure: Mutex::default(),
            plan,
        });
        let mut clients = JoinSet::new();
        for number in 0..shared.plan.clients {
            clients.spawn(client(number, Arc::clone(&shared)));
        }
        Self { shared, clients }
    }

    /// Clients that ask as fast as it goes.
    pub(crate) fn start(servers: &[Server], plan: Plan) -> Self {
        let load = Self::held(servers, plan);
        load.unleash();
        load
    }

    /// From now on as fast as it goes.
    pub(crate) fn unleash(&self) {
        self.shared.permits.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Lets so many requests go, and waits until they were served.
    pub(crate) async fn serve(&self, requests: usize) {
        let wanted = self.total_served() + requests;
        self.shared.permits.add_permits(requests);
        self.until("the load's being served", || self.total_served() >= wanted)
            .await;
    }

    /// From now on refusals of `tag` with these codes are counted and fail nothing.
    pub(crate) fn tolerate(&self, tag: usize, codes: &'static [&'static str]) {
        *self.shared.tallies[tag].tolerated.write().unwrap() = codes;
    }

    /// Requests for `tag` that got ids.
    pub(crate) fn served(&self, tag: usize) -> usize {
        self.shared.tallies[tag].served.load(Ordering::SeqCst)
    }

    /// Requests for `tag` that were refused with a tolerated code.
    pub(crate) fn refused(&self, tag: usize) -> usize {
        self.shared.tallies[tag].refused.load(Ordering::SeqCst)
    }

    /// Ids of all tags that were answered.
    pub(crate) fn ids(&self) -> usize {
        let tallies = self.shared.tallies.iter();
        tallies.map(|tally| tally.ids.load(Ordering::SeqCst)).sum()
    }

    fn total_served(&self) -> usize {
        (0..self.shared.tallies.len())
            .map(|tag| self.served(tag))
            .sum()
    }

    /// Waits until so many more requests for `tag` got ids.
    pub(crate) async fn more(&self, tag: usize, requests: usize) {
        let wanted = self.served(tag) + requests;
        let what = format!("{requests} more served of {}", self.shared.plan.tags[tag]);
        self.until(&what, || self.served(tag) >= wanted).await;
    }

    /// Waits until `tag` is refused: the fault is felt.
    pub(crate) async fn until_refused(&self, tag: usize) {
        let before = self.refused(tag);
        let what = format!("a refusal of {}", self.shared.plan.tags[tag]);
        self.until(&what, || self.refused(tag) > before).await;
    }

    /// Waits until so many ids were answered in all.
    pub(crate) async fn until_ids(&self, ids: usize) {
        self.until("ids taken", || self.ids() >= ids).await;
    }

    /// Lets the load run for so long.
    pub(crate) async fn run_for(&self, time: Duration) {
        let end = Instant::now() + time;
        self.until("the end of the phase", || Instant::now() >= end)
            .await;
    }

    /// Waits until `reached`, for as long as a million ids take on a busy machine; a client that fails
    /// ends it at once.
    async fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let look = async || {
            self.assert_no_failure();
            reached().then_some(())
        };
        eventually(what, PATIENCE * 10, look).await;
    }

    fn assert_no_failure(&self) {
        let failure = self.shared.failure.lock().unwrap().clone();
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    }

    /// To be called before a server dies: from now on nobody asks it.
    pub(crate) fn gone(&self, server: usize) {
        self.shared.set(server, None);
    }

    /// A server is back, perhaps on another port.
    pub(crate) fn back(&self, number: usize, server: &Server) {
        self.shared.set(number, Some(server.base.clone()));
    }

    /// Ends it and gives every answer.
    pub(crate) async fn end(mut self) -> Vec<Answer> {
        self.shared.permits.close();
        let mut answers = Vec::new();
        while let Some(own) = self.clients.join_next().await {
            answers.extend(own.expect("a client failed"));
        }
        self.assert_no_failure();
        answers
    }

    /// Ends it, and checks P1 and P2 over all of it and `others`.
    pub(crate) async fn end_checked(self, others: Vec<Answer>) -> Vec<Answer> {
        let mut answers = self.end().await;
        answers.extend(others);
        assert_unique(&answers);
        assert_ordered(&answers);
        answers
    }
}

impl Shared {
    fn place(&self, server: usize) -> Place {
        self.places[server].read().unwrap().clone()
    }

    fn set(&self, server: usize, base: Option<String>) {
        let mut place = self.places[server].write().unwrap();
        place.base = base;
        place.generation += 1;
    }

    fn tolerates(&self, tag: usize, code: &str) -> bool {
        self.tallies[tag].tolerated.read().unwrap().contains(&code)
    }

    fn fail(&self, what: String) {
        self.failure.lock().unwrap().get_or_insert(what);
        self.permits.close();
    }
}

async fn client(number: usize, shared: Arc<Shared>) -> Vec<Answer> {
    let client = reqwest::Client::new();
    let mut random = fastrand::Rng::with_seed(number as u64);
    let (tags, servers) = (shared.plan.tags, shared.places.len());
    let (mut tag, mut server) = (number % tags.len(), number / tags.len() % servers);
    let mut answers = Vec::new();
    while let Ok(permit) = shared.permits.acquire().await {
        permit.forget();
        if shared.plan.roaming {
            (tag, server) = (random.usize(..tags.len()), random.usize(..servers));
        }
        let place = shared.place(server);
        let Some(base) = &place.base else {
            shared.permits.add_permits(1);
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let count = random.usize(shared.plan.count.clone());
        let mut path = format!("/alloc?biz_tag={}", tags[tag]);
        if count > 1 {
            path += &format!("&count={count}");
        }
        let tolerated = *shared.tallies[tag].tolerated.read().unwrap();
        let sent = Instant::now();
        let answer = send(&client, base, "GET", &path, None).await;
        let received = Instant::now();
        match answer {
            Ok(answer) if answer.status == 200 => {
                let ids = answer.ids();
                assert_eq!(ids.len(), count, "{path}");
                let tally = &shared.tallies[tag];
                tally.ids.fetch_add(count, Ordering::SeqCst);
                tally.served.fetch_add(1, Ordering::SeqCst);
                answers.push(Answer {
                    server,
                    tag,
                    sent,
                    received,
                    ids,
                });
            }
            Ok(answer) => {
                let code = answer.code();
                // Tolerated when it was asked, or by now: a fault may begin and end in between.
                if tolerated.contains(&code.as_str()) || shared.tolerates(tag, &code) {
                    shared.tallies[tag].refused.fetch_add(1, Ordering::SeqCst);
                    shared.permits.add_permits(1);
                } else {
                    shared.fail(format!("server {server}, {path}: {}", answer.body));
                }
            }
            Err(_) if shared.place(server).generation != place.generation => {
                shared.permits.add_permits(1);
            }
            Err(error) => shared.fail(format!(
                "server {server} lives and did not answer {path}: {error:?}"
            )),
        }
    }
    answers
}
