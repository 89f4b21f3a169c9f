//! A keyspace of Vitess with two shards: commands, and one shard that is gone.

use crate::commands;
use crate::support::PATIENCE;
use crate::support::checks::assert_distinct;
use crate::support::server::{Server, prepare};
use crate::vitess_cluster::Vitess;

const SHARDS: [&str; 2] = ["sids/-80", "sids/80-"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn every_command_works() {
    let cluster = Vitess::start("none", &SHARDS).await;
    commands::work_on(&cluster.url("sids")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn a_shard_that_is_gone_stops_its_own_tags_alone() {
    let cluster = Vitess::start("none", &SHARDS).await;
    stops_its_own_tags_alone(&cluster, 101).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Vitess"]
async fn the_first_shard_that_is_gone_stops_its_own_tags_alone() {
    let cluster = Vitess::start("none", &SHARDS).await;
    stops_its_own_tags_alone(&cluster, 100).await;
}

async fn stops_its_own_tags_alone(cluster: &Vitess, gone: u32) {
    let url = cluster.url("sids");
    let names: Vec<String> = (0..16).map(|number| format!("tag{number}")).collect();
    let tags: Vec<(&str, i64, i64)> = names.iter().map(|name| (name.as_str(), 0, 10)).collect();
    prepare(&url, &tags).await;
    let server = Server::on(&url).await;
    let mut ids = Vec::new();
    for name in &names {
        ids.push(server.ids(name, 50).await);
    }
    let there = cluster
        .sql(gone, "SELECT biz_tag FROM vt_sids.segments")
        .await;
    let there: Vec<&str> = there.lines().collect();
    assert!((1..names.len()).contains(&there.len()), "{there:?}");
    cluster.kill(gone).await;
    for (name, ids) in names.iter().zip(&mut ids) {
        if there.contains(&name.as_str()) {
            continue;
        }
        // Far more than is in memory.
        let path = format!("/alloc?biz_tag={name}&count=200");
        for _ in 0..20 {
            ids.extend(server.until(&path, 200, PATIENCE * 2).await.ids());
        }
        assert_distinct(ids);
    }
    let path = format!("/alloc?biz_tag={}&count=200", there[0]);
    server.until(&path, 503, PATIENCE).await;
}
