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
    for gone in [100, 101] {
        let cluster = Vitess::start("none", &SHARDS).await;
        stops_its_own_tags_alone(&cluster, gone).await;
    }
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
    // All are asked at once, so that those that cannot be served are in the way.
    let asked = names.iter().zip(&mut ids).map(|(name, ids)| {
        let is_gone = there.contains(&name.as_str());
        ask(&server, name, is_gone, ids)
    });
    futures_util::future::join_all(asked).await;
}

/// Takes far more of a tag than is in memory, or waits until it is refused. vtgate holds what is sent to a shard that is gone
/// for ten seconds, and more with it.
async fn ask(server: &Server, name: &str, is_gone: bool, ids: &mut Vec<i64>) {
    let path = format!("/alloc?biz_tag={name}&count=200");
    if is_gone {
        server.until(&path, 503, PATIENCE).await;
        return;
    }
    for _ in 0..20 {
        ids.extend(server.until(&path, 200, PATIENCE * 2).await.ids());
    }
    assert_distinct(ids);
}
