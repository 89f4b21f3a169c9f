//! Results: text for people, or one line of JSON for scripts. A closed pipe ends the command quietly, as
//! `head` expects.

use super::Exit;
use crate::http::model::Tag;
use serde::Serialize;
use std::{io::Write as _, sync::mpsc, time::Duration};
use tokio::sync::oneshot;

/// How long is waited for whoever reads a line that is not a result.
const UNREAD: Duration = Duration::from_secs(1);

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether as JSON.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result, as the one or the other.
    pub(super) fn say(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Exit> {
        match self.json {
            false => self.line(&text()),
            true => {
                let json = serde_json::to_string(value);
                self.line(&json.map_err(|error| Exit::internal(error.to_string()))?)
            }
        }
    }

    /// Prints a line, or several, as it is.
    pub(super) fn line(self, text: &str) -> Result<(), Exit> {
        self.raw(&format!("{text}\n"))
    }

    /// Prints a line, and goes on where nobody reads it.
    pub(super) async fn unread_line(self, text: &str) -> Result<(), Exit> {
        let (done, printed) = oneshot::channel();
        let text = text.to_owned();
        // A pipe that is full, or a terminal after Ctrl-S, keeps the thread for as long.
        std::thread::spawn(move || done.send(self.line(&text)));
        match tokio::time::timeout(UNREAD, printed).await {
            Ok(Ok(result)) => result,
            _ => Ok(()),
        }
    }

    /// Prints a text as it is.
    pub(super) fn raw(self, text: &str) -> Result<(), Exit> {
        let mut out = std::io::stdout();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Exit::internal(format!("standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// For commands that have no result to print as JSON.
    pub(super) fn none(self) -> Result<(), Exit> {
        match self.json {
            true => Err(Exit::usage(
                "this command has no result for --json to print",
            )),
            false => Ok(()),
        }
    }
}

/// A line on standard error beside the result; where that is closed nobody reads it.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The process's last line on standard error, however it is read.
pub fn last_words(text: String) {
    let (done, written) = mpsc::channel();
    std::thread::spawn(move || {
        note(&text);
        let _ = done.send(());
    });
    let _ = written.recv_timeout(UNREAD);
}

/// The width of a column of names, at least that of its title.
pub(super) fn width<'a>(title: &str, names: impl Iterator<Item = &'a str>) -> usize {
    let widths = names.map(|name| name.chars().count());
    widths.max().unwrap_or(0).max(title.len())
}

/// The width of the column of tags' names.
pub(super) fn name_width(tags: &[Tag]) -> usize {
    width("biz_tag", tags.iter().map(|tag| tag.biz_tag.as_str()))
}
