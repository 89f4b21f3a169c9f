//! Requests and responses, as the tests look at them.

use super::PATIENCE;
use serde_json::Value;

/// A response, read whole.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Response {
    /// A header's value, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("a text"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// The ids of a success: `ids` where a count was given, else `id`.
    pub(crate) fn ids(&self) -> Vec<i64> {
        assert_eq!(self.status, 200, "{}", self.body);
        let body = self.json();
        match body.get("ids") {
            Some(ids) => serde_json::from_value(ids.clone()).expect("numbers"),
            None => vec![body["id"].as_i64().expect("a number")],
        }
    }

    /// The code of a failure, whose shape is checked.
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["errno"], -1, "{}", self.body);
        assert!(!body["msg"].as_str().unwrap_or("").is_empty(), "{body}");
        assert!(body["id"] == 0 || body["left"] == 0, "{body}");
        assert!(self.header("content-type").starts_with("application/json"));
        body["code"].as_str().expect("a code").to_owned()
    }
}

/// Sends a request to `base` and reads the response whole.
pub(crate) async fn send(
    client: &reqwest::Client,
    base: &str,
    method: &str,
    path: &str,
    body: Option<String>,
) -> reqwest::Result<Response> {
    let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = client
        .request(method, format!("{base}{path}"))
        .timeout(PATIENCE);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
    }
    let response = request.send().await?;
    Ok(Response {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await?,
    })
}
