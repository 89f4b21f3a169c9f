//! A statement with its values, and the words in which the databases differ.

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

    /// A statement with a `?` for each of these values.
    pub(super) fn of<const N: usize>(text: &str, values: [Value; N]) -> Self {
        Self::new("").with(text, values)
    }

    /// Text with a `?` for each of these values.
    pub(super) fn with<const N: usize>(mut self, text: &str, values: [Value; N]) -> Self {
        debug_assert_eq!(text.matches('?').count(), N, "{text}");
        self.text.push_str(text);
        self.values.extend(values);
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

/// What stands before and after something.
pub(super) type Around = [&'static str; 2];

/// The words in which the databases differ.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    /// Round the name of a table or column.
    pub(super) quotes: Around,
    /// Round a text expression for its bytes in UTF-8, whose order is that of the code points.
    pub(super) bytes: Around,
    /// The type of bytes, for `CAST(? AS …)`.
    pub(super) binary: &'static str,
    /// Round an expression over the server's variables for a text that `claimed_on` can hold.
    pub(super) identity: Around,
    /// Round a bound text, so that it is one in the server's eyes too.
    pub(super) bound_text: Around,
    /// Round an integer column for a signed number.
    pub(super) integer: Around,
    /// A condition that the key helps with, and that each text in the column that begins so fulfils.
    pub(super) begins: fn(sql: Sql, column: &str, prefix: &str) -> Sql,
    /// Round a key, for the first bytes of it: as many as the value that is bound next says.
    pub(super) first_bytes: Around,
    /// The functions that return the greatest and the least of their arguments.
    pub(super) greatest: &'static str,
    pub(super) least: &'static str,
    /// The database's clock in microseconds, the same throughout a statement.
    pub(super) now: &'static str,
    /// The operator of integer division.
    pub(super) div: &'static str,
    /// A condition that only a server which may be written to fulfils.
    pub(super) writable: &'static str,
    /// What an UPDATE has to set beside the rest, so that `update_time` is right.
    pub(super) touched: &'static str,
    /// What makes a SELECT a write for a read/write-splitting proxy, which else asks a replica.
    pub(super) locking: &'static str,
    /// Round an assigned expression, so that its value comes back with the answer.
    pub(super) returned: Around,
    /// What stands before the column's name at the end of such a statement.
    pub(super) returning: Option<&'static str>,
}

impl Dialect {
    /// A name as an identifier. Only checked names get here: `[A-Za-z0-9_$]`.
    pub(super) fn quoted(&self, name: &str) -> String {
        around(self.quotes, name)
    }

    pub(super) fn bytes(&self, expression: &str) -> String {
        around(self.bytes, expression)
    }

    pub(super) fn integer(&self, column: &str) -> String {
        around(self.integer, column)
    }

    /// What ends a statement that returns a value it assigned, where that comes as a row.
    pub(super) fn returning(&self, column: &str) -> String {
        self.returning
            .map_or_else(String::new, |returning| format!("{returning}{column}"))
    }
}

pub(super) fn around([before, after]: Around, inside: &str) -> String {
    format!("{before}{inside}{after}")
}
