//! The server is killed without warning under load, again and again.

use crate::support::checks::assert_unique;
use crate::support::database::TestDatabase;
use crate::support::full;
use crate::support::load::{Load, Plan};
use crate::support::server::{Server, prepare};

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn servers_killed_again_and_again_under_load_give_no_id_twice() {
    let database = TestDatabase::on_mariadb().await;
    let steps = [("single", 0, 1), ("ten", 0, 10), ("thousand", 0, 1000)];
    prepare(&database.url(), &steps).await;
    let mut servers = Vec::new();
    for _ in 0..2 {
        servers.push(Server::on(&database.url()).await);
    }
    let plan = Plan {
        tags: &["single", "ten", "thousand"],
        clients: 8,
        count: 1..=100,
        roaming: true,
    };
    let load = Load::start(&servers, plan);
    let rounds = if full() { 20 } else { 5 };
    for round in 0..rounds {
        let victim = round % 2;
        for tag in 0..3 {
            load.more(tag, 50).await;
        }
        // Nothing runs in between: requests are under way when it dies.
        load.gone(victim);
        servers.remove(victim).kill();
        servers.insert(victim, Server::on(&database.url()).await);
        load.back(victim, &servers[victim]);
    }
    for tag in 0..3 {
        load.more(tag, 50).await;
    }
    let answers = load.end_checked(Vec::new()).await;
    assert!(assert_unique(&answers) > 50 * 3 * rounds);
    for server in 0..2 {
        let by_server = answers.iter().filter(|answer| answer.server == server);
        assert!(by_server.count() > 100, "server {server} serves again");
    }
}
