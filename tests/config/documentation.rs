//! docs/configuration.md says what the program does: its tables are written from `config/default.toml` (key, value,
//! meaning) and from the program itself (what each key allows), and must be up to date.
//!
//! After a change: `ID_ALLOC_WRITE_DOCS=1 cargo test --test config` writes them anew.

use crate::{file, load};
use id_alloc::config::{Config, DEFAULT_TOML};
use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

const BEGIN: &str = "<!-- keys: written by tests/config/documentation.rs -->\n";
const END: &str = "<!-- end of keys -->";

/// A key as `config/default.toml` has it.
struct Key {
    section: String,
    name: String,
    value: String,
    meaning: String,
}

/// The sections with what stands above each, and the keys in order.
fn defaults() -> (Vec<(String, String)>, Vec<Key>) {
    let (mut sections, mut keys) = (Vec::new(), Vec::new());
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in DEFAULT_TOML.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            sections.push((section.clone(), comment.join(" ")));
            comment.clear();
        } else if let Some((name, value)) = line.split_once(" = ") {
            keys.push(Key {
                section: section.clone(),
                name: name.to_owned(),
                value: value.to_owned(),
                meaning: comment.join(" "),
            });
            comment.clear();
        } else {
            assert!(line.is_empty(), "{line}");
            comment.clear();
        }
    }
    (sections, keys)
}

impl Key {
    fn dotted(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// What the program says when it is given what no key allows: a control character.
    fn allowed(&self) -> String {
        let wrong = format!("[{}]\n{} = \"\\u0001\"\n", self.section, self.name);
        let error = load(Some(&file("c.toml", &wrong)), &[]).expect_err(&self.dotted());
        let said = error.problems.join("\n");
        let expected = match said.split_once(" is not ").or(said.split_once("expected ")) {
            _ if self.name.ends_with("_file") => "a file",
            // A reason may follow in brackets.
            Some((_, expected)) if expected.ends_with(')') => expected.rsplit_once(" (").unwrap().0,
            Some((_, expected)) => expected,
            None => said.rsplit_once(": ").unwrap().1,
        };
        match self.value.as_str() {
            "\"\"" => format!("{expected}, or \"\""),
            _ => expected.to_owned(),
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn tables() -> String {
    let (sections, keys) = defaults();
    let mut text = String::new();
    for (section, about) in sections {
        let _ = writeln!(text, "\n### `{section}`\n");
        if !about.is_empty() {
            let _ = writeln!(text, "{}\n", cell(&about));
        }
        text.push_str("| key | default | allowed | meaning |\n|---|---|---|---|\n");
        for key in keys.iter().filter(|key| key.section == section) {
            let (name, value) = (&key.name, &key.value);
            let (allowed, meaning) = (cell(&key.allowed()), cell(&key.meaning));
            let _ = writeln!(text, "| `{name}` | `{value}` | {allowed} | {meaning} |");
        }
    }
    text + "\n"
}

#[test]
fn the_table_of_keys_is_what_the_program_knows_and_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the tables");
    let (found, after) = rest.split_once(END).expect("the end of the tables");
    let tables = tables();
    if std::env::var_os("ID_ALLOC_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{tables}{END}{after}")).unwrap();
        return;
    }
    for (line, wanted) in found.lines().zip(tables.lines()) {
        assert_eq!(line, wanted, "run this with ID_ALLOC_WRITE_DOCS=1");
    }
    assert_eq!(found, tables, "run this with ID_ALLOC_WRITE_DOCS=1");
}

#[test]
fn every_key_of_the_sections_is_in_the_default_file_with_its_meaning() {
    let (_, keys) = defaults();
    for key in &keys {
        assert!(!key.meaning.is_empty(), "{} is not explained", key.dotted());
    }
    let known: BTreeSet<String> = keys.iter().map(Key::dotted).collect();
    assert_eq!(known.len(), keys.len(), "a key stands there twice");
    let effective: toml::Table = toml::from_str(&Config::default().effective()).unwrap();
    let mut written = BTreeSet::new();
    flatten("", &effective, &mut written);
    assert_eq!(written, known);
}

fn flatten(section: &str, table: &toml::Table, keys: &mut BTreeSet<String>) {
    for (name, value) in table {
        let key = format!("{section}{name}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{key}."), inner, keys),
            _ => assert!(keys.insert(key)),
        }
    }
}
