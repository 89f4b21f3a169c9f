//! `allocation.preload`: a list of tags, or `"recent"`.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Unexpected, Visitor},
};

use crate::domain::BizTag;

/// What is loaded before the server calls itself ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preload {
    /// These tags.
    Tags(Vec<BizTag>),
    /// Those the table says were used lately.
    Recent,
}

impl Serialize for Preload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tags(tags) => serializer.collect_seq(tags.iter().map(BizTag::as_str)),
            Self::Recent => serializer.serialize_str("recent"),
        }
    }
}

impl<'de> Deserialize<'de> for Preload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PreloadVisitor)
    }
}

struct PreloadVisitor;

impl<'de> Visitor<'de> for PreloadVisitor {
    type Value = Preload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tags or \"recent\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Preload, E> {
        match text {
            "recent" => Ok(Preload::Recent),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Preload, A::Error> {
        let (mut tags, mut wrong) = (Vec::new(), Vec::new());
        while let Some(name) = list.next_element::<String>()? {
            match BizTag::parse(&name) {
                Ok(tag) => tags.push(tag),
                Err(reason) => wrong.push(format!("{name:?}: {reason}")),
            }
        }
        match wrong.is_empty() {
            true => Ok(Preload::Tags(tags)),
            false => Err(de::Error::custom(wrong.join("; "))),
        }
    }
}
