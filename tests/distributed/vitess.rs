//! An unsharded keyspace of Vitess: commands, and a fleet while primaries are moved and killed.

use crate::commands;
use crate::fleet::{Fleet, TAGS};
use crate::locked;
use crate::support::PATIENCE;
use crate::support::checks::assert_distinct;
use crate::support::server::{Server, prepare};
use crate::vitess_cluster::Vitess;

const SHARD: &str = "ids/0";
const THREE: [&str; 3] = [SHARD; 3];

/// Where nothing was lost nothing may look as if it was.
fn assert_nothing_went_back(logs: &str) {
    for said in ["went back", "failover_limit"] {
        assert!(!logs.contains(said), "{logs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn every_command_works() {
    let cluster = Vitess::start("none", &[SHARD]).await;
    commands::work_on(&cluster.url("ids")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn a_row_that_somebody_locks_is_refused_in_time_and_served_once_it_is_free() {
    let cluster = Vitess::start("none", &[SHARD]).await;
    locked::refuses_in_time(&cluster.url("ids")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn a_fleet_takes_distinct_ids_through_planned_moves_and_dead_primaries() {
    let cluster = Vitess::start("semi_sync", &THREE).await;
    let url = cluster.url("ids");
    prepare(&url, &TAGS).await;
    let mut fleet = Fleet::start(&url).await;
    fleet.take(20_000).await;
    fleet.lose_a_server().await;
    // While the primary moves a claim waits for it, and memory may be used up.
    fleet.may_run_out();
    // As often as an operator could ever do it: nothing is lost, so nothing may stop for long.
    for tablet in [101, 100, 102, 101, 100] {
        cluster.reparent(SHARD, tablet).await;
        fleet.take(5_000).await;
    }
    cluster.watch().await;
    fleet.take(5_000).await;
    cluster.kill(100).await;
    // Longer than what is in memory lasts: the next primary serves.
    fleet.take(40_000).await;
    assert_nothing_went_back(&fleet.logs());
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn a_promoted_replica_that_lost_claims_gives_none_of_their_ids() {
    let cluster = Vitess::start("none", &[SHARD, SHARD]).await;
    let url = cluster.url("ids");
    prepare(&url, &TAGS).await;
    let fleet = Fleet::start(&url).await;
    fleet.take(10_000).await;
    cluster.lag(101).await;
    fleet.take(40_000).await;
    fleet.may_run_out();
    cluster.kill(100).await;
    cluster.promote(SHARD, 101).await;
    fleet.take(20_000).await;
    let logs = fleet.logs();
    assert!(logs.contains("has another primary"), "{logs}");
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn a_primary_that_refuses_writes_turns_health_red_until_it_takes_them() {
    let cluster = Vitess::start("none", &[SHARD]).await;
    let url = cluster.url("ids");
    prepare(&url, &[("ten", 0, 10)]).await;
    let server = Server::on(&url).await;
    let mut ids = server.ids("ten", 20).await;
    let refuse = "SET GLOBAL super_read_only = 1";
    cluster.sql(100, refuse).await;
    // Until what is in memory is used up.
    loop {
        let answer = server.get("/alloc?biz_tag=ten").await;
        if answer.status != 200 {
            break;
        }
        ids.extend(answer.ids());
    }
    server.until("/health", 503, PATIENCE).await;
    cluster.sql(100, "SET GLOBAL read_only = 0").await;
    server.until("/health", 200, PATIENCE).await;
    ids.extend(server.ids("ten", 20).await);
    assert_distinct(&ids);
}
