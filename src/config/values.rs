//! Numbers and durations, each kind with what it allows; a section names the kind beside its key:
//! `#[serde(with = "Whole::<1, 1024>")]`. A value that is not allowed is refused while it is read, so its
//! message has the key and the place where it was written like any other mistake.

use std::{fmt::Display, time::Duration};

use serde::{
    Deserialize as _, Deserializer, Serialize, Serializer,
    de::{Error, Unexpected},
};
use serde_json::Value;

/// A whole number from `MIN` to `MAX`.
pub(super) struct Whole<const MIN: i64, const MAX: i64>;

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: TryFrom<i64>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Self::read(&Value::deserialize(deserializer)?)
    }

    fn read<T: TryFrom<i64>, E: Error>(value: &Value) -> Result<T, E> {
        match value {
            Value::Number(number) if !number.is_f64() => {
                let allowed = number.as_i64().filter(|it| (MIN..=MAX).contains(it));
                let fits = allowed.and_then(|it| T::try_from(it).ok());
                fits.ok_or_else(|| outside(number, MIN, MAX))
            }
            _ => unlike(value, format!("a whole number from {MIN} to {MAX}")),
        }
    }
}

fn outside<E: Error>(value: impl Display, least: impl Display, most: impl Display) -> E {
    E::custom(format!("{value} is not within {least} to {most}"))
}

/// Refuses a value of another type.
pub(super) fn unlike<T, E: Error>(value: &Value, expected: impl AsRef<str>) -> Result<T, E> {
    let found = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Unexpected::Signed(whole),
            None => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Err(E::invalid_type(found, &expected.as_ref()))
}

/// `"auto"`, which is `None`, or a whole number from `MIN` to `MAX`, which the environment writes as text.
pub(super) struct AutoOr<const MIN: i64, const MAX: i64>;

impl<const MIN: i64, const MAX: i64> AutoOr<MIN, MAX> {
    pub(super) fn serialize<S: Serializer>(
        value: &Option<i64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => serializer.serialize_i64(*number),
            None => serializer.serialize_str("auto"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = value.as_str().map(|text| text.trim().parse::<i64>());
        match (&value, number) {
            (Value::String(text), _) if text == "auto" => Ok(None),
            (_, Some(Ok(number))) => Whole::<MIN, MAX>::read(&number.into()).map(Some),
            (Value::Number(_), _) => Whole::<MIN, MAX>::read(&value).map(Some),
            _ => unlike(
                &value,
                format!("\"auto\" or a whole number from {MIN} to {MAX}"),
            ),
        }
    }
}

/// A millisecond, a minute and a year, for the limits of a [`Period`]. Nothing here has a use beyond a year,
/// and clocks overflow at centuries.
pub(super) const MS: u64 = 1;
pub(super) const MINUTE: u64 = 60_000;
pub(super) const YEAR: u64 = 31_557_600_000;

/// A duration with its unit (`"2s"`, `"15m"`) from `MIN` to `MAX` milliseconds. A bare number is refused, since nobody
/// can tell its unit.
pub(super) struct Period<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Period<MIN, MAX> {
    pub(super) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let (least, most) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        let shown = humantime::format_duration;
        let expected = || {
            let (least, most) = (shown(least), shown(most));
            format!("a duration such as \"2s\" or \"15m\", from {least} to {most}")
        };
        let text = match &value {
            Value::String(text) if text.trim().parse::<f64>().is_err() => text,
            Value::String(number) => return Err(bare_number(number.trim())),
            Value::Number(number) => return Err(bare_number(number)),
            _ => return unlike(&value, expected()),
        };
        let period = humantime::parse_duration(text).map_err(|reason| {
            D::Error::custom(format!("{text:?} is not {} ({reason})", expected()))
        })?;
        match (least..=most).contains(&period) {
            true => Ok(period),
            false => Err(outside(shown(period), shown(least), shown(most))),
        }
    }
}

fn bare_number<E: Error>(number: impl Display) -> E {
    E::custom(format!(
        "{number} has no unit; write it as text, such as \"{number}s\" or \"{number}ms\""
    ))
}

/// A part of one, from 0 to 1.
pub(super) fn part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match value.as_f64() {
        Some(part) if (0.0..=1.0).contains(&part) => Ok(part),
        Some(part) => Err(outside(part, "0.0", "1.0")),
        None => unlike(&value, "a number from 0.0 to 1.0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{json, value::Serializer as ToValue};

    type Any = Period<0, { u64::MAX }>;
    type Auto = AutoOr<{ i64::MIN }, { i64::MAX }>;

    fn read(value: &Value) -> Result<Duration, String> {
        Any::deserialize(value).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_allowed_and_what_lies_beyond_them_is_not() {
        let whole = |value: Value| {
            Whole::<1, 9>::deserialize::<u8, _>(&value).map_err(|error| error.to_string())
        };
        assert_eq!((whole(json!(1)), whole(json!(9))), (Ok(1), Ok(9)));
        assert_eq!(whole(json!(10)).unwrap_err(), "10 is not within 1 to 9");
        for value in [json!(0), json!(-1), json!(u64::MAX), json!(1.5), json!("1")] {
            assert!(whole(value.clone()).is_err(), "{value}");
        }
        let auto = |value: Value| AutoOr::<0, 9>::deserialize(&value).is_ok();
        assert!(auto(json!(0)) && auto(json!("9")) && !auto(json!(-1)) && !auto(json!("10")));
        let period = |text: &str| Period::<MS, MINUTE>::deserialize(&json!(text)).is_ok();
        assert!(period("1ms") && period("1m") && !period("0s") && !period("61s"));
        assert!(part(json!(0.0)).is_ok() && part(json!(1)).is_ok() && part(json!(1.01)).is_err());
    }

    proptest! {
        #[test]
        fn a_duration_is_read_back_as_it_is_written(seconds in 0..u64::from(u32::MAX), nanos in 0..1_000_000_000_u32) {
            let value = Duration::new(seconds, nanos);
            let written = Any::serialize(&value, ToValue).unwrap();
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
            let mut written = Auto::serialize(&value, ToValue).unwrap();
            if as_text && let Some(number) = value {
                written = json!(format!(" {number} "));
            }
            prop_assert_eq!(Auto::deserialize(&written).unwrap(), value);
        }

        #[test]
        fn what_is_neither_auto_nor_a_number_is_refused(text in "(?s).{0,20}", big in (i64::MAX as u64 + 1)..) {
            prop_assume!(text != "auto" && text.trim().parse::<i64>().is_err());
            prop_assert!(Auto::deserialize(&json!(text)).is_err());
            prop_assert!(Auto::deserialize(&json!(big)).is_err());
        }
    }
}
