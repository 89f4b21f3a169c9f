//! What is answered, and how that is written in RESP2 and RESP3: each value by redis-protocol.

use redis_protocol::resp2::{
    encode::encode,
    types::{OwnedFrame as Frame, Resp2Frame as _},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Version {
    /// With which every connection begins.
    #[default]
    Resp2,
    Resp3,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Integer(i64),
    Simple(&'static str),
    Text(Vec<u8>),
    Null,
    /// Its code in capitals, and what to do, in one line.
    Error(String),
    List(Vec<Answer>),
    /// In RESP2 a list of names and values.
    Map(Vec<(&'static str, Answer)>),
}

impl Answer {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes())
    }

    pub(super) fn error(code: &str, text: impl std::fmt::Display) -> Self {
        let line = format!("{code} {text}");
        // A line ends an error, and texts of databases have several.
        Self::Error(line.replace(char::is_control, " "))
    }

    /// Appends it to `out`. The versions differ in nothing and in maps alone.
    pub(super) fn write(self, version: Version, out: &mut Vec<u8>) {
        let frame = match self {
            Self::Integer(number) => Frame::Integer(number),
            Self::Simple(text) => Frame::SimpleString(text.into()),
            Self::Text(text) => Frame::BulkString(text),
            Self::Error(line) => Frame::Error(line),
            Self::Null if version == Version::Resp3 => return out.extend_from_slice(b"_\r\n"),
            Self::Null => Frame::Null,
            Self::List(answers) => {
                begin('*', answers.len(), out);
                return answers
                    .into_iter()
                    .for_each(|answer| answer.write(version, out));
            }
            Self::Map(pairs) => {
                match version {
                    Version::Resp2 => begin('*', 2 * pairs.len(), out),
                    Version::Resp3 => begin('%', pairs.len(), out),
                }
                for (name, value) in pairs {
                    Self::text(name).write(version, out);
                    value.write(version, out);
                }
                return;
            }
        };
        let start = out.len();
        out.resize(start + frame.encode_len(false), 0);
        if encode(&mut out[start..], &frame, false).is_err() {
            // Cannot be: the room was measured.
            out.truncate(start);
            out.extend_from_slice(b"-ERR internal error\r\n");
        }
    }
}

/// Begins a list or map of `count`, which are written after it.
pub(super) fn begin(kind: char, count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{kind}{count}\r\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(answer: Answer, version: Version) -> String {
        let mut out = b"before".to_vec();
        answer.write(version, &mut out);
        String::from_utf8(out).unwrap().split_off("before".len())
    }

    #[test]
    fn answers_are_written_as_the_protocol_has_them() {
        let both = |answer: Answer| {
            [
                written(answer.clone(), Version::Resp2),
                written(answer, Version::Resp3),
            ]
        };
        let same = |text: &str| [text.to_owned(), text.to_owned()];
        assert_eq!(both(Answer::Integer(1001)), same(":1001\r\n"));
        assert_eq!(both(Answer::Simple("OK")), same("+OK\r\n"));
        assert_eq!(both(Answer::text("12")), same("$2\r\n12\r\n"));
        assert_eq!(both(Answer::text("")), same("$0\r\n\r\n"));
        assert_eq!(both(Answer::Null), ["$-1\r\n", "_\r\n"]);
        assert_eq!(both(Answer::error("ERR", "a\r\nb")), same("-ERR a  b\r\n"));
        let list = Answer::List(vec![Answer::Integer(1), Answer::List(vec![])]);
        assert_eq!(both(list), same("*2\r\n:1\r\n*0\r\n"));
        let map = Answer::Map(vec![("proto", Answer::Integer(3))]);
        assert_eq!(
            both(map),
            ["*2\r\n$5\r\nproto\r\n:3\r\n", "%1\r\n$5\r\nproto\r\n:3\r\n"]
        );
    }

    proptest! {
        #[test]
        fn every_number_and_text_fits_the_room_that_was_measured(number: i64, text: Vec<u8>, error in "\\PC{0,60}") {
            for version in [Version::Resp2, Version::Resp3] {
                prop_assert_eq!(written(Answer::Integer(number), version), format!(":{number}\r\n"));
                let mut out = Vec::new();
                Answer::Text(text.clone()).write(version, &mut out);
                prop_assert_eq!(out.len(), format!("${}\r\n", text.len()).len() + text.len() + 2);
                prop_assert_eq!(written(Answer::error("ERR", &error), version), format!("-ERR {error}\r\n"));
            }
        }
    }
}
