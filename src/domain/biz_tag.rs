//! `BizTag`: the name of a kind of id, checked once at the edge of the process. `TagName` is the same before
//! anyone has to keep it: mostly a part of the request it came with.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    sync::Arc,
};

/// The most characters a biz_tag may have. The column's own length bounds creation further.
const MAX_CHARS: usize = 128;

/// A valid biz_tag: 1 to 128 characters, none a control character, not beginning with `_`.
///
/// Cheap to clone. Compared by its exact characters, unlike most database collations.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BizTag(Arc<str>);

/// A valid biz_tag that lives as long as what it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagName<'a>(Cow<'a, str>);

/// Why a text is not a biz_tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BizTagError {
    /// Nothing was given.
    #[error("biz_tag is empty")]
    Empty,
    /// More than 128 characters.
    #[error("biz_tag is longer than {MAX_CHARS} characters")]
    TooLong,
    /// It holds a control character.
    #[error("biz_tag holds a control character")]
    ControlCharacter,
    /// Names beginning with `_` are kept for the server's own use (such as `_other` in metrics).
    #[error("a biz_tag may not begin with '_'")]
    Reserved,
}

impl<'a> TagName<'a> {
    /// Checks `name`.
    ///
    /// # Errors
    /// The first rule that `name` breaks.
    pub fn parse(name: impl Into<Cow<'a, str>>) -> Result<Self, BizTagError> {
        let name = name.into();
        if name.is_empty() {
            return Err(BizTagError::Empty);
        }
        if name.len() > MAX_CHARS && name.chars().count() > MAX_CHARS {
            return Err(BizTagError::TooLong);
        }
        let is_plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_plain && name.chars().any(char::is_control) {
            return Err(BizTagError::ControlCharacter);
        }
        if name.starts_with('_') {
            return Err(BizTagError::Reserved);
        }
        Ok(Self(name))
    }

    /// The name's exact characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same to keep.
    #[must_use]
    pub fn to_biz_tag(&self) -> BizTag {
        BizTag(Arc::from(&*self.0))
    }
}

impl<'a> From<&'a BizTag> for TagName<'a> {
    fn from(tag: &'a BizTag) -> Self {
        Self(Cow::Borrowed(tag.as_str()))
    }
}

impl BizTag {
    /// Checks `name` and makes a biz_tag of it.
    ///
    /// # Errors
    /// The first rule that `name` breaks.
    pub fn parse(name: &str) -> Result<Self, BizTagError> {
        Ok(TagName::parse(name)?.to_biz_tag())
    }

    /// The name's exact characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for BizTag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BizTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BizTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BizTag({:?})", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_and_foreign_names_pass() {
        for name in [
            "a",
            "order",
            "order.2024-x",
            "Ünïcödé 漢字",
            &"é".repeat(128),
        ] {
            assert_eq!(BizTag::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        assert_eq!(BizTag::parse(""), Err(BizTagError::Empty));
        assert_eq!(BizTag::parse(&"x".repeat(129)), Err(BizTagError::TooLong));
        assert_eq!(BizTag::parse("a\nb"), Err(BizTagError::ControlCharacter));
        assert_eq!(BizTag::parse("_other"), Err(BizTagError::Reserved));
    }

    proptest::proptest! {
        #[test]
        fn whatever_passes_keeps_the_rules_and_whatever_does_not_breaks_one(
            name in "(?s)_?.{0,140}|[a-z]{126,131}|\\p{Cc}|[a-z]\\p{Cc}?[\u{80}-\u{9f}]?",
        ) {
            let keeps = (1..=MAX_CHARS).contains(&name.chars().count())
                && !name.contains(char::is_control)
                && !name.starts_with('_');
            match BizTag::parse(&name) {
                Ok(tag) => {
                    proptest::prop_assert!(keeps);
                    proptest::prop_assert_eq!(tag.as_str(), &name);
                    proptest::prop_assert_eq!(tag.to_string(), name);
                }
                Err(_) => proptest::prop_assert!(!keeps),
            }
        }
    }
}
