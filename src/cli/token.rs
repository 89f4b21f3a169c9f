//! `token new`: a token, and the entry by which a server knows it.

use super::{
    Exit,
    arguments::{NewToken, Scope},
    output::Output,
};
use crate::auth::{self, AdminToken, AllocToken, TokenHash};
use serde_json::json;

/// Prints both. The token itself is kept nowhere.
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
    let entry = format!(
        "[[token]]\nname = {}\n{key} = {what}\nhash = \"{hash}\"",
        quoted(&call.name)
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
    let value = json!({ "token": token, "file": file, "entry": entry });
    output.say(&value, || {
        format!(
            "the token, which is shown only now:\n\n{token}\n\n\
             its entry in the file that {file} names:\n\n{entry}"
        )
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
