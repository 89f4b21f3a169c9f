//! What is a good answer, and what a refusal means.

use crate::error::{IdAllocError, Refusal, said};
use hyper::{HeaderMap, StatusCode, header};
use id_alloc_range::Run;
use serde_json::Value;
use std::{fmt, time::Duration};

/// Why an attempt brought no ids.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) server: String,
    /// 0 where no whole answer came.
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) verdict: Verdict,
}

/// What to do after a [`Failure`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    /// Ask again, another server first.
    Retry,
    /// Ask again for less: the server has not as many just now.
    RetryForLess,
    /// Ask for less at once and from now on: the server permits fewer at once.
    TooMany,
    /// No other attempt would help: it fails with this error.
    Final(fn(Refusal) -> IdAllocError),
}

impl Failure {
    /// No answer, or not a whole one.
    pub(crate) fn no_answer(server: &str, message: impl Into<String>) -> Self {
        Self {
            server: server.to_owned(),
            status: 0,
            code: String::new(),
            message: message.into(),
            retry_after: None,
            verdict: Verdict::Retry,
        }
    }

    /// An answer that claims to be good and is not.
    pub(crate) fn bad(server: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK.as_u16(),
            ..Self::no_answer(server, message)
        }
    }

    /// Ids that were answered before.
    pub(crate) fn repeated(server: &str, run: Run) -> Self {
        let (first, last) = (run.first, run.first + (run.count - 1));
        Self::bad(
            server,
            format!(
                "ids {first} to {last}, of which this client was given some before; is there a cache or a proxy that repeats answers?"
            ),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            0 => write!(f, "{}: {}", self.server, self.message),
            status => {
                let said = said(status, &self.code, &self.message);
                write!(f, "{} answered {said}", self.server)
            }
        }
    }
}

/// The ids of a whole answer, which has to be exactly what was asked for.
pub(crate) fn read(
    server: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    count: i64,
) -> Result<Run, Failure> {
    if status != StatusCode::OK {
        return Err(refusal(server, status.as_u16(), headers, body));
    }
    if headers.contains_key(header::AGE) {
        return Err(Failure::bad(
            server,
            "an answer from a cache (it has an Age header), which somebody else may have been given too",
        ));
    }
    ids(body, count).map_err(|message| Failure::bad(server, message))
}

fn ids(body: &[u8], count: i64) -> Result<Run, String> {
    let without = || format!("no answer with ids: {}", start(body));
    let answer: Value = serde_json::from_slice(body).map_err(|_| without())?;
    if answer.get("errno").and_then(Value::as_i64) != Some(0) {
        return Err(without());
    }
    let first = integer(answer.get("first")).ok_or_else(without)?;
    let got = integer(answer.get("count")).ok_or_else(without)?;
    if got != count {
        return Err(format!("{got} ids, where {count} were asked for"));
    }
    if first.checked_add(count - 1).is_none() {
        return Err(format!(
            "{count} ids from {first} on, which is past 64 bits"
        ));
    }
    Ok(Run { first, count })
}

/// Digits, as a JSON number or in a string.
fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64().filter(|number| *number >= 0),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// What a status other than 200 means.
fn refusal(server: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let (code, message) = match text("msg") {
        "" => (String::new(), start(body)),
        message => (text("code").to_owned(), message.to_owned()),
    };
    let verdict = match (status, code.as_str()) {
        (404, "unknown_tag") => Verdict::Final(IdAllocError::UnknownTag),
        (_, "tag_exhausted") => Verdict::Final(IdAllocError::Exhausted),
        (401 | 403, _) => Verdict::Final(IdAllocError::Unauthorized),
        (400, "invalid_count") => Verdict::TooMany,
        (400 | 413 | 414 | 431, _) => Verdict::Final(IdAllocError::Refused),
        (_, "no_available_id") => Verdict::RetryForLess,
        _ => Verdict::Retry,
    };
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    Failure {
        server: server.to_owned(),
        status,
        code,
        message,
        retry_after: seconds
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        verdict,
    }
}

/// As much of a body as fits into a message.
fn start(body: &[u8]) -> String {
    const MOST: usize = 200;
    let text = String::from_utf8_lossy(body);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MOST) {
        _ if text.is_empty() => "an empty body".to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_numbers_and_as_text_up_to_the_largest() {
        for body in [
            r#"{"errno":0,"msg":"success","first":9223372036854775798,"count":10}"#,
            r#"{"count":"10","errno":0,"first":"9223372036854775798"}"#,
        ] {
            let run = ids(body.as_bytes(), 10).unwrap();
            assert_eq!(run.iter().last(), Some(i64::MAX));
        }
    }

    #[test]
    fn nothing_else_is_read_as_ids() {
        for body in [
            r#"{"errno":0,"first":9223372036854775799,"count":10}"#,
            r#"{"errno":0,"first":-0,"count":10}"#,
            r#"{"errno":0,"first":1e3,"count":10}"#,
            r#"{"errno":0,"first":5.0,"count":10}"#,
            r#"{"errno":0,"first":"+5","count":10}"#,
            r#"{"errno":0,"first":"","count":10}"#,
            r#"{"errno":0,"first":5,"count":9}"#,
            r#"{"errno":"0","first":5,"count":10}"#,
            r#"{"errno":0,"first":5,"count":10} "#,
            r#"{"errno":0,"first":5,"count":10}{"#,
        ] {
            let read = ids(body.as_bytes(), 10);
            // White space after it is no part of the object.
            assert_eq!(read.is_ok(), body.ends_with("} "), "{body}");
        }
    }

    #[test]
    fn a_long_body_is_cut_where_a_character_ends() {
        let message = start("ö".repeat(500).as_bytes());
        assert_eq!(message.chars().count(), 201);
        assert_eq!(start(b" \n"), "an empty body");
    }
}
