//! The console where something is refused, or nothing answers: a clear message, and nothing typed is lost.

use super::admin::server;
use crate::support::admin::TokenFile;
use crate::support::browser::Browser;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use serde_json::json;

/// What stands in a field.
async fn value(browser: &Browser, css: &str) -> String {
    let script = "return document.querySelector(arguments[0]).value";
    let value = browser.run(script, vec![json!(css)]).await;
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn tokens_that_are_wrong_weak_or_withdrawn_are_told_apart() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[]).await;
    let browser = Browser::start().await;
    browser.sign_in(&server.base, "ida_wrong").await;
    browser.shows("main", "Token not accepted").await;
    browser.write("[name=token]", "two words").await;
    browser.press("Open the console").await;
    browser.shows("main", "A token is one word").await;
    browser.write("[name=token]", &tokens.write).await;
    browser.press("Open the console").await;
    browser
        .shows(
            "main",
            "not allowed with this token: it has no scope `read`",
        )
        .await;

    browser.write("[name=token]", &tokens.read).await;
    browser.press("Open the console").await;
    browser.shows("tr[data-tag=test]", "100,000").await;
    browser
        .shows("[data-field=caller]", "reader: may look, not change")
        .await;
    assert_eq!(browser.text("main button.primary").await, None);

    // Not kept beyond the page: another load asks again.
    browser.open(&format!("{}/console", server.base)).await;
    browser.click("[name=keep]").await;
    browser.write("[name=token]", &tokens.both).await;
    browser.press("Open the console").await;
    browser.shows("tr[data-tag=test]", "100,000").await;
    // Kept, since that was asked for.
    browser.open(&format!("{}/console", server.base)).await;
    browser.shows("tr[data-tag=test]", "100,000").await;
    // The file is replaced; the last entry is the one in use.
    let text = std::fs::read_to_string(tokens.path()).unwrap();
    let (others, _) = text.rsplit_once("[[token]]").unwrap();
    tokens.write(others);
    browser.shows("main", "Token not accepted").await;
    browser.open(&format!("{}/console", server.base)).await;
    browser.shows("main", "Admin token").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn ids_for_which_a_token_is_needed_are_taken_with_it() {
    let tokens = TokenFile::new().await;
    let (token, entry) = crate::support::admin::new_token(&["shop", "--tags", "test"]).await;
    let file = tokens.directory.path().join("alloc.toml");
    std::fs::write(&file, entry).unwrap();
    let file = file.display().to_string();
    let server = server(&tokens, None, &[("alloc.tokens_file", &file)]).await;
    let browser = Browser::start().await;
    browser.sign_in(&server.base, &tokens.both).await;
    browser.click("tr[data-tag=test] a").await;
    browser.press("Take").await;
    browser.shows("dialog", "send a token").await;
    browser.write("[name=alloc_token]", &token).await;
    browser.press("Take").await;
    assert_eq!(browser.shows("[data-field=ids]", "1").await, "1");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_dead_database_and_a_dead_server_are_said_and_what_was_typed_stays() {
    let mut database = OwnDatabase::start(Flavour::MariaDb, &[]).await;
    let url = database.holding(&[("test", 0, 1000)]).await;
    let tokens = TokenFile::new().await;
    let server = server(&tokens, Some(&url), &[]).await;
    server.ids("test", 10).await;
    let browser = Browser::start().await;
    browser.sign_in(&server.base, &tokens.both).await;
    browser
        .shows("tr[data-tag=test] [data-field=left]", "left")
        .await;
    database.kill9();
    browser.shows("header", "The database is down").await;
    // What is in memory is still shown and still moves.
    server.ids("test", 10).await;
    browser.click("tr[data-tag=test] a").await;
    browser.shows("dialog", "store_unavailable").await;
    browser.press("Close").await;
    browser.press("Create a tag").await;
    browser.write("[name=name]", "order").await;
    browser.press("Create").await;
    browser.shows("dialog", "store_unavailable").await;
    assert_eq!(value(&browser, "[name=name]").await, "order");
    database.restart().await;
    browser.shows("[data-field=database]", "up").await;
    browser.press("Create").await;
    browser.shows("dialog", "order is created").await;
    browser.press("Close").await;
    browser.shows("tr[data-tag=order]", "not loaded here").await;

    drop(server);
    browser.shows("header", "This server does not answer").await;
    browser.shows("tr[data-tag=test]", "left").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}
