//! The console, as an operator uses it: in a real browser, on a real server.

use super::admin::server;
use crate::support::admin::{Client, TokenFile};
use crate::support::browser::Browser;
use crate::support::database::TestDatabase;
use crate::support::server::{Server, prepare, run};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::prelude::Key;

const ODD: &str = "/admin/v1/tags/%3Cimg%20src=x%20onerror=alert%3E";

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

#[tokio::test]
#[ignore = "needs Chromium"]
async fn nobody_is_shut_out_in_light_and_dark_on_a_wide_and_a_narrow_screen() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[]).await;
    let admin = Client::new(&server.base, &tokens.both);
    let odd = json!({"step": 10, "description": "<script>alert(1)</script>"});
    assert_eq!(admin.put(ODD, odd).await.status, 201);
    server.ids("test", 10).await;
    let gone = json!({"step": 10});
    assert_eq!(admin.put("/admin/v1/tags/gone", gone).await.status, 201);
    admin
        .done(200, "DELETE", "/admin/v1/tags/gone?confirm=gone", None)
        .await;

    let browser = Browser::start().await;
    for (width, dark, next) in [(1280, false, "11"), (360, true, "12")] {
        browser.window(width, dark).await;
        let look = async |what: &str| {
            assert_eq!(
                browser.barriers().await,
                [""; 0],
                "{what}, {width} px, dark: {dark}"
            );
            let wide = "return document.documentElement.scrollWidth - innerWidth";
            let over = browser.run(wide, vec![]).await.as_i64().unwrap();
            assert!(over <= 0, "{what}: {over} px are beyond {width} px");
        };
        browser.open(&format!("{}/console", server.base)).await;
        browser.shows("main", "Admin token").await;
        look("the form for the token").await;
        browser.sign_in(&server.base, "ida_wrong").await;
        browser.shows("main", "Token not accepted").await;
        look("a wrong token").await;
        browser.write("[name=token]", &tokens.both).await;
        browser.press("Open the console").await;
        browser
            .shows("tr[data-tag=test] [data-field=left]", "left")
            .await;
        // A name is text, whatever it looks like.
        browser.shows(".tags", "<img src=x onerror=alert>").await;
        browser.shows(".tags", "<script>alert(1)</script>").await;
        look("the list").await;
        browser.press("Create a tag").await;
        browser.press("Create").await;
        look("the form of a new tag").await;
        browser.press("Close").await;
        browser.click("tr[data-tag=test] a").await;
        browser.shows("dialog [data-field=next]", next).await;
        browser.press("Take").await;
        browser.shows("[data-field=ids]", next).await;
        look("a tag").await;
        browser.press("Close").await;
    }
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn the_page_comes_from_the_binary_alone_and_may_load_nothing_else() {
    let tokens = TokenFile::new().await;
    let server = server(&tokens, None, &[]).await;
    let admin = Client::new(&server.base, "");
    let page = admin.get("/console").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("http"), "{}", page.body);
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-cache");
    let etag = page.header("etag");
    let known = admin
        .send("GET", "/console", &[("If-None-Match", etag)], None)
        .await;
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    let script = admin.get("/console/app.js").await;
    assert_eq!(
        script.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(admin.get("/console/none.js").await.status, 404);
    assert_eq!(admin.send("POST", "/console", &[], None).await.status, 405);

    // Where the admin API is off, the page says how to turn it on.
    let off = Server::start(&[]).await.get("/console").await;
    assert_eq!(off.status, 404);
    assert!(off.body.contains("admin.tokens_file"), "{}", off.body);
}
