//! The console with ten thousand tags: pages, search, links, and what a token that may only look is shown.

use super::admin::server;
use crate::support::admin::TokenFile;
use crate::support::browser::Browser;
use crate::support::database::TestDatabase;
use crate::support::server::{prepare, run};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::prelude::Key;

#[tokio::test]
#[ignore = "needs Chromium"]
async fn ten_thousand_tags_are_paged_and_searched() {
    let database = TestDatabase::on_mariadb().await;
    prepare(&database.url(), &[]).await;
    let directory = TempDir::new().unwrap();
    let lines: String = (0..10_000)
        .map(|tag| format!("t{tag:04},0,10,\n"))
        .collect();
    let text = format!("biz_tag,start,step,description\n{lines}");
    std::fs::write(directory.path().join("tags.csv"), text).unwrap();
    let (url, call) = (database.url(), ["tag", "import", "tags.csv"]);
    let made = run(directory.path(), &[("database.url", &url)], &call).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let tokens = TokenFile::new().await;
    let server = server(&tokens, Some(&url), &[]).await;
    // A tag that is loaded shows its buffer on whatever page it is.
    server.ids("t0077", 3).await;

    let browser = Browser::start().await;
    browser.sign_in(&server.base, &tokens.read).await;
    let names = async || {
        let script =
            "return [...document.querySelectorAll('tr[data-tag]')].map((row) => row.dataset.tag)";
        let names = browser.run(script, vec![]).await;
        serde_json::from_value::<Vec<String>>(names).unwrap()
    };
    let until = async |first: &str, count: usize| {
        browser
            .until(&format!("{count} tags from {first}"), async || {
                let names = names().await;
                (names.len() == count && names[0] == first).then_some(())
            })
            .await;
    };
    // What is in memory stands first, however many others there are.
    until("t0077", 50).await;
    let counted = "50 tags shown of 10,000 in the table; 1 in this server's memory";
    browser.shows("[data-field=counted]", counted).await;
    browser.click("[name=order][value=name]").await;
    until("t0000", 50).await;
    browser.press("Next").await;
    until("t0050", 50).await;
    browser.shows("nav", "Page 2").await;
    browser
        .shows("tr[data-tag=t0077] [data-field=left]", "left")
        .await;
    browser.press("Previous").await;
    until("t0000", 50).await;
    // Pressed faster than pages come, it still goes one page further.
    let twice = "const next = [...document.querySelectorAll('button')]
        .find((it) => it.innerText === 'Next'); next.click(); next.click()";
    browser.run(twice, vec![]).await;
    until("t0050", 50).await;
    browser.shows("nav", "Page 2").await;
    browser.press("Previous").await;
    until("t0000", 50).await;
    browser.write("[type=search]", "t999").await;
    until("t9990", 10).await;
    browser.write("[type=search]", "none").await;
    browser.shows("main", "No tag begins with none").await;
    browser.write("[type=search]", "t0077").await;
    until("t0077", 1).await;
    browser
        .shows("tr[data-tag=t0077] [data-field=left]", "left")
        .await;
    // Whoever may only look is shown no form that changes anything.
    browser
        .shows("[data-field=caller]", "may look, not change")
        .await;
    browser.click("tr[data-tag=t0077] a").await;
    browser
        .shows("dialog", "takes a token with the scope write")
        .await;
    let forms = "return [...document.querySelectorAll('dialog form h3')].map((it) => it.innerText)";
    assert_eq!(browser.run(forms, vec![]).await, json!(["Take ids"]));
    // Back leads where one came from, and each place has a link.
    let at = "return location.hash";
    let place = "#prefix=t0077&sort=name&tag=t0077";
    assert_eq!(browser.run(at, vec![]).await, json!(place));
    browser.run("history.back()", vec![]).await;
    until("t0077", 1).await;
    browser
        .until("the dialog to be closed", async || {
            browser.text("dialog").await.is_none().then_some(())
        })
        .await;
    browser.run("history.forward()", vec![]).await;
    browser.shows("dialog h2", "t0077").await;
    browser.keys(Key::Escape).await;
    assert_eq!(browser.complaints().await, [""; 0]);
}
