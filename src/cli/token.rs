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
    let is_admin = call.tags.is_empty();
    let list = match is_admin {
        true => list("scopes", call.scope.iter().map(|scope| scope.as_str())),
        false => list("tags", call.tags.iter().map(String::as_str)),
    };
    let quota =
        |key: &str, ids: Option<u64>| ids.map_or(String::new(), |ids| format!("\n{key} = {ids}"));
    let entry = format!(
        "[[token]]\nname = {}\n{list}{}{}\nhash = \"{hash}\"",
        quoted(&call.name),
        quota("ids_per_second", call.ids_per_second),
        quota("ids_per_day", call.ids_per_day)
    );
    // What a server would refuse is not handed out.
    let (checked, file) = match is_admin {
        true => (
            auth::parse::<AdminToken>(&entry).map(drop),
            "admin.tokens_file",
        ),
        false => (
            auth::parse::<AllocToken>(&entry).map(drop),
            "alloc.tokens_file",
        ),
    };
    checked.map_err(Exit::usage)?;
    if let Some(path) = &call.write {
        write_new(path, &format!("{token}\n"))?;
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

/// Writes tokens into a file of its owner's. One that exists is left alone: it may hold a token in use.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Exit> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
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

/// A key of an entry with a list of texts.
pub(super) fn list<'a>(key: &str, items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.map(quoted).collect();
    format!("{key} = [{}]", items.join(", "))
}

/// A text of an entry.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
