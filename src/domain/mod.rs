//! The rules of allocation, pure: no async, no clock reads, no actix, no database.
//!
//! Times come in as arguments and decisions go out as values, so every rule here can be tested over
//! arbitrary histories. [`DoubleBuffer`] is the centre: a state machine that takes events (allocate,
//! segment offered, load failed) and returns what its owner has to do.

mod backoff;
mod biz_tag;
mod double_buffer;
mod id_range;
mod rate;
mod segment;
mod step_policy;

pub use backoff::Backoff;
pub use biz_tag::{BizTag, BizTagError, TagName};
pub use double_buffer::{Batch, DoubleBuffer, Grant, LoadRequest, Offer, Replies};
pub use id_range::{IdRange, IdRangeError, Ids};
pub use rate::RateMeter;
pub use segment::Segment;
pub use step_policy::{StepPolicy, StepSettings};
