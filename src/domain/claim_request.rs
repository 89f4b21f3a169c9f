//! `ClaimRequest`: what the double buffer wants, as it travels through actor and loader to the store's statement.

use super::BizTag;

/// What a claim asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The tag whose row is to be moved.
    pub tag: BizTag,
    /// The row's `step` as last seen by the caller; `None` before the first claim. The statement
    /// matches only while the row still says so.
    pub step: Option<i64>,
    /// How many ids are wanted. At least the row's step is claimed.
    pub want: i64,
    /// How large the claims of this caller are about to become, as its rate says. Written into the row
    /// with the claim: a replica that lost the claims which follow can tell how much that may be.
    pub expect: i64,
    /// The high-water mark: the end of everything this process ever claimed for the tag, 0 at first.
    /// A row below it has gone backwards.
    pub mark: i64,
    /// Ids wanted so badly that fewer would do no good; near the end of the id space at least this
    /// many are claimed, if not `want`. 1 or more.
    pub at_least: i64,
}
