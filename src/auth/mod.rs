//! Who may: tokens, what they allow, and the files in which secrets stand, read again when they change.
//!
//! | what you want to see | file |
//! |---|---|
//! | what a token is, and its hash | `hash.rs` |
//! | the entries of a file of tokens: scopes, tags | `entries.rs` |
//! | the tokens in force, and whose was sent | `tokens.rs` |
//! | how many ids a token may take | `quotas.rs` |
//! | files that are read again: tokens, certificates | `watched.rs` |
//!
//! Promises: how long a wrong token takes to be refused tells nothing of the right ones; what a file holds is in
//! force only once it was found the same twice, so half a file never is; a file that cannot be used changes nothing,
//! and no message quotes one.

mod entries;
mod hash;
mod quotas;
mod tokens;
mod watched;

pub use entries::{AdminToken, AllocToken, Entry, Scope, parse, read};
pub use hash::{TokenHash, generate};
pub use quotas::{Exceeded, Quotas, Spent};
pub use tokens::{Denied, Login, Tokens, bearer};
pub use watched::{Content, Watched};
