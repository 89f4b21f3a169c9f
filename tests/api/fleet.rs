//! Three servers on one table, a million ids, and one server that crashes in between.

use crate::support::checks::assert_unique;
use crate::support::database::TestDatabase;
use crate::support::flavour::{Flavour, on_both};
use crate::support::load::{Load, Plan};
use crate::support::server::{Server, prepare};
use std::time::Instant;

const IDS: usize = 1_000_000;
const PLAN: Plan = Plan {
    tags: &["single", "ten", "thousand"],
    clients: 32,
    count: 1..=200,
    roaming: true,
};
/// The server that crashes.
const VICTIM: usize = 1;

on_both!(a_million_ids_of_three_servers_are_distinct_and_ordered_though_one_crashes);

async fn a_million_ids_of_three_servers_are_distinct_and_ordered_though_one_crashes(
    flavour: Flavour,
) {
    let database = TestDatabase::on(flavour).await;
    let tags = [("single", 0, 1), ("ten", 0, 10), ("thousand", 0, 1000)];
    prepare(&database.url(), &tags).await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Server::on(&database.url()).await);
    }
    let load = Load::start(&servers, PLAN);
    load.until_ids(IDS / 3).await;
    load.gone(VICTIM);
    servers.remove(VICTIM).kill();
    load.until_ids(IDS / 2).await;
    servers.insert(VICTIM, Server::on(&database.url()).await);
    load.back(VICTIM, &servers[VICTIM]);
    let restarted = Instant::now();
    load.until_ids(IDS).await;

    let answers = load.end_checked(Vec::new()).await;
    assert!(assert_unique(&answers) >= IDS);
    let by_victim = answers.iter().filter(|answer| answer.server == VICTIM);
    assert!(
        by_victim.filter(|answer| answer.sent > restarted).count() > 100,
        "the server that crashed serves again"
    );
}
