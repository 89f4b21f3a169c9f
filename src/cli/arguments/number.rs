//! Numbers that can be typed. What does not serve is refused in words, with the least that does.

/// Reads a whole number that is `LEAST` or more, and that `T` holds.
pub(super) fn from<const LEAST: i64, T: TryFrom<i128>>(text: &str) -> Result<T, String> {
    let needed = || format!("it must be a whole number, {LEAST} or more");
    let number: i128 = text.parse().map_err(|_| needed())?;
    if number < i128::from(LEAST) {
        return Err(needed());
    }
    T::try_from(number).map_err(|_| "it is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_from_the_least_on_is_refused_in_words() {
        assert_eq!(from::<1, u32>("1"), Ok(1));
        assert_eq!(from::<0, i64>("9223372036854775807"), Ok(i64::MAX));
        for text in ["0", "abc", "", "1.5", "-3", "1e3", "1,000"] {
            let refused = Err("it must be a whole number, 1 or more".to_owned());
            assert_eq!(from::<1, i64>(text), refused, "{text:?}");
        }
        for text in ["4294967296", "99999999999999999999"] {
            assert_eq!(from::<1, u32>(text), Err("it is too large".to_owned()));
        }
    }
}
