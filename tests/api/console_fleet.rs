//! The console on a bad night: several servers, one of them dead, and a tag that is about to run out. What is wrong is
//! said at the top. The pictures are below `target/tmp/console`, for people to look at.

use super::admin_servers::member;
use crate::support::admin::TokenFile;
use crate::support::browser::Browser;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use serde_json::json;

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_dead_server_and_a_tag_that_runs_out_are_said_at_the_top() {
    let mut database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let url = database
        .holding(&[("calm", 0, 100_000), ("order", 0, 1000)])
        .await;
    let tokens = TokenFile::new().await;
    let first = member(&url, &tokens).await;
    let second = member(&url, &tokens).await;
    let third = member(&url, &tokens).await;
    first.ids("calm", 5).await;
    third.ids("order", 5).await;
    let browser = Browser::start().await;
    browser.sign_in(&first.base, &tokens.both).await;
    browser.shows("[data-field=answering]", "3 of 3").await;
    let (_, name) = second.base.split_once("//").unwrap();
    let row = format!("tr[data-server='{name}']");
    browser.shows(&row, "answers").await;

    // One that hangs is told, and what it said last stays to be seen, with its age.
    second.freeze().await;
    browser
        .shows("header", &format!("{name} does not answer"))
        .await;
    browser.shows("[data-field=answering]", "2 of 3").await;
    browser.shows(&row, "no answer").await;
    browser
        .shows(&format!("{row} [data-field=age]"), "ago")
        .await;
    second.kill();

    // The database dies, and callers take the rest of what is in memory.
    database.kill9();
    browser.shows("header", "The database is down").await;
    browser
        .until("a tag that runs out to be said", async || {
            third.get("/alloc?biz_tag=order&count=5").await;
            let said = browser.text("header").await?;
            said.contains("order has ids for").then_some(())
        })
        .await;
    // What is worst stands first: the alerts, before any figure.
    let order = "return [...document.querySelectorAll('header [role=alert], header .cards')]
        .findIndex((it) => it.matches('.cards'))";
    assert!(
        browser
            .run(order, vec![])
            .await
            .as_u64()
            .is_some_and(|at| at >= 2)
    );
    for (name, width, dark) in [
        ("night-light", 1280, false),
        ("night-dark", 1280, true),
        ("night-phone", 390, true),
    ] {
        browser.window(width, dark).await;
        assert_eq!(browser.barriers().await, [""; 0], "{name}");
        browser.picture(name).await;
    }
    drop(third);
    browser.shows("[data-field=answering]", "1 of 3").await;
    // Each dialog has an address of its own.
    let link = "return document.querySelector('tr[data-tag=calm] a').getAttribute('href')";
    assert_eq!(browser.run(link, vec![]).await, json!("#tag=calm"));
    assert_eq!(browser.complaints().await, [""; 0]);
}
