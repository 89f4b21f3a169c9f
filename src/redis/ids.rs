//! `INCR`, `INCRBY`, `GET`, `EXISTS`: what a key and a number ask for. A key is a biz_tag.

use super::{refusal::Refused, request::Words};
use crate::{
    domain::{Demand, TagName},
    http::Refused as Reason,
};

pub(super) fn tag(words: Words<'_>, index: usize) -> Result<TagName<'_>, Refused> {
    let name = std::str::from_utf8(words.get(index)).map_err(|_| Reason::NotUtf8)?;
    Ok(TagName::parse(name).map_err(Reason::BizTag)?)
}

/// How many ids `INCRBY` asks for. They follow each other, so that the answer, the last of them, says which they are.
pub(super) fn demand(words: Words<'_>, max_range: u32) -> Result<Demand, Refused> {
    let number = std::str::from_utf8(words.get(2));
    let number = number.ok().and_then(|number| number.parse::<i64>().ok());
    let number = number.ok_or(Refused::NoInteger)?;
    match u64::try_from(number) {
        Ok(count) if (1..=u64::from(max_range)).contains(&count) => Ok(Demand {
            count,
            contiguous: true,
        }),
        _ => Err(Refused::Count(max_range)),
    }
}
