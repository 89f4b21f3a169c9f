//! The console, as an operator uses it: in a real browser, on a real server.

use super::admin::server;
use crate::support::admin::{Client, TokenFile};
use crate::support::browser::Browser;
use serde_json::json;
use thirtyfour::prelude::Key;

#[tokio::test]
#[ignore = "needs Chromium"]
async fn an_operator_creates_a_tag_takes_ids_raises_the_step_and_sees_it_used() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[]).await;
    let browser = Browser::start().await;
    browser.sign_in(&server.base, &tokens.both).await;
    browser.shows("[data-field=database]", "up").await;

    browser.press("Create a tag").await;
    browser.write("[name=name]", "order").await;
    browser.write("[name=step]", "100").await;
    browser.write("[name=description]", "what is sold").await;
    browser.press("Create").await;
    browser.shows("dialog", "order is created").await;
    browser.press("Close").await;
    let row = "tr[data-tag=order]";
    browser.shows(row, "not loaded here").await;
    browser.shows(row, "what is sold").await;

    browser.click("tr[data-tag=order] a").await;
    browser.write("[name=count]", "25").await;
    browser.press("Take").await;
    let ids: Vec<String> = (1..=25).map(|id| id.to_string()).collect();
    assert_eq!(browser.shows("[data-field=ids]", "25").await, ids.join(" "));
    browser.shows("dialog [data-field=next]", "26").await;
    browser
        .shows("dialog [data-field=step_in_force]", "100")
        .await;
    browser.write("[name=count]", "5").await;
    browser.click("dialog [value=range]").await;
    browser.press("Take").await;
    let range = browser.shows("[data-field=ids]", "–").await;
    assert_eq!(range, "26 – 30");
    browser.shows("dialog [data-field=next]", "31").await;
    // Callers take some; the page sees it by itself.
    server.ids("order", 10).await;
    browser.shows("dialog [data-field=next]", "41").await;
    let drawn = "return document.querySelector('dialog .buffers').getAttribute('aria-label')";
    browser
        .until("the buffer as words", async || {
            let said = browser.run(drawn, vec![]).await;
            said.as_str()?
                .contains("in use: 59 of 99 left")
                .then_some(())
        })
        .await;

    browser.write("dialog [name=step]", "5000000").await;
    browser.press("Save").await;
    browser.shows("dialog", "Saved.").await;
    browser.shows("dialog [data-field=step]", "5,000,000").await;
    browser
        .shows("dialog [data-field=step_in_force]", "100")
        .await;
    server.ids("order", 1000).await;
    browser
        .shows("dialog [data-field=step_in_force]", "5,000,000")
        .await;
    browser.keys(Key::Escape).await;
    browser.shows(row, "5,000,000").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn what_another_changed_is_not_overwritten_and_ids_keep_all_their_digits() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[]).await;
    let admin = Client::new(&server.base, &tokens.both);
    let path = "/admin/v1/tags/test";
    let browser = Browser::start().await;
    browser
        .open(&format!("{}/console#tag=test", server.base))
        .await;
    browser.write("[name=token]", &tokens.both).await;
    browser.press("Open the console").await;
    browser.shows("dialog", "Dangerous").await;
    browser.click("dialog .dangerous summary").await;

    admin
        .done(
            200,
            "PATCH",
            path,
            Some(json!({"description": "theirs", "step": 777})),
        )
        .await;
    browser.write("dialog [name=description]", "mine").await;
    browser.press("Save").await;
    browser
        .shows("dialog", "Changed by someone else in the meantime")
        .await;
    browser.shows("dialog", "“theirs”").await;
    browser.press("Keep mine").await;
    browser.press("Save").await;
    browser.shows("dialog", "Saved.").await;
    // What was typed wins; what was not touched is not put back.
    let now = admin.done(200, "GET", path, None).await;
    assert_eq!(
        (&now["description"], &now["step"]),
        (&json!("mine"), &json!(777))
    );

    // One more than a double can hold.
    browser.click("dialog [value=to]").await;
    browser
        .write("dialog [name=amount]", "9007199254740993")
        .await;
    browser.press("Advance").await;
    assert_eq!(browser.focus().await, "sure", "a second look is asked for");
    browser.click("dialog [name=sure]").await;
    browser.press("Advance").await;
    let said = "the first id of the next claim is 9007199254740993;";
    browser.shows("dialog", said).await;
    browser
        .shows("dialog [data-field=max_id]", "9007199254740993")
        .await;
    browser.write("dialog [name=amount]", "a few").await;
    browser.click("dialog [name=sure]").await;
    browser.press("Advance").await;
    browser
        .shows("dialog", "amount must be a whole number")
        .await;

    browser.write("dialog [name=confirm]", "tes").await;
    browser.press("Delete").await;
    browser.shows("dialog", "Type test to delete it").await;
    browser.write("dialog [name=confirm]", "test").await;
    browser.press("Delete").await;
    browser.shows("dialog", "test is deleted").await;
    browser.press("Close").await;
    browser.shows("tr[data-tag=test]", "deleted").await;
    assert_eq!(
        server.get("/alloc?biz_tag=test").await.code(),
        "unknown_tag"
    );
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_tag_is_created_with_the_keyboard_alone() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[]).await;
    let browser = Browser::start().await;
    browser.open(&format!("{}/console", server.base)).await;
    browser
        .until("the field of the token to have the focus", async || {
            (browser.focus().await == "token").then_some(())
        })
        .await;
    browser.keys(tokens.both.as_str()).await;
    browser.keys(Key::Enter).await;
    browser.shows("tr[data-tag=test]", "test").await;
    for _ in 0..25 {
        if browser.focus().await == "Create a tag" {
            break;
        }
        browser.keys(Key::Tab).await;
    }
    assert_eq!(browser.focus().await, "Create a tag");
    browser.keys(Key::Enter).await;
    browser.shows("dialog", "First id").await;
    assert_eq!(browser.focus().await, "name");
    browser.keys("typed").await;
    browser.keys(Key::Enter).await;
    browser.shows("dialog", "typed is created").await;
    assert_eq!(browser.focus().await, "name", "ready for the next one");
    browser.keys(Key::Escape).await;
    browser.shows("tr[data-tag=typed]", "1,000").await;
    assert_eq!(browser.focus().await, "Create a tag");
    assert_eq!(browser.complaints().await, [""; 0]);
}
