//! Rows changed by hand while servers run: deleted, made again, lowered, restored, retired, renamed.
//! No id comes twice from servers that live through it, and over each whole run ids keep their order.
//!
//! What saves them are two marks: `claimed_to` in the row, and in each server the end of all that it
//! ever claimed (the high-water mark), which survives eviction and the row. What they cannot see:
//! - Where the row forgets (deleted, or restored with its guard), a server knows its own mark alone.
//!   The first to claim skips eight claims beyond it; another that holds ids above even that, or one
//!   that knows nothing of the tag (started afterwards), is not seen.

use crate::support::checks::{Answer, assert_ordered, assert_unique};
use crate::support::database::{SEED_SCHEMA, TestDatabase};
use crate::support::http::Response;
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually};
use std::time::Instant;

/// The step of each tag, and the most that is claimed at once.
pub(super) const STEP: i64 = 100;
/// Ids of one request.
const COUNT: usize = 50;
/// A tag is dropped from memory when it was not used for so long.
const EVICTS: (&str, &str) = ("allocation.idle_after", "200ms");

/// Servers on one table, and all that they answered.
pub(super) struct Run {
    pub(super) servers: Vec<Server>,
    tags: &'static [&'static str],
    answers: Vec<Answer>,
}

impl Run {
    /// No server yet, on tags that exist.
    pub(super) fn of(tags: &'static [&'static str]) -> Self {
        Self {
            servers: Vec::new(),
            tags,
            answers: Vec::new(),
        }
    }

    /// Starts a server whose claims do not grow.
    pub(super) async fn serve(&mut self, database: &TestDatabase, more: &[(&str, &str)]) {
        let (url, step) = (database.url(), STEP.to_string());
        let mut settings = vec![
            ("database.url", url.as_str()),
            ("allocation.max_step", &step),
            ("limits.unknown_tag_ttl", "100ms"),
            // A refusal here means what its code says, not that the machine is slow.
            ("limits.request_deadline", "20s"),
        ];
        settings.extend(more);
        self.servers.push(Server::start(&settings).await);
    }

    /// One request, and what was answered to it.
    pub(super) async fn ask(&self, server: usize, tag: usize, count: usize) -> (Answer, Response) {
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
    async fn when_served(&self, server: usize, tag: usize, count: usize) -> Answer {
        eventually("ids", PATIENCE, async || {
            let (answer, response) = self.ask(server, tag, count).await;
            (response.status == 200).then_some(answer)
        })
        .await
    }

    /// Takes ids in so many requests, as soon as the server has them.
    pub(super) async fn take(&mut self, server: usize, tag: usize, requests: usize) {
        for _ in 0..requests {
            let answer = self.when_served(server, tag, COUNT).await;
            self.answers.push(answer);
        }
    }

    /// Takes ids from all servers at once, so that they race for the row.
    async fn race(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let all = (0..self.servers.len()).map(|server| self.when_served(server, 0, COUNT));
            let answers = futures_util::future::join_all(all).await;
            self.answers.extend(answers);
        }
    }

    /// Takes one id after the other until the server refuses; the refusal, and how many came.
    pub(super) async fn drain(&mut self, server: usize, tag: usize) -> (Response, u64) {
        let mut served = 0;
        loop {
            let (answer, response) = self.ask(server, tag, 1).await;
            if response.status != 200 {
                return (response, served);
            }
            served += 1;
            self.answers.push(answer);
        }
    }

    /// Waits until a server has dropped its only tag from memory.
    async fn evicted(&self, server: usize) {
        eventually("the tag's eviction", PATIENCE, async || {
            let loaded = self.servers[server].metric("id_alloc_tags_loaded ").await;
            (loaded == Some(0.0)).then_some(())
        })
        .await;
    }

    /// What was answered for a tag, in ascending order.
    pub(super) fn ids(&self, tag: usize) -> Vec<i64> {
        let of_tag = self.answers.iter().filter(|answer| answer.tag == tag);
        let mut ids: Vec<i64> = of_tag.flat_map(|answer| answer.ids.clone()).collect();
        ids.sort_unstable();
        ids
    }

    /// How often a row was found to have gone backwards.
    async fn regressions(&self) -> f64 {
        let mut noticed = 0.0;
        for server in &self.servers {
            let series = "id_alloc_max_id_regressions_total ";
            noticed += server.metric(series).await.unwrap();
        }
        noticed
    }

    /// P1 and P2 over the whole run.
    pub(super) fn check(&self) {
        assert_unique(&self.answers);
        assert_ordered(&self.answers);
    }

    fn path(&self, tag: usize, count: usize) -> String {
        let name = self.tags[tag].as_bytes();
        let name: String = url::form_urlencoded::byte_serialize(name).collect();
        format!("/alloc?biz_tag={name}&count={count}")
    }
}

async fn with_tag_test() -> TestDatabase {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[("test", 0, STEP)]).await;
    database
}

const DELETE: &str = "DELETE FROM segments";
const MAKE_AGAIN: &str = "INSERT INTO segments (biz_tag, max_id, step) VALUES ('test', 0, 100)";

#[tokio::test]
async fn a_row_deleted_and_made_again_from_0_gives_no_id_of_a_living_server_twice() {
    let database = with_tag_test().await;
    let mut run = Run::of(&["test"]);
    run.serve(&database, &[]).await;
    run.take(0, 0, 5).await;
    for seen in [true, false, true] {
        database.execute(&[DELETE]).await;
        if seen {
            // Ids in memory are served; then the deletion is noticed, and forgotten by nobody.
            let (refused, served) = run.drain(0, 0).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (404, "unknown_tag")
            );
            assert!(served > 0, "memory was empty");
        }
        database.execute(&[MAKE_AGAIN]).await;
        run.take(0, 0, 8).await;
    }
    assert_eq!(run.regressions().await, 3.0);
    run.check();
}

/// The two servers' marks lie within eight claims of each other, which is as far as the skip reaches.
#[tokio::test]
async fn a_mark_survives_eviction_so_that_a_row_made_again_repeats_nothing() {
    for first in [0, 1] {
        let database = with_tag_test().await;
        let mut run = Run::of(&["test"]);
        run.serve(&database, &[EVICTS]).await;
        run.serve(&database, &[]).await;
        run.take(0, 0, 1).await;
        run.take(1, 0, 1).await;
        run.evicted(0).await;
        run.take(1, 0, 4).await;
        database.execute(&[DELETE]).await;
        let (refused, _) = run.drain(first, 0).await;
        assert_eq!(refused.code(), "unknown_tag");
        database.execute(&[MAKE_AGAIN]).await;
        run.take(first, 0, 10).await;
        run.race(20).await;
        assert!(run.regressions().await >= 1.0);
        run.check();
    }
}

#[tokio::test]
async fn a_lowered_max_id_is_raised_past_all_servers_however_far_behind_one_is() {
    let database = with_tag_test().await;
    let mut run = Run::of(&["test"]);
    run.serve(&database, &[EVICTS]).await;
    run.serve(&database, &[]).await;
    run.serve(&database, &[]).await;
    run.race(1).await;
    for lowered in [1, 0, 1234] {
        run.evicted(0).await;
        // Far more than a skip: what saves the server that slept is the row's claimed_to.
        run.take(1, 0, 30).await;
        run.take(2, 0, 10).await;
        let sql = format!("UPDATE segments SET max_id = {lowered}");
        database.execute(&[&sql]).await;
        run.take(0, 0, 4).await;
        run.race(8).await;
    }
    assert!(run.regressions().await >= 3.0);
    // One that knows nothing but the row.
    database.execute(&["UPDATE segments SET max_id = 1"]).await;
    run.serve(&database, &[]).await;
    run.take(3, 0, 4).await;
    run.race(4).await;
    run.check();
}

/// The whole row is as it was some claims ago, its guard too. Only the marks of those who live know
/// more, each of its own claims; all lie within the skip.
#[tokio::test]
async fn a_row_restored_with_its_guard_repeats_no_id_of_servers_within_the_skip() {
    for first in [0, 1, 2] {
        let database = with_tag_test().await;
        let mut run = Run::of(&["test"]);
        run.serve(&database, &[EVICTS]).await;
        run.serve(&database, &[]).await;
        run.serve(&database, &[]).await;
        run.race(2).await;
        let dump = "CREATE TABLE dump AS SELECT * FROM segments";
        database.execute(&[dump]).await;
        run.take(0, 0, 1).await;
        run.evicted(0).await;
        run.take(1, 0, 3).await;
        run.take(2, 0, 1).await;
        let restore = "REPLACE INTO segments SELECT * FROM dump";
        database.execute(&[restore]).await;
        run.take(first, 0, 4).await;
        run.race(20).await;
        assert!(run.regressions().await >= 1.0);
        run.check();
    }
}

#[tokio::test]
async fn a_tag_retired_by_hand_is_unknown_once_memory_is_used_up_and_comes_back_above_everything() {
    let database = with_tag_test().await;
    let mut run = Run::of(&["test"]);
    run.serve(&database, &[]).await;
    run.serve(&database, &[]).await;
    run.race(3).await;
    for lower in [false, true] {
        let retire = "UPDATE segments SET retired_at = NOW()";
        database.execute(&[retire]).await;
        for server in [0, 1] {
            let (refused, served) = run.drain(server, 0).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (404, "unknown_tag")
            );
            assert!(served > 0, "memory was empty");
        }
        if lower {
            let sql = "UPDATE segments SET max_id = 0";
            database.execute(&[sql]).await;
        }
        let highest = *run.ids(0).last().unwrap();
        let back = "UPDATE segments SET retired_at = NULL";
        database.execute(&[back]).await;
        run.race(5).await;
        let above = run.ids(0).into_iter().filter(|&id| id > highest);
        assert_eq!(above.count(), 5 * 2 * COUNT);
    }
    run.check();
}

#[tokio::test]
async fn a_name_that_only_the_collation_makes_equal_is_another_tag() {
    const NAMES: &[&str] = &["test", "TEST", "test ", "tést", "Test"];
    for (charset, migrated) in [("latin1", true), ("utf8mb3", true), ("utf8mb4", false)] {
        let database = TestDatabase::on_mariadb().await;
        database.execute(SEED_SCHEMA).await;
        let collate = format!(
            "ALTER TABLE segments CONVERT TO CHARACTER SET {charset} COLLATE {charset}_general_ci"
        );
        database.execute(&[&collate]).await;
        if migrated {
            prepare(&database.url(), &[]).await;
        }
        let mut run = Run::of(NAMES);
        run.serve(&database, &[]).await;
        // One row bears each name in turn; its max_id goes on, whatever it is called.
        for (now, name) in NAMES.iter().enumerate() {
            let rename = format!("UPDATE segments SET biz_tag = '{name}'");
            database.execute(&[&rename]).await;
            run.take(0, now, 4).await;
            for (other, wrong) in NAMES.iter().enumerate().filter(|(other, _)| *other != now) {
                let (refused, _) = run.drain(0, other).await;
                let what = format!("{wrong:?} where the row is {name:?}: {}", refused.body);
                assert_eq!(refused.code(), "unknown_tag", "{what}");
            }
        }
        run.check();
        let mut all: Vec<i64> = (0..NAMES.len()).flat_map(|tag| run.ids(tag)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "an id under two names of one row");
    }
}
