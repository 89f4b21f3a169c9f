//! One who calls a server by HTTP, whether it is a process or runs within this one.

use super::http::{Response, send};
use super::{PATIENCE, eventually};
use std::time::Duration;

/// Who calls the server at `base`.
pub(crate) struct Caller {
    client: reqwest::Client,
    /// `http://127.0.0.1:PORT`, `https://…` where it speaks TLS (then not through [`Caller::get`]).
    pub(crate) base: String,
}

impl Caller {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: base.to_owned(),
        }
    }

    /// Sends a request; `body` is sent as a form. Fails only where no response came.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> reqwest::Result<Response> {
        send(&self.client, &self.base, method, path, body).await
    }

    /// `GET`, which must be answered.
    pub(crate) async fn get(&self, path: &str) -> Response {
        let answer = self.try_send("GET", path, None).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// `POST` of a form, which must be answered.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Response {
        let answer = self.try_send("POST", path, Some(form.to_owned())).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// `count` ids of `tag`, which must be answered with 200.
    pub(crate) async fn ids(&self, tag: &str, count: usize) -> Vec<i64> {
        self.get(&format!("/alloc?biz_tag={tag}&count={count}"))
            .await
            .ids()
    }

    /// Waits until `path` answers with `status`.
    pub(crate) async fn until(&self, path: &str, status: u16, limit: Duration) -> Response {
        eventually(&format!("{status} from {path}"), limit, async || {
            let answer = self.try_send("GET", path, None).await.ok()?;
            (answer.status == status).then_some(answer)
        })
        .await
    }

    /// The value of a line of `/metrics`, named with its labels.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(series))?;
        line.trim().parse().ok()
    }

    /// It serves `test` without giving an id twice.
    pub(crate) async fn serves_on(&self) {
        let ask = || self.until("/alloc?biz_tag=test", 200, PATIENCE);
        let first = ask().await.ids()[0];
        let second = ask().await.ids()[0];
        assert!(second > first, "{first}, then {second}");
        assert_eq!(self.get("/livez").await.status, 200);
    }
}
