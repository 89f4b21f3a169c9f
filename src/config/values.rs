//! How single values are read and written: durations with a unit, `""` for none, `"auto"`, `"recent"`.

use std::{fmt, time::Duration};

use serde::{
    Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Unexpected, Visitor},
};

use super::sections::Preload;

/// `"2s"`, `"15m"`: a bare number is refused, since nobody can tell its unit.
pub(super) mod duration {
    use super::*;

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }

    struct DurationVisitor;

    impl Visitor<'_> for DurationVisitor {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with its unit, such as \"2s\" or \"15m\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            if text.trim().parse::<f64>().is_ok() {
                return Err(E::custom(bare_number(text.trim())));
            }
            humantime::parse_duration(text).map_err(|reason| {
                E::custom(format!(
                    "{text:?} is no duration such as \"2s\" or \"15m\": {reason}"
                ))
            })
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
            Err(E::custom(bare_number(number)))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
            Err(E::custom(bare_number(number)))
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
            Err(E::custom(bare_number(number)))
        }
    }

    fn bare_number(number: impl fmt::Display) -> String {
        format!("{number} has no unit; write it as text, such as \"{number}s\" or \"{number}ms\"")
    }
}

/// `""` is none.
pub(super) mod optional_text {
    use std::ffi::OsStr;

    use serde::Deserialize;

    use super::*;

    pub(in crate::config) fn serialize<S: Serializer, T: AsRef<OsStr>>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(text) => serializer.serialize_str(&text.as_ref().to_string_lossy()),
            None => serializer.serialize_str(""),
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>, T: From<String>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok((!text.is_empty()).then(|| T::from(text)))
    }
}

/// `"auto"` is none; a number may also be written as text, as the environment does.
pub(super) mod auto_or_number {
    use super::*;

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Option<i64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => serializer.serialize_i64(*number),
            None => serializer.serialize_str("auto"),
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        deserializer.deserialize_any(AutoVisitor)
    }

    struct AutoVisitor;

    impl Visitor<'_> for AutoVisitor {
        type Value = Option<i64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"auto\" or a whole number of ids")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            match text {
                "auto" => Ok(None),
                _ => match text.trim().parse() {
                    Ok(number) => Ok(Some(number)),
                    Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
                },
            }
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number))
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
            match i64::try_from(number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
            }
        }
    }
}

impl Serialize for Preload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tags(tags) => tags.serialize(serializer),
            Self::Recent => serializer.serialize_str("recent"),
        }
    }
}

impl<'de> de::Deserialize<'de> for Preload {
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
        let mut tags = Vec::new();
        while let Some(tag) = list.next_element()? {
            tags.push(tag);
        }
        Ok(Preload::Tags(tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(value: &Value) -> Result<Duration, String> {
        duration::deserialize(value).map_err(|error| error.to_string())
    }

    proptest! {
        #[test]
        fn a_duration_is_read_back_as_it_is_written(seconds in 0..u64::from(u32::MAX), nanos in 0..1_000_000_000_u32) {
            let value = Duration::new(seconds, nanos);
            let written = duration::serialize(&value, serde_json::value::Serializer).unwrap();
            prop_assert_eq!(read(&written).unwrap(), value);
        }

        #[test]
        fn no_text_makes_a_duration_panic(any in "(?s).{0,30}", like in "[0-9]{0,25}[ .]?(ns|us|ms|s|m|h|d|w|M|y| |[a-z]){0,4}") {
            let _ = read(&json!(any));
            let _ = read(&json!(like));
        }

        #[test]
        fn a_bare_number_is_no_duration(whole: i64, float: f64) {
            prop_assert!(read(&json!(whole)).is_err());
            prop_assert!(read(&json!(whole.to_string())).is_err());
            prop_assert!(read(&json!(float)).is_err());
            prop_assert!(read(&json!(float.to_string())).is_err());
        }

        #[test]
        fn auto_or_a_number_is_read_back(value: Option<i64>, as_text: bool) {
            let mut written = auto_or_number::serialize(&value, serde_json::value::Serializer).unwrap();
            if as_text && let Some(number) = value {
                written = json!(format!(" {number} "));
            }
            prop_assert_eq!(auto_or_number::deserialize(&written).unwrap(), value);
        }

        #[test]
        fn what_is_neither_auto_nor_a_number_is_refused(text in "(?s).{0,20}", big in (i64::MAX as u64 + 1)..) {
            prop_assume!(text != "auto" && text.trim().parse::<i64>().is_err());
            prop_assert!(auto_or_number::deserialize(&json!(text)).is_err());
            prop_assert!(auto_or_number::deserialize(&json!(big)).is_err());
        }
    }
}
