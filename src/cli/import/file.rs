//! The file of an import: CSV with a header. Every wrong line is found, each with its number.

use crate::{cli::Exit, domain::BizTag, storage::NewTag};
use csv::{ByteRecord, ReaderBuilder, Trim};
use std::{collections::HashMap, io::Read, path::Path};

/// The longest file: some hundred thousand tags.
const LONGEST: u64 = 64 << 20;

/// Without these there is no tag.
const REQUIRED: [&str; 2] = ["biz_tag", "step"];

pub(in crate::cli) const COLUMNS: [&str; 6] = [
    "biz_tag",
    "start",
    "step",
    "description",
    "limit",
    "deleted",
];

/// A tag of the file.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1 on, the header included.
    pub(super) number: u64,
    pub(super) new: NewTag,
    /// The name was deleted: it is made, and deleted again, so that its ids are not repeated here either.
    pub(super) deleted: bool,
    /// How far another system is, where it is taken over from one.
    pub(super) source: Option<Source>,
}

/// A counter of another system.
#[derive(Debug)]
pub(super) struct Source {
    /// What it says, for people.
    pub(super) found: String,
    /// No id from here on was handed out there.
    pub(super) next: i64,
}

impl Line {
    pub(super) fn different(&self, reason: String) -> super::Different {
        super::Different {
            line: self.number,
            biz_tag: self.new.tag.to_string(),
            reason,
        }
    }
}

/// What the file is called in messages.
pub(super) fn name(file: &Path) -> String {
    match is_stdin(file) {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// The tags of a file, or of another system, and what is wrong with its other lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) good: Vec<Line>,
    pub(super) wrong: Vec<(u64, String)>,
    seen: HashMap<BizTag, u64>,
}

impl Lines {
    /// Adds the line of this number; `kind` is what it is called.
    pub(super) fn add(&mut self, number: u64, line: Result<Line, String>, kind: &str) {
        let line = line.and_then(|line| match self.seen.get(&line.new.tag) {
            Some(first) => Err(format!("biz_tag {} is in {kind} {first} too", line.new.tag)),
            None => Ok(line),
        });
        match line {
            Ok(line) => {
                self.seen.insert(line.new.tag.clone(), number);
                self.good.push(line);
            }
            Err(reason) => self.wrong.push((number, reason)),
        }
    }
}

/// Reads the file.
pub(super) fn read(file: &Path) -> Result<Lines, Exit> {
    let failed = |reason: std::io::Error| Exit::usage(format!("{}: {reason}", name(file)));
    let mut text = Vec::new();
    let length = match is_stdin(file) {
        true => std::io::stdin()
            .lock()
            .take(LONGEST + 1)
            .read_to_end(&mut text),
        false => std::fs::File::open(file)
            .map_err(failed)?
            .take(LONGEST + 1)
            .read_to_end(&mut text),
    };
    if u64::try_from(length.map_err(failed)?).is_ok_and(|length| length > LONGEST) {
        return Err(Exit::usage(format!(
            "{}: longer than {LONGEST} bytes; import it in parts",
            name(file)
        )));
    }
    parse(&text).map_err(|reason| Exit::usage(format!("{}:1: {reason}", name(file))))
}

/// The tags of a text; an error is about its header.
fn parse(text: &[u8]) -> Result<Lines, String> {
    // As some spreadsheets begin UTF-8.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (at, line) = (0, 1);
    let mut numbers = Numbers { text, at, line };
    let mut reader = ReaderBuilder::new()
        .trim(Trim::Headers)
        .flexible(true)
        .from_reader(text);
    let header = reader.byte_headers().map_err(|error| error.to_string())?;
    let columns = columns(header)?;
    let (mut lines, mut record) = (Lines::default(), ByteRecord::new());
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| error.to_string())?
    {
        let number = numbers.of(&record);
        let line = tag(&columns, &record).map(|(new, deleted)| Line {
            number,
            new,
            deleted,
            source: None,
        });
        lines.add(number, line, "line");
    }
    Ok(lines)
}

/// Counts lines. The position that csv tells lies before the end of the line above, and before empty lines.
struct Numbers<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Numbers<'_> {
    /// The line in which a record begins; records come in their order.
    fn of(&mut self, record: &ByteRecord) -> u64 {
        let position = record.position().map_or(0, csv::Position::byte);
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        let rest = self.text.get(from..).unwrap_or_default();
        let ends = rest.iter().take_while(|byte| b"\r\n".contains(byte));
        let begin = from.saturating_add(ends.count()).min(self.text.len());
        let passed = self.text.get(self.at..begin).unwrap_or_default();
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line += u64::try_from(lines).unwrap_or(0);
        self.at = begin.max(self.at);
        self.line
    }
}

/// Which columns there are.
fn which() -> String {
    let optional = COLUMNS.into_iter().filter(|name| !REQUIRED.contains(name));
    let optional: Vec<&str> = optional.collect();
    format!(
        "{} are required, {} optional",
        REQUIRED.join(" and "),
        optional.join(", ")
    )
}

/// Which column stands where.
fn columns(header: &ByteRecord) -> Result<Vec<&'static str>, String> {
    let mut columns = Vec::new();
    for name in header {
        let known = COLUMNS.into_iter().find(|known| known.as_bytes() == name);
        match known {
            Some(known) if columns.contains(&known) => {
                return Err(format!("the column {known} appears twice"));
            }
            Some(known) => columns.push(known),
            None => {
                let name = String::from_utf8_lossy(name);
                return Err(format!(
                    "the first line must name the columns, separated by commas; {name:?} is none: {}",
                    which()
                ));
            }
        }
    }
    for needed in REQUIRED {
        if !columns.contains(&needed) {
            return Err(format!("the column {needed} is missing: {}", which()));
        }
    }
    Ok(columns)
}

/// The tag of a line, and whether it was deleted.
fn tag(columns: &[&'static str], record: &ByteRecord) -> Result<(NewTag, bool), String> {
    if record.len() != columns.len() {
        return Err(format!(
            "has {} fields, but the first line has {}; put text that contains a comma into double quotes",
            record.len(),
            columns.len()
        ));
    }
    let (mut name, mut start, mut step, mut description) = ("", "", "", "");
    let (mut limit, mut deleted) = ("", "");
    for (column, field) in columns.iter().zip(record) {
        let text =
            std::str::from_utf8(field).map_err(|_| format!("{column} is not valid UTF-8"))?;
        match *column {
            "biz_tag" => name = text,
            "start" => start = text.trim(),
            "step" => step = text.trim(),
            "limit" => limit = text.trim(),
            "deleted" => deleted = text.trim(),
            _ => description = text,
        }
    }
    let number = |column: &str, text: &str| {
        text.parse::<i64>()
            .map_err(|_| format!("{column} is {text:?}, which is not a whole number"))
    };
    let deleted = match deleted {
        "yes" => true,
        "" | "no" => false,
        other => return Err(format!("deleted is {other:?}, which is neither yes nor no")),
    };
    let new = NewTag {
        tag: BizTag::parse(name).map_err(|error| error.to_string())?,
        start: if start.is_empty() {
            0
        } else {
            number("start", start)?
        },
        step: number("step", step)?,
        description: description.to_owned(),
        id_limit: match limit {
            "" => None,
            limit => Some(number("limit", limit)?),
        },
    };
    Ok((new, deleted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Number, name, start, step and description of each line; what is wrong with the others.
    type Parsed = (Vec<(u64, String, i64, i64, String)>, Vec<(u64, String)>);

    fn parsed(text: &str) -> Parsed {
        let Lines { good, wrong, .. } = parse(text.as_bytes()).unwrap();
        let line = |line: Line| {
            let new = line.new;
            (
                line.number,
                new.tag.to_string(),
                new.start,
                new.step,
                new.description,
            )
        };
        (good.into_iter().map(line).collect(), wrong)
    }

    #[test]
    fn columns_come_in_any_order_and_two_may_be_missing() {
        let order = |number, text: &str| (number, "order".to_owned(), 5, 10, text.to_owned());
        let (lines, wrong) =
            parsed("\u{feff}biz_tag, start ,step,description\r\norder, 5 ,10,\"a, \"\"b\"\"\"\r\n");
        assert_eq!((lines, wrong), (vec![order(2, "a, \"b\"")], vec![]));
        let (lines, wrong) = parsed("step,biz_tag\n10,order\n\n7,\"two\nlines\"\n8,漢");
        let names: Vec<_> = lines
            .iter()
            .map(|line| (line.0, line.1.as_str(), line.2))
            .collect();
        assert_eq!(names, [(2, "order", 0), (6, "漢", 0)]);
        assert_eq!(wrong.len(), 1, "a control character in a name: {wrong:?}");
        assert_eq!(wrong[0].0, 4);
    }

    #[test]
    fn each_wrong_line_is_named_with_its_number() {
        let text = "biz_tag,start,step,description\na,0,10,\nb,0,ten,\nc,0\n_d,0,1,\na,0,10,\n,0,1,\ne,-,1,\nf,,1,";
        let (lines, wrong) = parsed(text);
        assert_eq!(lines.len(), 2);
        let numbers: Vec<u64> = wrong.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [3, 4, 5, 6, 7, 8], "{wrong:?}");
        assert!(wrong[0].1.contains("step is \"ten\""), "{wrong:?}");
        assert!(wrong[3].1.contains("is in line 2 too"), "{wrong:?}");
    }

    #[test]
    fn a_header_that_says_something_else_is_refused() {
        for text in [
            "",
            "biz_tag",
            "step",
            "biz_tag,step,step",
            "biz_tag,step,x",
            "order,1000",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        for text in ["", "biz_tag", "biz_tag,step,x"] {
            let reason = parse(text.as_bytes()).unwrap_err();
            let which =
                "biz_tag and step are required, start, description, limit, deleted optional";
            assert!(reason.ends_with(which), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..200), lines in "(?s)[a,\"\n\r0-9é]{0,60}") {
            let _ = parse(&text);
            let _ = parse(format!("biz_tag,step\n{lines}").as_bytes());
        }
    }
}
