//! Servers on one table whose claims stay small, driven step by step, and all that they answered.

use super::checks::{Answer, assert_ordered, assert_unique};
use super::database::TestDatabase;
use super::http::Response;
use super::server::Server;
use super::{PATIENCE, eventually};
use std::time::Instant;

/// The step of each tag, and the most that is claimed at once.
pub(crate) const STEP: i64 = 100;
/// Ids of one request.
pub(crate) const COUNT: usize = 50;
/// More than a server has in memory: two claims, and one that was under way.
const MEMORY: u64 = 20 * STEP as u64;

/// Servers on one table, and all that they answered.
pub(crate) struct Run {
    pub(crate) servers: Vec<Server>,
    tags: &'static [&'static str],
    answers: Vec<Answer>,
}

impl Run {
    /// No server yet, on tags that exist.
    pub(crate) fn of(tags: &'static [&'static str]) -> Self {
        Self {
            servers: Vec::new(),
            tags,
            answers: Vec::new(),
        }
    }

    /// Starts a server whose claims do not grow.
    pub(crate) async fn serve(&mut self, database: &TestDatabase, more: &[(&str, &str)]) {
        let (url, step) = (database.url(), STEP.to_string());
        let mut settings = vec![
            ("database.url", url.as_str()),
            ("allocation.max_step", &step),
            ("limits.unknown_tag_ttl", "100ms"),
            // A refusal or a gap here means what it says, not that the machine is slow.
            ("limits.request_deadline", "20s"),
            ("database.statement_timeout", "15s"),
        ];
        settings.extend(more);
        self.servers.push(Server::start(&settings).await);
    }

    /// One request, and what was answered to it.
    pub(crate) async fn ask(&self, server: usize, tag: usize, count: usize) -> (Answer, Response) {
        let path = self.path(tag, count);
        let sent = Instant::now();
        let response = self.servers[server].get(&path).await;
        let received = Instant::now();
        let ids = match response.status {
            200 => response.ids(),
            _ => Vec::new(),
        };
        let answer = Answer {
            server,
            tag,
            sent,
            received,
            ids,
        };
        (answer, response)
    }

    /// Ids as soon as the server has them again.
    pub(crate) async fn when_served(&self, server: usize, tag: usize, count: usize) -> Answer {
        eventually("ids", PATIENCE, async || {
            let (answer, response) = self.ask(server, tag, count).await;
            (response.status == 200).then_some(answer)
        })
        .await
    }

    /// Takes ids in so many requests, as soon as the server has them.
    pub(crate) async fn take(&mut self, server: usize, tag: usize, requests: usize) {
        for _ in 0..requests {
            let answer = self.when_served(server, tag, COUNT).await;
            self.answers.push(answer);
        }
    }

    /// Takes more ids than the server has in memory: it has then claimed after this was called.
    pub(crate) async fn take_memory(&mut self, server: usize, tag: usize) {
        self.take(server, tag, MEMORY.div_ceil(COUNT as u64) as usize)
            .await;
    }

    /// Takes ids until one is not below `id`: the server then has claimed beyond that.
    pub(crate) async fn take_past(&mut self, server: usize, tag: usize, id: i64) {
        while self.answers.last().is_none_or(|answer| {
            answer.server != server || answer.ids.last().is_none_or(|&last| last < id)
        }) {
            self.take(server, tag, 1).await;
        }
    }

    /// Takes ids from all servers at once, so that they race for the row.
    pub(crate) async fn race(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let all = (0..self.servers.len()).map(|server| self.when_served(server, 0, COUNT));
            let answers = futures_util::future::join_all(all).await;
            self.answers.extend(answers);
        }
    }

    /// Takes one id after the other until the server refuses; the refusal, and how many came.
    pub(crate) async fn drain(&mut self, server: usize, tag: usize) -> (Response, u64) {
        for served in 0..MEMORY {
            let (answer, response) = self.ask(server, tag, 1).await;
            if response.status != 200 {
                return (response, served);
            }
            self.answers.push(answer);
        }
        panic!("it serves on after {MEMORY} ids of {}", self.tags[tag]);
    }

    /// How many ids a server has in memory, as soon as it has one.
    pub(crate) async fn left(&self, server: usize, tag: usize) -> u64 {
        let path = format!("/health?biz_tag={}", self.tags[tag]);
        let health = self.servers[server].until(&path, 200, PATIENCE).await;
        health.json()["left"].as_u64().expect("a number")
    }

    /// Waits until each server has looked at the table and has nothing to look for before the next refresh: only then it
    /// pings the database.
    pub(crate) async fn at_rest(&self) {
        for server in &self.servers {
            eventually("a ping", PATIENCE, async || {
                let series = "id_alloc_store_ping_duration_seconds_count ";
                let pings = server.metric(series).await;
                pings.is_some_and(|pings| pings > 0.0).then_some(())
            })
            .await;
        }
    }

    /// Waits until a server has dropped its only tag from memory.
    pub(crate) async fn evicted(&self, server: usize) {
        eventually("the tag's eviction", PATIENCE, async || {
            let loaded = self.servers[server].metric("id_alloc_tags_loaded ").await;
            (loaded == Some(0.0)).then_some(())
        })
        .await;
    }

    /// What was answered for a tag, in ascending order.
    pub(crate) fn ids(&self, tag: usize) -> Vec<i64> {
        let of_tag = self.answers.iter().filter(|answer| answer.tag == tag);
        let mut ids: Vec<i64> = of_tag.flat_map(|answer| answer.ids.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// How often a row was found to have gone backwards.
    pub(crate) async fn regressions(&self) -> f64 {
        let mut noticed = 0.0;
        for server in &self.servers {
            let series = "id_alloc_max_id_regressions_total ";
            noticed += server.metric(series).await.unwrap();
        }
        noticed
    }

    /// P1 and P2 over the whole run.
    pub(crate) fn check(&self) {
        assert_unique(&self.answers);
        assert_ordered(&self.answers);
    }

    fn path(&self, tag: usize, count: usize) -> String {
        let name = self.tags[tag].as_bytes();
        let name: String = url::form_urlencoded::byte_serialize(name).collect();
        format!("/alloc?biz_tag={name}&count={count}")
    }
}
