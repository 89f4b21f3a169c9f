//! The rules of allocation, pure: no async, no clock reads, no actix, no database.
//!
//! Times come in as arguments and decisions go out as values, so every rule here can be tested over
//! arbitrary histories. [`DoubleBuffer`] is the centre: a state machine that takes events (allocate,
//! segment offered, load failed) and returns what its owner has to do. Its front segment stands in an [`OpenRange`], from
//! which requests take ids by themselves.

pub mod allowance;
mod backoff;
mod biz_tag;
mod ceiling;
mod claim_request;
mod demand;
mod double_buffer;
mod open_range;
mod step_policy;

pub use allowance::Allowance;
pub use backoff::Backoff;
pub use biz_tag::{BizTag, BizTagError, TagName};
pub use ceiling::{Ceiling, Ceilings};
pub use claim_request::ClaimRequest;
pub use demand::Demand;
pub use double_buffer::{DoubleBuffer, Load, Offer, Replies, Waiting};
pub use id_alloc_range::{IdRange, IdRangeError, Ids, RateMeter, Take};
pub use open_range::OpenRange;
pub use step_policy::{StepPolicy, StepSettings};
