//! The network between server and database delays, and breaks off in the middle of a claim.

use crate::support::checks::Answer;
use crate::support::database::TestDatabase;
use crate::support::load::{Load, Plan};
use crate::support::proxy::{Link, Proxy};
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually};
use std::collections::BTreeSet;
use std::time::Duration;

/// Every claim of this tag takes so many ids: `allocation.max_step` forbids more.
const STEP: i64 = 10;
const TAG: &str = "order";
const MAX_ID: &str = "SELECT max_id FROM segments WHERE biz_tag = 'order'";
const ROUNDS: i64 = 5;
/// However slow the machine is, only the link makes a claim fail.
const PATIENT: [(&str, &str); 3] = [
    ("database.statement_timeout", "30s"),
    ("database.acquire_timeout", "30s"),
    ("limits.request_deadline", "60s"),
];

/// Interrupts claims under load, and gives all answers. `committed` of the interrupted claims must have
/// reached the database.
async fn interrupted(link: Link, committed: i64) -> Vec<Answer> {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[(TAG, 0, STEP)]).await;
    let (proxy, url) = Proxy::before(&database.url()).await;
    let step = STEP.to_string();
    let own = [
        ("database.url", url.as_str()),
        ("allocation.max_step", &step),
    ];
    let server = Server::start(&[&own[..], &PATIENT].concat()).await;
    let plan = Plan {
        tags: &[TAG],
        // Fewer than one claim holds, so that no demand makes it larger.
        clients: 4,
        count: 1..=1,
        roaming: false,
    };
    let load = Load::start(std::slice::from_ref(&server), plan);
    for round in 1..=ROUNDS {
        load.more(0, 50).await;
        proxy.set(link);
        eventually("a claim of unknown outcome", PATIENCE, async || {
            (outcome(&server, "unknown").await == round).then_some(())
        })
        .await;
    }
    // Later claims serve, and nobody was refused.
    load.more(0, 100).await;
    assert_eq!(load.refused(0), 0);
    let answers = load.end_checked(Vec::new()).await;
    eventually(
        "max_id's being the sum of the claims",
        PATIENCE,
        async || {
            let claims = outcome(&server, "ok").await + committed;
            (database.number(MAX_ID).await == STEP * claims).then_some(())
        },
    )
    .await;
    assert_eq!(outcome(&server, "unknown").await, ROUNDS);
    answers
}

#[allow(clippy::cast_possible_truncation, reason = "a small count")]
async fn outcome(server: &Server, outcome: &str) -> i64 {
    let series = format!("id_alloc_segment_loads_total{{outcome=\"{outcome}\"}} ");
    server.metric(&series).await.unwrap() as i64
}

/// Ids from 1 to the greatest answered that nobody got.
fn gaps(answers: &[Answer]) -> Vec<i64> {
    let ids: BTreeSet<i64> = answers.iter().flat_map(|a| &a.ids).copied().collect();
    let last = *ids.last().unwrap();
    (1..last).filter(|id| !ids.contains(id)).collect()
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_claim_whose_answer_is_lost_was_committed_and_its_ids_are_never_given() {
    let answers = interrupted(Link::SwallowAnswer(TAG.as_bytes()), ROUNDS).await;
    let gaps = gaps(&answers);
    assert_eq!(gaps.len() as i64, STEP * ROUNDS, "{gaps:?}");
    for gap in gaps.chunks(10) {
        assert_eq!((gap[0] % STEP, gap[9]), (0, gap[0] + STEP - 1), "{gaps:?}");
    }
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_claim_cut_off_in_the_middle_counts_as_unknown_and_leaves_no_gap() {
    let answers = interrupted(Link::BreakRequest(TAG.as_bytes()), 0).await;
    assert_eq!(gaps(&answers), [0; 0]);
}

const TAGS: [&str; 2] = ["large", "small"];
const LARGE: usize = 0;
const SMALL: usize = 1;

/// A server behind a link, under load: one tag lives from memory, the other claims all the time.
async fn behind_a_link(settings: &[(&str, &str)]) -> (TestDatabase, Proxy, Server, Load) {
    let database = TestDatabase::on_mariadb().await;
    let steps = [(TAGS[LARGE], 0, 1_000_000), (TAGS[SMALL], 0, 50)];
    prepare(&database.url(), &steps).await;
    let (proxy, url) = Proxy::before(&database.url()).await;
    let common = [
        ("database.url", url.as_str()),
        ("allocation.segment_duration", "100ms"),
    ];
    let server = Server::start(&[&common[..], settings].concat()).await;
    let plan = Plan {
        tags: &TAGS,
        clients: 8,
        count: 1..=20,
        roaming: false,
    };
    let load = Load::start(std::slice::from_ref(&server), plan);
    load.more(LARGE, 100).await;
    load.more(SMALL, 100).await;
    (database, proxy, server, load)
}

/// Waits until so many claims of the small tag were made.
async fn claims(database: &TestDatabase, number: usize) {
    for _ in 0..number {
        let sql = "SELECT max_id FROM segments WHERE biz_tag = 'small'";
        let before = database.number(sql).await;
        eventually("a claim", PATIENCE, async || {
            (database.number(sql).await > before).then_some(())
        })
        .await;
    }
}

/// Each piece is delayed, there and back, over so many claims and requests for the small tag; nothing fails.
async fn delayed(one_way: Duration, number: usize, requests: usize) {
    let (database, proxy, _server, load) = behind_a_link(&PATIENT).await;
    proxy.set(Link::Slow(one_way));
    claims(&database, number).await;
    load.more(LARGE, 300).await;
    load.more(SMALL, requests).await;
    proxy.set(Link::Up);
    load.more(SMALL, 300).await;
    load.end_checked(Vec::new()).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn fifty_milliseconds_of_delay_fail_no_request() {
    delayed(Duration::from_millis(25), 10, 300).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn two_seconds_of_delay_fail_no_request_that_may_wait_for_them() {
    delayed(Duration::from_secs(1), 2, 20).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_delay_beyond_the_statement_timeout_fails_no_request_for_ids_in_memory() {
    let settings = [("database.statement_timeout", "1s")];
    let (_database, proxy, server, load) = behind_a_link(&settings).await;
    load.tolerate(SMALL, &["no_available_id"]);
    proxy.set(Link::Slow(Duration::from_secs(1)));
    load.until_refused(SMALL).await;
    load.more(LARGE, 300).await;
    assert!(outcome(&server, "unknown").await >= 1);
    proxy.set(Link::Up);
    load.more(SMALL, 300).await;
    load.end_checked(Vec::new()).await;
}
