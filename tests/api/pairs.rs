//! A primary and its replica, and what people do to them: an advance that is lost, a dump put back under servers that
//! run, an old primary that goes on alone, claims that come many a second, a replica without the guard's columns. No id
//! comes twice, or nothing is handed out.

use crate::support::checks::assert_distinct;
use crate::support::database::connect;
use crate::support::flavour::{Flavour, on_both};
use crate::support::http::Response;
use crate::support::own_database::value;
use crate::support::proxy::Proxy;
use crate::support::replicated::{Replicated, ids_behind, skips};
use crate::support::server::{Server, cli};
use crate::support::{PATIENCE, eventually};
use sea_orm::{ConnectionTrait, DatabaseConnection};

on_both!(
    an_advance_that_is_lost_with_the_claims_after_it_repeats_nothing,
    an_older_dump_put_back_under_servers_that_run_moves_each_tag_once,
    an_old_primary_that_goes_on_alone_repeats_nothing_for_a_while_nor_when_it_comes_back,
    claims_that_come_many_a_second_are_counted_and_a_failover_repeats_nothing,
    small_claims_of_others_make_no_replica_forget_how_large_claims_are,
    a_promoted_replica_without_the_columns_of_the_guard_is_not_claimed_from,
);

/// Two databases, and a proxy that leads to the primary.
struct Pair {
    databases: Replicated,
    proxy: Proxy,
    primary: DatabaseConnection,
    replica: DatabaseConnection,
}

impl Pair {
    async fn of(flavour: Flavour, tags: &[(&str, i64, i64)]) -> Self {
        let (databases, proxy) = Replicated::linked(flavour, "ROW", tags).await;
        let primary = connect(&databases.primary.url()).await;
        let replica = connect(&databases.replica.url()).await;
        Self {
            databases,
            proxy,
            primary,
            replica,
        }
    }

    fn url(&self) -> String {
        ids_behind(&self.proxy)
    }

    /// The replica, as far as it has come, is what the proxy leads to.
    async fn fail_over(&mut self) {
        self.databases.primary.kill9();
        self.databases.promote().await;
        self.databases.lead_to_the_replica(&self.proxy);
    }
}

async fn sql(database: &DatabaseConnection, sql: &str) {
    database.execute_unprepared(sql).await.expect(sql);
}

/// So many ids, as soon as there are that many.
async fn take(server: &Server, path: &str) -> Vec<i64> {
    server.until(path, 200, PATIENCE).await.ids()
}

/// A range, as soon as it is permitted.
async fn range(server: &Server, count: i64) -> (i64, i64) {
    let path = format!("/range?biz_tag=order&count={count}");
    let first = first(&server.until(&path, 200, PATIENCE).await);
    (first, first + count)
}

fn first(answer: &Response) -> i64 {
    answer.json()["first"].as_i64().expect("a range")
}

/// An allowance so small that what lies beyond a skip is reached within the test.
const SMALL: &str =
    "UPDATE ids.segments SET allowance = 1000000, allowance_before = 1000000, allowance_at = 0";
/// One with which the test gets there at once.
const LARGE: &str = "UPDATE ids.segments SET allowance = 1000000000, allowance_before = 1000000000, \
                     allowance_at = 0, paid_until = 0";

async fn an_advance_that_is_lost_with_the_claims_after_it_repeats_nothing(flavour: Flavour) {
    let mut pair = Pair::of(flavour, &[("order", 0, 1000)]).await;
    sql(&pair.primary, SMALL).await;
    let (lost, other) = (Server::on(&pair.url()).await, Server::on(&pair.url()).await);
    let mut ids = take(&lost, "/alloc?biz_tag=order&count=10").await;
    ids.extend(take(&other, "/alloc?biz_tag=order&count=10").await);
    pair.databases.caught_up().await;
    pair.databases.stop_applier().await;
    // What an operator does after a restore, and the claims after it.
    cli(&pair.url(), &["tag", "advance", "order", "--by", "5000000"]).await;
    for _ in 0..20 {
        ids.extend(take(&lost, "/alloc?biz_tag=order&count=1000").await);
    }
    lost.kill();
    pair.fail_over().await;
    ids.extend(take(&other, "/alloc?biz_tag=order&count=1000").await);
    let (answered, before) = (ids.iter().max().copied(), ids.len());
    assert!(before > 20_000 && answered.is_some());
    // Up to beyond where the advance would have led.
    sql(&pair.replica, LARGE).await;
    let mut reached = 0;
    while reached < 6_000_000 {
        let (first, end) = range(&other, 200_000).await;
        assert!(ids.iter().all(|id| !(first..end).contains(id)), "{first}");
        reached = end;
    }
    assert_distinct(&ids);
    assert!((skips([&other]).await - 1.0).abs() < 0.1);
}

/// A table and its heartbeat, copied as a dump would be.
async fn copy(database: &DatabaseConnection, from: &str, to: &str) {
    for table in ["segments", "segments_heartbeat"] {
        sql(database, &format!("DROP TABLE IF EXISTS {to}.{table}")).await;
        sql(
            database,
            &format!("CREATE TABLE {to}.{table} LIKE {from}.{table}"),
        )
        .await;
        sql(
            database,
            &format!("INSERT INTO {to}.{table} SELECT * FROM {from}.{table}"),
        )
        .await;
    }
}

async fn an_older_dump_put_back_under_servers_that_run_moves_each_tag_once(flavour: Flavour) {
    let tags = [("order", 0, 1000), ("idle", 0, 1000), ("late", 0, 1000)];
    let pair = Pair::of(flavour, &tags).await;
    sql(&pair.primary, "CREATE DATABASE dump").await;
    let (witness, lost) = (Server::on(&pair.url()).await, Server::on(&pair.url()).await);
    let mut ids = vec![Vec::new(); tags.len()];
    for (ids, (tag, ..)) in ids.iter_mut().zip(tags) {
        let path = format!("/alloc?biz_tag={tag}&count=10");
        ids.extend(take(&witness, &path).await);
        ids.extend(take(&lost, &path).await);
    }
    let lineage = "SELECT lineage FROM ids.segments_heartbeat";
    let beat = "SELECT beat FROM ids.segments_heartbeat";
    copy(&pair.primary, "ids", "dump").await;
    let dumped: i64 = value(&pair.primary, beat).await;
    // Claimed after the dump, by a server that is gone: nobody's memory tells of these.
    for (ids, (tag, ..)) in ids.iter_mut().zip(tags) {
        let path = format!("/alloc?biz_tag={tag}&count=2500");
        ids.extend(take(&lost, &path).await);
    }
    lost.kill();
    // Longer than a heartbeat may be silent before one that comes new leaves it to others.
    eventually("heartbeats after the dump", PATIENCE, async || {
        let now: i64 = value(&pair.primary, beat).await;
        (now > dumped + 6_000_000).then_some(())
    })
    .await;
    copy(&pair.primary, "dump", "ids").await;
    // One that knows nothing may look first; it keeps nobody from telling.
    let _early = Server::on(&pair.url()).await;
    eventually("a new lineage", PATIENCE, async || {
        let lineage: i64 = value(&pair.primary, lineage).await;
        (lineage > 0).then_some(())
    })
    .await;
    let fresh = Server::on(&pair.url()).await;
    for _ in 0..3 {
        for (ids, (tag, ..)) in ids.iter_mut().zip(tags) {
            let path = format!("/alloc?biz_tag={tag}&count=5000");
            ids.extend(take(&fresh, &path).await);
            ids.extend(take(&witness, &path).await);
        }
    }
    for ids in &ids {
        assert_distinct(ids);
    }
    let moved = skips([&fresh, &witness]).await;
    assert!((moved - 3.0).abs() < 0.1, "{moved} moves of three tags");
}

async fn an_old_primary_that_goes_on_alone_repeats_nothing_for_a_while_nor_when_it_comes_back(
    flavour: Flavour,
) {
    let pair = Pair::of(flavour, &[("order", 0, 1000)]).await;
    let old = format!("{}/ids", pair.databases.primary.url());
    // One server is cut off together with the old primary; the other is led to the new one.
    let (cut_off, moved) = (Server::on(&old).await, Server::on(&pair.url()).await);
    let mut ids = take(&cut_off, "/alloc?biz_tag=order&count=10").await;
    ids.extend(take(&moved, "/alloc?biz_tag=order&count=10").await);
    pair.databases.caught_up().await;
    pair.databases.promote().await;
    pair.databases.lead_to_the_replica(&pair.proxy);
    for _ in 0..20 {
        for server in [&cut_off, &moved] {
            ids.extend(take(server, "/alloc?biz_tag=order&count=5000").await);
        }
    }
    assert_distinct(&ids);
    assert!((skips([&cut_off, &moved]).await - 1.0).abs() < 0.1);
    // It comes back as the primary, without what was claimed on the other.
    pair.proxy.retarget(&pair.databases.primary.address());
    pair.proxy.cut_open();
    let lineage = "SELECT lineage FROM ids.segments_heartbeat";
    eventually("it is told", PATIENCE, async || {
        let lineage: i64 = value(&pair.primary, lineage).await;
        (lineage > 0).then_some(())
    })
    .await;
    moved.says("went back to an earlier state").await;
    let fresh = Server::on(&pair.url()).await;
    for _ in 0..4 {
        for server in [&cut_off, &moved, &fresh] {
            ids.extend(take(server, "/alloc?biz_tag=order&count=5000").await);
        }
    }
    assert_distinct(&ids);
}

async fn claims_that_come_many_a_second_are_counted_and_a_failover_repeats_nothing(
    flavour: Flavour,
) {
    let mut pair = Pair::of(flavour, &[("order", 0, 10)]).await;
    let url = pair.url();
    let settings = [
        ("database.url", url.as_str()),
        ("allocation.max_step", "10"),
    ];
    let (lost, other) = (
        Server::start(&settings).await,
        Server::start(&settings).await,
    );
    let mut ids = take(&other, "/alloc?biz_tag=order&count=5").await;
    pair.databases.caught_up().await;
    pair.databases.stop_applier().await;
    // Each needs a claim of its own, and none is larger than the ones before.
    for _ in 0..300 {
        ids.extend(take(&lost, "/alloc?biz_tag=order&count=15").await);
    }
    lost.kill();
    pair.fail_over().await;
    for _ in 0..300 {
        ids.extend(take(&other, "/alloc?biz_tag=order&count=30").await);
    }
    assert_distinct(&ids);
    assert!((skips([&other]).await - 1.0).abs() < 0.1);
}

async fn small_claims_of_others_make_no_replica_forget_how_large_claims_are(flavour: Flavour) {
    let mut pair = Pair::of(flavour, &[("order", 0, 1000)]).await;
    let large = Server::on(&pair.url()).await;
    let mut ranges = vec![range(&large, 1_000_000).await];
    // A deployment: one server after the other is started, and claims a little.
    for _ in 0..6 {
        let small = Server::on(&pair.url()).await;
        ranges.push(range(&small, 1).await);
        small.kill();
    }
    pair.databases.caught_up().await;
    pair.databases.stop_applier().await;
    for _ in 0..5 {
        ranges.push(range(&large, 4_000_000).await);
    }
    pair.fail_over().await;
    let fresh = Server::on(&pair.url()).await;
    for _ in 0..50 {
        ranges.push(range(&fresh, 10_000).await);
        ranges.push(range(&large, 10_000).await);
    }
    // Whole ranges, not first and last: an answer of many single ids may come from two segments far apart.
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{pair:?}");
    }
}

async fn a_promoted_replica_without_the_columns_of_the_guard_is_not_claimed_from(flavour: Flavour) {
    let mut pair = Pair::of(flavour, &[("order", 0, 10)]).await;
    let server = Server::on(&pair.url()).await;
    take(&server, "/alloc?biz_tag=order&count=5").await;
    pair.databases.caught_up().await;
    pair.databases.stop_applier().await;
    let row = "SELECT max_id FROM ids.segments";
    let kept: i64 = value(&pair.replica, row).await;
    // As a replica that was made before them, and that applies what it can.
    let columns: String = value(
        &pair.replica,
        "SELECT GROUP_CONCAT('DROP COLUMN ', column_name) FROM information_schema.columns \
         WHERE table_schema = 'ids' AND table_name = 'segments' AND (column_name LIKE 'claimed%' \
         OR column_name LIKE 'allowance%' OR column_name IN ('moves', 'paid_until', 'needed_at', 'lineage'))",
    )
    .await;
    sql(&pair.replica, "SET sql_log_bin = 0").await;
    sql(
        &pair.replica,
        &format!("ALTER TABLE ids.segments {columns}"),
    )
    .await;
    pair.fail_over().await;
    let path = "/alloc?biz_tag=order&count=5000";
    // The first one finds that a column is gone, the next that it was there.
    eventually("a refusal that says why", PATIENCE, async || {
        let answer = server.get(path).await;
        let is_refused = answer.status == 503 && answer.code() == "table_misconfigured";
        let said = server.stderr();
        let says = |part: &str| said.contains(part);
        (is_refused && says("which it had before") && says("id-alloc migrate up")).then_some(())
    })
    .await;
    let now: i64 = value(&pair.replica, row).await;
    assert_eq!(now, kept);
}
