//! A real Chromium without a window, driven over WebDriver (`chromedriver`).

use super::PATIENCE;
use super::processes::end_all_of;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::prelude::*;
use thirtyfour::{ChromeCapabilities, LoggingPrefsLogLevel};

/// A browser with one tab; it ends with all its processes when dropped.
pub(crate) struct Browser {
    driver: WebDriver,
    process: Child,
    directory: TempDir,
}

impl Browser {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().expect("a directory");
        // It takes a free port and says which.
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .arg(format!(
                "--log-path={}",
                directory.path().join("log").display()
            ))
            .env("HOME", directory.path())
            .env("TMPDIR", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: run ./scripts/test");
        let printed = process.stdout.take().expect("its output");
        let said = tokio::task::spawn_blocking(move || {
            let lines = BufReader::new(printed).lines().map_while(Result::ok);
            lines
                .filter_map(|line| {
                    let (_, port) = line.split_once("started successfully on port ")?;
                    port.trim_end_matches('.').parse::<u16>().ok()
                })
                .next()
        });
        let port = tokio::time::timeout(PATIENCE, said).await.expect("a port");
        let port = port.expect("a thread").expect("its port");
        let mut wanted = ChromeCapabilities::new();
        let profile = format!("--user-data-dir={}", directory.path().join("p").display());
        for argument in [
            "--headless=new",
            "--no-sandbox", // root has none
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--window-size=1280,1000",
            &profile,
        ] {
            wanted.add_arg(argument).expect("an argument");
        }
        wanted
            .set_browser_log_level(LoggingPrefsLogLevel::All)
            .expect("a capability");
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wanted).await;
        Self {
            driver: driver.expect("a browser"),
            process,
            directory,
        }
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) {
        self.driver.goto(url).await.expect("the page");
    }

    /// Opens the console of a server and signs in.
    pub(crate) async fn sign_in(&self, base: &str, token: &str) {
        self.open(&format!("{base}/console")).await;
        self.write("[name=token]", token).await;
        self.press("Open the console").await;
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let found = self.driver.execute(script, arguments).await;
        found.expect("a script").json().clone()
    }

    /// The text of an element that is there, as it is shown.
    pub(crate) async fn text(&self, css: &str) -> Option<String> {
        let script = "return document.querySelector(arguments[0])?.innerText ?? null";
        let text = self.run(script, vec![json!(css)]).await;
        text.as_str().map(str::to_owned)
    }

    /// Waits until the text of an element holds `part`; all of the text.
    pub(crate) async fn shows(&self, css: &str, part: &str) -> String {
        let what = format!("{css} to show {part:?}");
        self.until(&what, async || {
            let text = self.text(css).await?;
            text.contains(part).then_some(text)
        })
        .await
    }

    /// Waits for something; says what the page showed where it does not come.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            if Instant::now() > deadline {
                let page = self.text("body").await;
                panic!("not shown: {what}; the page: {}", page.unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Clicks on an element as soon as it can be clicked on.
    pub(crate) async fn click(&self, css: &str) {
        self.click_by(By::Css(css)).await;
    }

    /// Clicks on the button that says `text`; in the dialog, if one is open.
    pub(crate) async fn press(&self, text: &str) {
        let button = format!("//button[normalize-space(.)={text:?}]");
        let path = match self.text("dialog[open]").await {
            Some(_) => format!("//dialog[@open]{button}"),
            None => button,
        };
        self.click_by(By::XPath(path)).await;
    }

    async fn click_by(&self, by: By) {
        let what = format!("{by:?}, to click on it");
        self.until(&what, async || {
            let element = self.driver.find(by.clone()).await.ok()?;
            element.click().await.ok()
        })
        .await;
    }

    /// Replaces what stands in a field.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        let what = format!("{css}, to write into it");
        self.until(&what, async || {
            let field = self.driver.find(By::Css(css)).await.ok()?;
            field.clear().await.ok()?;
            field.send_keys(text).await.ok()
        })
        .await;
    }

    /// Types where the focus is.
    pub(crate) async fn keys(&self, keys: impl Into<TypingData>) {
        let actions = self.driver.action_chain().send_keys(keys);
        actions.perform().await.expect("keys");
    }

    /// What has the focus: its label, name or text.
    pub(crate) async fn focus(&self) -> String {
        let script =
            "const it = document.activeElement; return it.name || it.innerText || it.tagName";
        let said = self.run(script, vec![]).await;
        said.as_str().unwrap_or_default().to_owned()
    }

    /// How wide the window is, in CSS pixels, and whether it is dark.
    pub(crate) async fn window(&self, width: u32, dark: bool) {
        let cdp = self.driver.cdp();
        let sized = cdp.emulation();
        let sized = sized.set_device_metrics_override(width, 900, 1.0, false);
        sized.await.expect("a width");
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        let media = cdp.send_raw("Emulation.setEmulatedMedia", features);
        media.await.expect("a colour scheme");
    }

    /// Writes what is shown to a file below the target directory, for people to look at.
    pub(crate) async fn picture(&self, name: &str) {
        let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/console");
        std::fs::create_dir_all(folder).expect("a folder");
        let file = std::path::Path::new(folder).join(format!("{name}.png"));
        self.driver.screenshot(&file).await.expect("a picture");
    }

    /// What breaks the rules of WCAG 2.2 AA and axe-core's best practices.
    pub(crate) async fn barriers(&self) -> Vec<String> {
        let axe = std::env::var("ID_ALLOC_TEST_AXE").expect("run ./scripts/test");
        let axe = std::fs::read_to_string(axe).expect("axe-core");
        self.run(&axe, vec![]).await;
        let script = "const done = arguments[0];
            axe.run().then(({violations}) => done(violations.map((it) =>
                it.id + ': ' + it.help + ' at ' + it.nodes.map((node) => node.html).join(' | '))))";
        let found = self.driver.execute_async(script, vec![]).await;
        let found = found.expect("axe-core's answer");
        serde_json::from_value(found.json().clone()).expect("a list of texts")
    }

    /// What the browser itself complained of: errors of scripts, breaches of the policy. Refusals by
    /// the server are no such thing.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.driver.browser_log().await.expect("its log");
        let ours = entries
            .into_iter()
            .filter(|entry| entry.source.as_deref() != Some("network"));
        ours.map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // No good-bye over HTTP: what runs is ended below.
        let _ = self.driver.clone().leak();
        end_all_of(self.directory.path());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
