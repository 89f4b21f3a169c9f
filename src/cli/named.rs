//! The tag that a call names, and what is said where there is none of that name.

use super::Exit;
use crate::{
    domain::BizTag,
    storage::{StoreError, TagAdministration as _, sql::SqlStore},
};

pub(super) fn parse(name: &str) -> Result<BizTag, Exit> {
    BizTag::parse(name).map_err(|error| Exit::usage(error.to_string()))
}

/// Why a call about this tag failed.
pub(super) async fn failed(store: &SqlStore, tag: &BizTag, error: StoreError) -> Exit {
    if error != StoreError::UnknownTag {
        return error.into();
    }
    match store.show(tag).await {
        Ok(row) if row.retired => Exit::usage(format!(
            "tag {:?} is deleted: id-alloc tag create makes it again, with --start {} or more",
            tag.as_str(),
            row.end()
        )),
        Ok(_) | Err(StoreError::UnknownTag) => missing(tag),
        Err(error) => error.into(),
    }
}

/// There is no tag of this name, deleted or not.
pub(super) fn missing(tag: &BizTag) -> Exit {
    Exit::usage(format!(
        "tag {:?} does not exist: id-alloc tag list shows those that do",
        tag.as_str()
    ))
}
