//! The console's pages for everybody: light and dark, wide and narrow, with what they load and where from.

use super::admin::server;
use crate::support::admin::{Client, TokenFile};
use crate::support::browser::Browser;
use crate::support::server::Server;
use serde_json::json;

const ODD: &str = "/admin/v1/tags/%3Cimg%20src=x%20onerror=alert%3E";

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
