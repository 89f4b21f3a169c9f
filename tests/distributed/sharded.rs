//! A keyspace of Vitess with two shards: commands, and one shard that is gone.

use crate::commands;
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
    let names: Vec<String> = (0..16).map(|number| format!("tag{number}")).collect();
    let mut served = Vec::new();
    for shard in [100, 101] {
        let cluster = Vitess::start("none", &SHARDS).await;
        let still = served_without(&cluster, shard, &names).await;
        assert!(!still.is_empty(), "no tag is served without {shard}");
        served.extend(still);
    }
    served.sort();
    let mut all = names;
    all.sort();
    assert_eq!(served, all, "each by the other shard alone");
}

/// The tags that are served far beyond what is in memory while a tablet is gone.
async fn served_without(cluster: &Vitess, tablet: u32, names: &[String]) -> Vec<String> {
    let url = cluster.url("sids");
    let tags: Vec<(&str, i64, i64)> = names.iter().map(|name| (name.as_str(), 0, 10)).collect();
    prepare(&url, &tags).await;
    let server = Server::on(&url).await;
    let mut ids = vec![Vec::new(); names.len()];
    for (name, ids) in names.iter().zip(&mut ids) {
        ids.extend(server.ids(name, 50).await);
    }
    cluster.kill(tablet).await;
    let mut served = Vec::new();
    for (name, ids) in names.iter().zip(&mut ids) {
        for _ in 0..20 {
            let answer = server
                .get(&format!("/alloc?biz_tag={name}&count=200"))
                .await;
            if answer.status != 200 {
                break;
            }
            ids.extend(answer.ids());
        }
        if ids.len() == 50 + 20 * 200 {
            served.push(name.clone());
        }
        assert_distinct(ids);
    }
    served
}
