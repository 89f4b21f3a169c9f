//! Three servers under as much load as they take, judged by a client that shares nothing with them: P1 and P2 over
//! all answers.

use crate::support::database::TestDatabase;
use crate::support::server::{Server, prepare};
use std::time::Duration;

#[path = "../../examples/stress.rs"]
mod judge;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB"]
async fn no_id_comes_twice_and_none_out_of_order_with_steps_and_counts_of_every_size() {
    let database = TestDatabase::on_mariadb().await;
    // So many that none is asked for more than a new tag may hand out in its first seconds (docs/guard.md).
    let names: Vec<String> = (0..12).map(|number| format!("tag{number}")).collect();
    let steps = [1, 100, 100_000];
    let tags = names.iter().zip(steps.into_iter().cycle());
    let tags: Vec<(&str, i64, i64)> = tags.map(|(name, step)| (&**name, 0, step)).collect();
    prepare(&database.url(), &tags).await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Server::on(&database.url()).await);
    }
    let is_full = std::env::var_os("ID_ALLOC_TEST_FULL").is_some();
    let options = judge::Options {
        servers: servers
            .iter()
            .map(|server| server.base.replace("http://", ""))
            .collect(),
        tags: names.clone(),
        duration: Duration::from_secs(if is_full { 120 } else { 6 }),
        connections: 4,
        max_count: 1000,
    };
    let run = move || judge::run(&options);
    let outcome = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!((outcome.twice, outcome.disorder), (0, 0), "{outcome:?}");
    assert_eq!(outcome.broken, 0, "{outcome:?}");
    assert!(outcome.refused.is_empty(), "{outcome:?}");
    assert!(outcome.answers > 1000, "{outcome:?}");
}
