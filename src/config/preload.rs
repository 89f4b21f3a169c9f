//! `allocation.preload`: a list of tags, or `"recent"`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;

use super::values::unlike;
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
        let value = Value::deserialize(deserializer)?;
        if value == "recent" {
            return Ok(Self::Recent);
        }
        let Value::Array(names) = value else {
            return unlike(&value, "a list of tags or \"recent\"");
        };
        let (mut tags, mut wrong) = (Vec::new(), Vec::new());
        for name in names {
            let name = String::deserialize(name).map_err(D::Error::custom)?;
            match BizTag::parse(&name) {
                Ok(tag) => tags.push(tag),
                Err(reason) => wrong.push(format!("{name:?}: {reason}")),
            }
        }
        match wrong.is_empty() {
            true => Ok(Self::Tags(tags)),
            false => Err(D::Error::custom(wrong.join("; "))),
        }
    }
}
