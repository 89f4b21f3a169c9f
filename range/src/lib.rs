//! What the server and the Rust client share: ranges of ids, a cursor that many threads take them from
//! without a lock, and how fast they are used up. No async, no clock reads, no actors, no database.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod biased;
mod counter;
mod cursor;
mod id_range;
mod rate;

pub use biased::BiasedCounter;
pub use counter::{Counter, Run};
pub use cursor::{Closed, Cursor, Take};
pub use id_range::{IdRange, IdRangeError, Ids};
pub use rate::RateMeter;
