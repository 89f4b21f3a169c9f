//! Callers behind a load balancer: each asks as fast as it goes, by GET and POST, on a connection that
//! is kept and on new ones, and nothing but ids will do.

use super::checks::{Answer, assert_unique};
use super::{PATIENCE, eventually};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::task::JoinSet;

/// A load under way.
pub(crate) struct Callers {
    shared: Arc<Shared>,
    running: JoinSet<Vec<Answer>>,
}

struct Shared {
    base: String,
    tags: &'static [&'static str],
    served: AtomicUsize,
    stopped: AtomicBool,
    /// What a caller got in place of ids.
    lost: Mutex<Vec<String>>,
}

impl Callers {
    /// So many callers of the tags at `base`, each of them with the tags in turn.
    pub(crate) fn start(base: &str, tags: &'static [&'static str], callers: usize) -> Self {
        let shared = Arc::new(Shared {
            base: base.to_owned(),
            tags,
            served: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            lost: Mutex::default(),
        });
        let mut running = JoinSet::new();
        for number in 0..callers {
            running.spawn(call(number, Arc::clone(&shared)));
        }
        Self { shared, running }
    }

    /// Waits until so many more requests got ids. One that did not ends the test at once.
    pub(crate) async fn more(&self, requests: usize) {
        let served = || self.shared.served.load(Ordering::SeqCst);
        let wanted = served() + requests;
        eventually("requests served", PATIENCE * 4, async || {
            self.assert_none_lost();
            (served() >= wanted).then_some(())
        })
        .await;
    }

    fn assert_none_lost(&self) {
        let lost = self.shared.lost.lock().unwrap();
        let served = self.shared.served.load(Ordering::SeqCst);
        assert!(lost.is_empty(), "{} of {served}: {lost:?}", lost.len());
    }

    /// Ends it: every request got ids (else this fails), and no id came twice.
    pub(crate) async fn end(mut self) -> Vec<Answer> {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let mut answers = Vec::new();
        while let Some(own) = self.running.join_next().await {
            answers.extend(own.expect("a caller failed"));
        }
        self.assert_none_lost();
        assert_unique(&answers);
        answers
    }
}

async fn call(number: usize, shared: Arc<Shared>) -> Vec<Answer> {
    let kept = reqwest::Client::new();
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut answers = Vec::new();
    while !shared.stopped.load(Ordering::SeqCst) {
        let tag = answers.len() % shared.tags.len();
        let (name, count) = (shared.tags[tag], random.usize(1..=5));
        let client = if random.u8(..8) == 0 {
            reqwest::Client::new()
        } else {
            kept.clone()
        };
        let (method, path, body) = if random.bool() {
            ("GET", format!("/alloc?biz_tag={name}&count={count}"), None)
        } else {
            let form = format!("biz_tag={name}&count={count}");
            ("POST", "/alloc".to_owned(), Some(form))
        };
        let sent = Instant::now();
        let answer = super::http::send(&client, &shared.base, method, &path, body).await;
        let received = Instant::now();
        match answer {
            Ok(answer) if answer.status == 200 => {
                let ids = answer.ids();
                assert_eq!(ids.len(), count);
                shared.served.fetch_add(1, Ordering::SeqCst);
                // The servers are one behind a balancer.
                answers.push(Answer {
                    server: 0,
                    tag,
                    sent,
                    received,
                    ids,
                });
            }
            other => {
                let what = match other {
                    Ok(answer) => format!("{method}: {} {}", answer.status, answer.body),
                    Err(error) => format!("{method}: {error:?}"),
                };
                shared.lost.lock().unwrap().push(what);
                return answers;
            }
        }
    }
    answers
}
