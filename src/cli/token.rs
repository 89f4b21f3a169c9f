//! `token new`: a token, and the entry by which a server knows it.

use super::{
    Exit,
    arguments::{NewToken, Scope},
    output::{Output, note},
};
use crate::auth::{self, AdminToken, AllocToken, TokenHash};
use serde_json::json;
use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Prints both, or writes the token into a file. It is kept nowhere else.
pub(super) fn new(call: &NewToken, output: Output) -> Result<(), Exit> {
    let token = auth::generate().map_err(Exit::internal)?;
    let hash = TokenHash::of(&token);
    let (key, what) = match call.tags.is_empty() {
        true => (
            "scopes",
            list(call.scope.iter().map(|scope| scope.as_str())),
        ),
        false => ("tags", list(call.tags.iter().map(String::as_str))),
    };
    let quota =
        |key: &str, ids: Option<u64>| ids.map_or(String::new(), |ids| format!("\n{key} = {ids}"));
    let entry = format!(
        "[[token]]\nname = {}\n{key} = {what}{}{}\nhash = \"{hash}\"",
        quoted(&call.name),
        quota("ids_per_second", call.ids_per_second),
        quota("ids_per_day", call.ids_per_day)
    );
    // What a server would refuse is not handed out.
    let checked = match call.tags.is_empty() {
        true => auth::parse::<AdminToken>(&entry).map(drop),
        false => auth::parse::<AllocToken>(&entry).map(drop),
    };
    checked.map_err(Exit::usage)?;
    let file = match call.tags.is_empty() {
        true => "admin.tokens_file",
        false => "alloc.tokens_file",
    };
    if let Some(path) = &call.write {
        write(path, &token)?;
        let value = json!({ "token_file": path, "file": file, "entry": entry });
        output.say(&value, || format!("{entry}\n"))?;
        note(&format!(
            "the token is in {}; the entry belongs in the file that {file} names",
            path.display()
        ));
        return Ok(());
    }
    let value = json!({ "token": token, "file": file, "entry": entry });
    output.say(&value, || {
        format!(
            "the token (shown only once):\n\n{token}\n\n\
             its entry in the file that {file} names:\n\n{entry}"
        )
    })
}

/// Writes the token into a file of its owner's. One that exists is left alone: it may hold a token in use.
fn write(path: &Path, token: &str) -> Result<(), Exit> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| writeln!(file, "{token}"))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Exit::usage(format!(
                "{} exists already, and may hold a token that is in use: name a new file",
                path.display()
            )),
            _ => Exit::usage(format!("cannot write {}: {error}", path.display())),
        })
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.map(quoted).collect();
    format!("[{}]", items.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
