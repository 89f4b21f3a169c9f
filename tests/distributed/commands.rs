//! What an operator types, on a database that holds nothing yet.

use crate::support::checks::assert_distinct;
use crate::support::server::{Server, cli};

/// Makes the table four times at once, and a tag, which is looked at, changed, moved forwards, and served.
pub(crate) async fn work_on(url: &str) {
    let migrating: Vec<_> = (0..4)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move { cli(&url, &["migrate", "up"]).await })
        })
        .collect();
    for one in migrating {
        one.await.expect("migrate up");
    }
    cli(url, &["migrate", "status"]).await;

    let create = ["tag", "create", "order", "--start", "1000", "--step", "50"];
    cli(url, &create).await;
    cli(url, &["tag", "create", "invoice", "--step", "7"]).await;
    let set = ["tag", "set", "order", "--step", "70", "--description", "d"];
    assert!(cli(url, &set).await.contains("70"));
    let advance = ["tag", "advance", "order", "--by", "5000", "--now"];
    assert!(cli(url, &advance).await.contains("6000"));

    let server = Server::on(url).await;
    let mut ids = Vec::new();
    for count in [1, 50, 200] {
        ids.extend(server.ids("order", count).await);
    }
    assert_distinct(&ids);
    assert_eq!(ids.first(), Some(&6000));
    assert_eq!(server.ids("invoice", 1).await, [1]);

    let list = cli(url, &["tag", "list"]).await;
    assert!(list.contains("order") && list.contains("invoice"), "{list}");
    let guard = cli(url, &["guard", "status"]).await;
    assert!(guard.contains("order"), "{guard}");
    let doctor = cli(url, &["doctor"]).await;
    assert!(doctor.contains("safe to serve from"), "{doctor}");
    cli(url, &["tag", "delete", "invoice", "--confirm", "invoice"]).await;
    let list = cli(url, &["tag", "list"]).await;
    assert!(list.contains("(deleted)"), "{list}");
}
