//! A statement with its values, and the words in which the databases differ.

use std::fmt::Debug;

/// A value bound to a statement; none ever becomes part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Integer(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// A statement that is built together with its values, which so stay in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            values: Vec::new(),
        }
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.text.push('?');
        self.values.push(value.into());
        self
    }
}

/// The identity of the server a statement runs on, evaluated inside that statement: bound from an
/// earlier read, it would name the old primary after a failover behind a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// An expression over the server's variables, made of constants of this program alone.
    Expression(&'static str),
    /// `database.server_identity`.
    Configured(String),
}

/// The words in which the databases differ.
pub(super) trait Dialect: Debug + Send + Sync {
    /// A name as an identifier. Only checked names get here: `[A-Za-z0-9_$]`.
    fn quoted(&self, name: &str) -> String;

    /// A text expression as its bytes in UTF-8, whose order is that of the code points.
    fn bytes(&self, expression: &str) -> String;

    /// The type of bytes, for `CAST(? AS …)`.
    fn binary(&self) -> &'static str;

    /// An expression over the server's variables as a text that `claimed_on` can hold.
    fn identity(&self, expression: &str) -> String;

    /// What stands before and after a bound text so that it is one in the server's eyes too.
    fn bound_text(&self) -> [&'static str; 2];

    /// An integer column as a signed number.
    fn integer(&self, column: &str) -> String;

    /// A condition that the key helps with, and that each text in the column that begins so fulfils.
    fn begins(&self, sql: Sql, column: &str, prefix: &str) -> Sql;

    /// The first bytes of a key, as many as the value that is bound next says: `LEFT(key, `.
    fn first_bytes(&self, key: &str) -> String;

    /// The function that returns the greatest of its arguments.
    fn greatest(&self) -> &'static str;

    /// The function that returns the least of its arguments.
    fn least(&self) -> &'static str;

    /// The database's clock in microseconds, the same throughout a statement.
    fn now(&self) -> &'static str;

    /// The operator of integer division.
    fn div(&self) -> &'static str;

    /// A condition that only a server which may be written to fulfils.
    fn writable(&self) -> &'static str;

    /// What an UPDATE has to set beside the rest, so that `update_time` is right.
    fn touched(&self) -> &'static str;

    /// What makes a SELECT a write for a read/write-splitting proxy, which else asks a replica.
    fn locking(&self) -> &'static str;

    /// What stands before and after an assigned expression so that its value comes back with the answer.
    fn returned(&self) -> [&'static str; 2];

    /// What ends such a statement, where the value comes as a row.
    fn returning(&self, column: &str) -> String;
}
