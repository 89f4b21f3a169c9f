//! What is answered, and how that is written in RESP2 and RESP3 (by redis-protocol).

use redis_protocol::{resp2, resp3};

/// The two versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Version {
    /// With which every connection begins.
    #[default]
    Resp2,
    Resp3,
}

/// An answer to a command.
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

    /// An error that begins with `code`.
    pub(super) fn error(code: &str, text: impl std::fmt::Display) -> Self {
        let line = format!("{code} {text}");
        // A line ends an error, and texts of databases have several.
        Self::Error(line.replace(char::is_control, " "))
    }

    /// Appends it to `out`.
    pub(super) fn write(self, version: Version, out: &mut Vec<u8>) {
        let start = out.len();
        let written = match version {
            Version::Resp2 => {
                let frame = self.into_resp2();
                out.resize(start + frame_length_2(&frame), 0);
                resp2::encode::encode(&mut out[start..], &frame, false)
            }
            Version::Resp3 => {
                let frame = self.into_resp3();
                out.resize(start + frame_length_3(&frame), 0);
                resp3::encode::complete::encode(&mut out[start..], &frame, false)
            }
        };
        if written.is_err() {
            // Cannot be: the room was measured.
            out.truncate(start);
            out.extend_from_slice(b"-ERR internal error\r\n");
        }
    }

    fn into_resp2(self) -> resp2::types::OwnedFrame {
        use resp2::types::OwnedFrame as Frame;
        match self {
            Self::Integer(number) => Frame::Integer(number),
            Self::Simple(text) => Frame::SimpleString(text.into()),
            Self::Text(text) => Frame::BulkString(text),
            Self::Null => Frame::Null,
            Self::Error(line) => Frame::Error(line),
            Self::List(answers) => {
                Frame::Array(answers.into_iter().map(Self::into_resp2).collect())
            }
            Self::Map(pairs) => {
                let both = |(name, value): (&str, Self)| {
                    [Frame::BulkString(name.into()), value.into_resp2()]
                };
                Frame::Array(pairs.into_iter().flat_map(both).collect())
            }
        }
    }

    fn into_resp3(self) -> resp3::types::OwnedFrame {
        use resp3::types::OwnedFrame as Frame;
        let attributes = None;
        match self {
            Self::Integer(data) => Frame::Number { data, attributes },
            Self::Simple(text) => Frame::SimpleString {
                data: text.into(),
                attributes,
            },
            Self::Text(data) => Frame::BlobString { data, attributes },
            Self::Null => Frame::Null,
            Self::Error(data) => Frame::SimpleError { data, attributes },
            Self::List(answers) => Frame::Array {
                data: answers.into_iter().map(Self::into_resp3).collect(),
                attributes,
            },
            Self::Map(pairs) => {
                let both = |(name, value): (&'static str, Self)| {
                    let name = Self::text(name).into_resp3();
                    (name, value.into_resp3())
                };
                Frame::Map {
                    data: pairs.into_iter().map(both).collect(),
                    attributes,
                }
            }
        }
    }
}

/// Begins a list of `count` answers, which are written after it.
pub(super) fn begin_list(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{count}\r\n").as_bytes());
}

fn frame_length_2(frame: &resp2::types::OwnedFrame) -> usize {
    use resp2::types::Resp2Frame as _;
    frame.encode_len(false)
}

fn frame_length_3(frame: &resp3::types::OwnedFrame) -> usize {
    use resp3::types::Resp3Frame as _;
    frame.encode_len(false)
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
