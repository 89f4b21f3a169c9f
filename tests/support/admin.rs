//! Calls of the admin API, and files of tokens.

use super::PATIENCE;
use super::http::Response;
use super::server::run;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file of tokens, and the tokens.
pub(crate) struct TokenFile {
    pub(crate) directory: TempDir,
    pub(crate) read: String,
    pub(crate) write: String,
    pub(crate) both: String,
}

/// What `token new` prints: the token, and its entry.
pub(crate) async fn new_token(arguments: &[&str]) -> (String, String) {
    let directory = TempDir::new().expect("a directory");
    let call = [&["token", "new"], arguments].concat();
    let output = run(directory.path(), &[], &call).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let token = output.stdout.lines().find(|line| line.starts_with("ida_"));
    let at = output.stdout.find("[[token]]").expect("an entry");
    (
        token.expect("a token").to_owned(),
        output.stdout[at..].to_owned(),
    )
}

impl TokenFile {
    /// One token for each scope, and one for both.
    pub(crate) async fn new() -> Self {
        let (read, reader) = new_token(&["reader", "--scope", "read"]).await;
        let (write, writer) = new_token(&["writer", "--scope", "write"]).await;
        let (both, ops) = new_token(&["ops", "--scope", "read,write"]).await;
        let file = Self {
            directory: TempDir::new().expect("a directory"),
            read,
            write,
            both,
        };
        file.write(&format!("{reader}\n{writer}\n{ops}"));
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("tokens.toml")
    }

    pub(crate) fn text(&self) -> String {
        self.path().display().to_string()
    }

    pub(crate) fn write(&self, text: &str) {
        write(&self.path(), text);
    }
}

/// Replaces a file as a careful operator does.
pub(crate) fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(&new, path).expect("renamed");
}

/// A client with a token.
pub(crate) struct Client {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    pub(crate) fn new(base: &str, token: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Its token.
    pub(crate) fn token(&self) -> String {
        self.token.clone()
    }

    /// Sends a request with headers and perhaps a JSON body.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Response {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, url).timeout(PATIENCE);
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        Response {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.expect("a body"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], None).await
    }

    /// `GET` that may get no answer.
    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<u16> {
        let request = self.client.get(format!("{}{path}", self.base));
        Ok(request.timeout(PATIENCE).send().await?.status().as_u16())
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Response {
        self.send("PUT", path, &[], Some(body)).await
    }

    /// A call that succeeds with `status`; its body.
    pub(crate) async fn done(
        &self,
        status: u16,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Value {
        let answer = self.send(method, path, &[], body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.json()
    }
}

impl Response {
    /// The code of a refusal by the admin API, whose shape is checked.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status, "{body}");
        for field in ["type", "title", "detail"] {
            assert!(!body[field].as_str().unwrap_or("").is_empty(), "{body}");
        }
        body["code"].as_str().expect("a code").to_owned()
    }
}
