//! All servers of a table, as each of them tells: who is there, what they do, and who does not answer.

use crate::support::admin::{Client, TokenFile};
use crate::support::database::TestDatabase;
use crate::support::server::{Server, prepare};
use crate::support::{PATIENCE, eventually};
use serde_json::Value;

/// A server of the table at `url` with the admin API.
pub(crate) async fn member(url: &str, tokens: &TokenFile) -> Server {
    let file = tokens.text();
    Server::start(&[("database.url", url), ("admin.tokens_file", &file)]).await
}

/// The members, once they are as wanted.
async fn until(admin: &Client, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(what, PATIENCE, async || {
        let all = admin.done(200, "GET", "/admin/v1/servers", None).await;
        let servers = all["servers"].as_array().unwrap().clone();
        is_so(&servers).then_some(servers)
    })
    .await
}

fn error(member: &Value) -> &str {
    member["error"].as_str().unwrap_or_default()
}

/// What a server tells of the tag that runs out first.
fn shortest(member: &Value) -> &Value {
    &member["server"]["shortest_supplies"][0]
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn each_server_tells_of_all_and_who_is_dead_is_said_and_who_left_is_not_listed() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    prepare(&url, &[("order", 0, 1000)]).await;
    let tokens = TokenFile::new().await;
    let first = member(&url, &tokens).await;
    let second = member(&url, &tokens).await;
    let mut third = member(&url, &tokens).await;
    let admin = Client::new(&first.base, &tokens.read);
    let all_answer = |all: &[Value]| all.len() == 3 && all.iter().all(|it| it["error"].is_null());
    let all = until(&admin, "three servers that answer", all_answer).await;
    assert_eq!(
        (&all[0]["this"], &all[1]["this"]),
        (&true.into(), &false.into())
    );
    assert_eq!(all[0]["server"]["caller"]["name"], "reader");
    let mut addresses: Vec<&str> = all
        .iter()
        .map(|it| it["address"].as_str().unwrap())
        .collect();
    addresses.sort_unstable();
    let mut expected = [&*first.base, &*second.base, &*third.base];
    expected.sort_unstable();
    assert_eq!(addresses, expected);

    // What happens on another is seen from here: ids, refusals, and which tag runs out first.
    eventually(
        "ids, refusals and a supply of the second server",
        PATIENCE,
        async || {
            second.ids("order", 3).await;
            second.get("/alloc?biz_tag=unknown").await;
            let all = admin.done(200, "GET", "/admin/v1/servers", None).await;
            let all = all["servers"].as_array().unwrap().clone();
            let it = all.iter().find(|it| it["address"] == *second.base)?;
            let traffic = &it["server"]["traffic"];
            let is_positive = |field: &str| traffic[field].as_f64().is_some_and(|rate| rate > 0.0);
            let fields = [
                "ids_per_second",
                "refused_per_second",
                "latency_p99_seconds",
            ];
            let is_told =
                fields.into_iter().all(is_positive) && traffic["errors_per_second"] == 0.0;
            (is_told && shortest(it)["biz_tag"] == "order").then_some(())
        },
    )
    .await;

    // One that hangs, one that was killed, and one that ends as it should.
    second.freeze().await;
    let is_silent = |all: &[Value]| all.iter().any(|it| error(it).contains("no answer within"));
    until(&admin, "the frozen one to be told", is_silent).await;
    second.kill();
    let is_dead = |all: &[Value]| {
        let dead = all.iter().find(|it| !it["error"].is_null());
        dead.is_some_and(|it| error(it).starts_with("no answer: ") && it["server"].is_null())
    };
    let all = until(&admin, "the dead one to be told", is_dead).await;
    assert_eq!(all.len(), 3);
    third.signal("TERM");
    third.signal("TERM");
    third.ended().await;
    until(&admin, "the one that left to be gone", |all| all.len() == 2).await;
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn others_are_asked_with_the_callers_token_alone_and_a_dead_database_hides_nobody() {
    let database = TestDatabase::on_mariadb().await;
    let url = database.url();
    prepare(&url, &[("order", 0, 1000)]).await;
    let (here, there) = (TokenFile::new().await, TokenFile::new().await);
    let first = member(&url, &here).await;
    let second = member(&url, &there).await;
    let off = {
        let file = here.text();
        let settings = [
            ("database.url", &*url),
            ("admin.tokens_file", &*file),
            ("admin.address", "off"),
        ];
        Server::start(&settings).await
    };
    let admin = Client::new(&first.base, &here.both);
    let unknown = |all: &[Value]| {
        all.iter()
            .any(|it| error(it).contains("does not know this token"))
    };
    let all = until(&admin, "the stranger to be told", unknown).await;
    let other = all.iter().find(|it| it["address"] == *second.base);
    assert!(other.is_some_and(|it| it["server"].is_null()), "{all:?}");
    // One that tells nobody where it is is listed, and asks nobody.
    let hidden = |all: &[Value]| all.iter().any(|it| error(it).contains("cannot reach it"));
    until(&admin, "the hidden one to be listed", hidden).await;
    let alone = Client::new(&off.base, &here.both);
    let all = alone.done(200, "GET", "/admin/v1/servers", None).await;
    assert_eq!(all["servers"].as_array().unwrap().len(), 1, "{all}");
    let writer = Client::new(&first.base, &here.write);
    assert_eq!(
        writer.get("/admin/v1/servers").await.problem(403),
        "forbidden"
    );
}
