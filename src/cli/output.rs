//! Results: text for people, or one line of JSON for scripts. A closed pipe ends the command quietly, as
//! `head` expects.

use super::Exit;
use serde::Serialize;
use serde_json::Value;
use std::{
    borrow::Cow,
    fmt::{Display, Write as _},
    io::Write as _,
    sync::mpsc,
    time::Duration,
};
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
            // What JSON leaves as it is, `line` escapes as JSON would.
            true => self.line(&json(value)?),
        }
    }

    /// Prints a line, or several; what else controls a terminal is escaped.
    pub(super) fn line(self, text: &str) -> Result<(), Exit> {
        self.raw(&format!("{}\n", lines(text)))
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

/// A result with a list of any length, printed as its entries come: lines, or an object of JSON.
pub(super) struct Long {
    output: Output,
    /// The object up to its list.
    head: String,
    begun: bool,
    any: bool,
}

impl Long {
    /// `head` is the object's text up to its list: `{"tags":[`.
    pub(super) fn new(output: Output, head: String) -> Self {
        Self {
            output,
            head,
            begun: false,
            any: false,
        }
    }

    /// Prints entries, or `lines` for them; these are told whether they are the first.
    pub(super) fn add(
        &mut self,
        entries: &[impl Serialize],
        lines: impl FnOnce(bool) -> String,
    ) -> Result<(), Exit> {
        let first = !std::mem::replace(&mut self.begun, true);
        if !self.output.json {
            let lines = lines(first);
            return match lines.is_empty() {
                true => Ok(()),
                false => self.output.line(&lines),
            };
        }
        let mut text = String::new();
        if first {
            text.push_str(&self.head);
        }
        for entry in entries {
            if std::mem::replace(&mut self.any, true) {
                text.push(',');
            }
            text.push_str(&json(entry)?);
        }
        // What JSON leaves as it is, this escapes as JSON would.
        self.output.raw(&plain(&text))
    }

    /// Ends the list, and the object with what else it holds.
    pub(super) fn end(self, tail: &serde_json::Map<String, Value>) -> Result<(), Exit> {
        if !self.output.json {
            return Ok(());
        }
        let head = if self.begun { "" } else { self.head.as_str() };
        let tail = json(tail)?.replacen('{', "", 1);
        let comma = if tail == "}" { "" } else { "," };
        self.output.line(&format!("{head}]{comma}{tail}"))
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String, Exit> {
    serde_json::to_string(value).map_err(|error| Exit::internal(error.to_string()))
}

/// A line on standard error beside the result; where that is closed nobody reads it.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", lines(text));
}

/// A text of somebody else's within a line, as a tag's description: what controls a terminal, or looks like another
/// line, is escaped.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe)
}

/// Several lines.
fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| is_unsafe(letter) && letter != '\n')
}

/// Control characters, and those that turn the direction of writing.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As JSON writes them.
fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match is_unsafe(letter) {
            true => {
                let _ = write!(safe, "\\u{:04x}", u32::from(letter));
            }
            false => safe.push(letter),
        }
    }
    Cow::Owned(safe)
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

/// How many there are of what is named in the singular: `1 tag`, `2 tags`.
pub(super) fn counted<N: Display + PartialEq + From<u8>>(number: N, what: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// The width of a column of names, at least that of its title.
pub(super) fn width<'a>(title: &str, names: impl Iterator<Item = &'a str>) -> usize {
    let widths = names.map(|name| name.chars().count());
    widths.max().unwrap_or(0).max(title.len())
}

/// The width of the column of tags' names.
pub(super) fn name_width<'a>(tags: impl Iterator<Item = &'a str>) -> usize {
    let names: Vec<_> = tags.map(plain).collect();
    width("biz_tag", names.iter().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_escaped_and_texts_of_all_languages_are_not() {
        let evil = "ok\x1b[2J\u{9b}8m\u{7f}\u{202e}\r\n\tx";
        assert_eq!(
            plain(evil),
            r"ok\u001b[2J\u009b8m\u007f\u202e\u000d\u000a\u0009x"
        );
        assert_eq!(lines("a\nb\x07"), "a\nb\\u0007");
        for fine in ["", "Bestellung für später", "訂單", "מס׳ 7 \\u001b", "👩‍💻"] {
            assert!(matches!(plain(fine), Cow::Borrowed(same) if same == fine));
        }
        let json = serde_json::json!({ "description": evil }).to_string();
        let safe = lines(&json).into_owned();
        assert!(!safe.contains(is_unsafe), "{safe}");
        let read: serde_json::Value = serde_json::from_str(&safe).unwrap();
        assert_eq!(read["description"], evil);
    }
}
