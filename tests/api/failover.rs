//! A replica that has lost the newest claims becomes the primary, and no id is answered twice: not by
//! servers that lived through it, not by one started afterwards, not of a tag that was idle.

use crate::support::PATIENCE;
use crate::support::checks::{Answer, assert_distinct, assert_ordered, assert_unique};
use crate::support::database::connect;
use crate::support::flavour::{Flavour, on_both};
use crate::support::load::{Load, Plan};
use crate::support::own_database::{OwnDatabase, value};
use crate::support::proxy::Proxy;
use crate::support::replicated::{Replicated, ids_behind, skips};
use crate::support::server::Server;
use sea_orm::ConnectionTrait;
use std::time::Instant;

on_both!(
    with_row_a_failover_that_loses_claims_gives_no_id_twice,
    with_mixed_a_failover_that_loses_claims_gives_no_id_twice,
    a_server_that_knows_nothing_and_claims_first_takes_nothing_that_others_hold,
    a_pool_that_sits_on_a_demoted_primary_leaves_it_and_gives_no_id_twice,
    with_statement_the_server_says_that_the_guard_is_off,
    with_statement_a_replica_follows_the_claims,
    a_pool_half_on_the_old_and_half_on_the_new_primary_gives_no_id_twice,
);

/// Under load; claimed only before the replica stops applying; claimed also after that.
const TAGS: [&str; 3] = ["busy", "idle", "late"];
const BUSY: usize = 0;
const IDLE: usize = 1;
const LATE: usize = 2;
/// Claims begin this small and grow by far under the load, also while the replica applies nothing.
const STEP: i64 = 10;
/// So many requests of the busy tag are answered from claims that the replica has, and from claims that
/// it loses: far more than eight times the largest one that it has.
const KEPT_REQUESTS: usize = 100;
const LOST_REQUESTS: usize = 4000;
/// Ids per request of the load.
const COUNT: usize = 50;

/// Clients of the busy tag, three for each server.
fn load(servers: &[Server]) -> Load {
    let plan = Plan {
        tags: &TAGS[..1],
        clients: servers.len() * 3,
        count: COUNT..=COUNT,
        roaming: false,
    };
    let load = Load::held(servers, plan);
    load.tolerate(BUSY, &["no_available_id"]);
    load
}

/// Ids of a tag, as soon as the server has them.
async fn take(servers: &[Server], server: usize, tag: usize, count: usize) -> Answer {
    let path = format!("/alloc?biz_tag={}&count={count}", TAGS[tag]);
    let sent = Instant::now();
    let answer = servers[server].until(&path, 200, PATIENCE).await;
    Answer {
        server,
        tag,
        sent,
        received: Instant::now(),
        ids: answer.ids(),
    }
}

async fn max_id(database: &OwnDatabase, tag: usize) -> i64 {
    let connection = connect(&format!("{}/ids", database.url())).await;
    let sql = format!(
        "SELECT max_id FROM segments WHERE biz_tag = '{}'",
        TAGS[tag]
    );
    let max_id = value(&connection, &sql).await;
    connection.close().await.unwrap();
    max_id
}

/// Two servers behind a proxy, and a replica that has lost their newest claims.
struct Scene {
    databases: Replicated,
    proxy: Proxy,
    servers: Vec<Server>,
    load: Load,
    answers: Vec<Answer>,
}

impl Scene {
    async fn set(flavour: Flavour, binlog_format: &str) -> Self {
        let tags = TAGS.map(|tag| (tag, 0, STEP));
        let (databases, proxy) = Replicated::linked(flavour, binlog_format, &tags).await;
        let servers = vec![another(&proxy).await, another(&proxy).await];
        let load = load(&servers);
        let mut scene = Self {
            databases,
            proxy,
            servers,
            load,
            answers: Vec::new(),
        };
        scene.lose_claims().await;
        scene
    }

    async fn lose_claims(&mut self) {
        let Replicated {
            primary, replica, ..
        } = &self.databases;
        // Both hold ids of the idle tag, one of the late tag; all of that the replica has.
        for (server, tag) in [(0, IDLE), (1, IDLE), (0, LATE)] {
            let answer = take(&self.servers, server, tag, COUNT).await;
            self.answers.push(answer);
        }
        self.load.serve(KEPT_REQUESTS).await;
        self.databases.caught_up().await;
        self.databases.stop_applier().await;

        // The second server's first claim of the late tag, and several of the busy one, are lost.
        let late = take(&self.servers, 1, LATE, COUNT).await;
        self.answers.push(late);
        assert!(max_id(primary, LATE).await > max_id(replica, LATE).await);
        let kept = max_id(replica, BUSY).await;
        self.load.serve(LOST_REQUESTS).await;
        assert_eq!(max_id(replica, BUSY).await, kept);
        for server in &self.servers {
            assert_eq!(server.metric("id_alloc_guard_active ").await, Some(1.0));
        }
        assert_eq!(skips(&self.servers).await, 0.0);
    }

    /// A third server comes; all of them take more of all tags than they hold; nothing comes twice.
    async fn nothing_twice(mut self) {
        self.servers.push(another(&self.proxy).await);
        for _ in 0..8 {
            for server in (0..self.servers.len()).rev() {
                for tag in [IDLE, LATE, BUSY] {
                    let answer = take(&self.servers, server, tag, 500).await;
                    self.answers.push(answer);
                }
            }
        }
        self.load.more(BUSY, 400).await;
        self.answers.extend(self.load.end().await);
        assert_unique(&self.answers);
        assert_ordered(&self.answers);
        let skips = skips(&self.servers).await;
        assert!((skips - 3.0).abs() < 0.5, "{skips} moves of three tags");
    }
}

async fn another(proxy: &Proxy) -> Server {
    Server::on(&ids_behind(proxy)).await
}

async fn a_killed_primary_and_a_replica_behind_it(flavour: Flavour, binlog_format: &str) {
    let mut scene = Scene::set(flavour, binlog_format).await;
    scene.databases.primary.kill9();
    // While there is no primary, memory is used up.
    scene.load.unleash();
    scene.databases.promote().await;
    scene.databases.lead_to_the_replica(&scene.proxy);
    scene.nothing_twice().await;
}

async fn with_row_a_failover_that_loses_claims_gives_no_id_twice(flavour: Flavour) {
    a_killed_primary_and_a_replica_behind_it(flavour, "ROW").await;
}

async fn with_mixed_a_failover_that_loses_claims_gives_no_id_twice(flavour: Flavour) {
    a_killed_primary_and_a_replica_behind_it(flavour, "MIXED").await;
}

async fn a_server_that_knows_nothing_and_claims_first_takes_nothing_that_others_hold(
    flavour: Flavour,
) {
    let mut scene = Scene::set(flavour, "ROW").await;
    scene.databases.primary.kill9();
    scene.databases.promote().await;
    // It has no mark: only the row of the replica tells it how much may be lost.
    let replica = format!("{}/ids", scene.databases.replica.url());
    scene.servers.push(Server::on(&replica).await);
    for tag in [IDLE, LATE, BUSY] {
        let answer = take(&scene.servers, 2, tag, COUNT).await;
        scene.answers.push(answer);
    }
    assert_eq!(skips(&scene.servers[2..]).await, 3.0);
    scene.load.unleash();
    scene.databases.lead_to_the_replica(&scene.proxy);
    scene.nothing_twice().await;
}

async fn a_pool_that_sits_on_a_demoted_primary_leaves_it_and_gives_no_id_twice(flavour: Flavour) {
    let scene = Scene::set(flavour, "ROW").await;
    let old = &scene.databases.primary;
    let root = connect(&old.url()).await;
    let demote = "SET GLOBAL read_only = 1";
    root.execute_unprepared(demote).await.unwrap();
    let left = max_id(old, BUSY).await;
    scene.load.unleash();
    scene.databases.promote().await;
    // Open connections stay on the old primary, on which this user, who has SUPER, may still write.
    scene.proxy.retarget(&scene.databases.replica.address());
    scene.load.more(BUSY, 400).await;
    assert_eq!(max_id(old, BUSY).await, left);
    scene.nothing_twice().await;
}

async fn with_statement_the_server_says_that_the_guard_is_off(flavour: Flavour) {
    let arguments = ["--log-bin=binlog", "--binlog-format=STATEMENT"];
    let database = OwnDatabase::start(flavour, &arguments).await;
    let url = database.holding(&[("busy", 0, STEP)]).await;
    let server = Server::on(&url).await;
    server.ids("busy", COUNT).await;
    assert_eq!(server.metric("id_alloc_guard_active ").await, Some(0.0));
    server.says("the guard is off").await;
    server.says("binlog_format is STATEMENT").await;
}

async fn with_statement_a_replica_follows_the_claims(flavour: Flavour) {
    let databases = Replicated::start(flavour, "STATEMENT").await;
    let url = databases.primary.holding(&[("busy", 0, STEP)]).await;
    let server = Server::on(&url).await;
    let mut last = 0;
    for _ in 0..10 {
        last = server.ids("busy", 500).await[499];
    }
    databases.caught_up().await;
    assert!(max_id(&databases.replica, BUSY).await > last);
}

/// Tags that nobody asked for before the failover: each takes a connection of its own.
const QUIET: usize = 30;

async fn a_pool_half_on_the_old_and_half_on_the_new_primary_gives_no_id_twice(flavour: Flavour) {
    let names: Vec<String> = (0..QUIET).map(|number| format!("quiet{number}")).collect();
    let tags: Vec<(&str, i64, i64)> = names.iter().map(|name| (name.as_str(), 0, STEP)).collect();
    let (databases, proxy) = Replicated::linked(flavour, "ROW", &tags).await;
    let root = connect(&databases.primary.url()).await;
    let servers = [another(&proxy).await, another(&proxy).await];
    let mut ids = vec![Vec::new(); QUIET];
    for (name, ids) in names.iter().zip(&mut ids) {
        ids.extend(servers[0].ids(name, COUNT).await);
    }
    databases.caught_up().await;
    databases.stop_applier().await;
    for (name, ids) in names.iter().zip(&mut ids) {
        ids.extend(servers[1].ids(name, COUNT).await);
    }
    let demote = "SET GLOBAL read_only = 1";
    root.execute_unprepared(demote).await.unwrap();
    databases.promote().await;
    // Open connections stay on the old primary, those that are made now lead to the new one.
    proxy.retarget(&databases.replica.address());
    for _ in 0..3 {
        let taking = names.iter().enumerate().flat_map(|(tag, name)| {
            let path = format!("/alloc?biz_tag={name}&count=2000");
            servers.iter().map(move |server| {
                let path = path.clone();
                async move { (tag, server.until(&path, 200, PATIENCE).await.ids()) }
            })
        });
        for (tag, more) in futures_util::future::join_all(taking).await {
            ids[tag].extend(more);
        }
    }
    for ids in &ids {
        assert_distinct(ids);
    }
    let skips = skips(&servers).await;
    assert!((skips - QUIET as f64).abs() < 0.5, "{skips} moves");
    root.close().await.unwrap();
}
