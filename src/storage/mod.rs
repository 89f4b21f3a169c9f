//! Where segments come from: the traits [`SegmentStore`] and
//! [`TagAdministration`], their errors, and their implementations.
//!
//! | what you want to see | file |
//! |---|---|
//! | the store on a database | `sql/` |
//!
//! `sea_orm` is named nowhere else (but in the `migration` crate).

mod error;
mod record;
pub mod sql;

pub use error::{StoreError, Unusable};
pub use record::{
    ClaimRecord, DropRequest, Finding, InUse, Instance, Neighbour, ServerRecord, Weight,
};

use crate::domain::{BizTag, ClaimRequest, IdRange};
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

/// A committed claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The ids that now belong to this process alone.
    pub range: IdRange,
    /// The row's `max_id` after the claim, the caller's new mark.
    pub max_id: i64,
    /// The row's `step`.
    pub step: i64,
}

/// What a claim put right on its way. Kept apart from its result: a row that was moved was moved,
/// whatever became of the claim after that.
#[derive(Debug, Default)]
pub struct Repairs {
    /// Times the row had gone backwards and was raised.
    pub raised: AtomicU64,
    /// Times it had been claimed on another primary and was moved.
    pub moved: AtomicU64,
    /// Ids skipped by that.
    pub skipped: AtomicU64,
    /// The row is being put right, or was: who gives the claim up now would not know whether it was.
    pub under_way: AtomicBool,
}

/// A row of the segments table, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRow {
    /// The name as stored.
    pub biz_tag: String,
    /// End of what has been claimed.
    pub max_id: i64,
    /// The least that is claimed at once.
    pub step: i64,
    /// Free text.
    pub description: String,
    /// Whether `retired_at` is set (deleted).
    pub retired: bool,
    /// No id of the tag reaches this number; `None` where only `allocation.id_limit` ends it.
    pub id_limit: Option<i64>,
    /// `None` where claims carry no guard.
    pub guard: Option<GuardRow>,
    /// Why the row cannot be used, where it cannot; the numbers are then 0.
    pub fault: Option<String>,
}

impl TagRow {
    /// The end of everything that was ever claimed of the tag or announced, as far as the row tells.
    #[must_use]
    pub fn end(&self) -> i64 {
        let guard = self.guard.as_ref();
        let known = guard.map_or(0, |guard| guard.claimed_to.max(guard.advance_to));
        self.max_id.max(known)
    }
}

/// The guard's columns of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRow {
    /// End of the newest claim.
    pub claimed_to: i64,
    /// How large claims were about to become with the newest one, itself included.
    pub claimed_size: i64,
    /// Identity of the primary it was made on; empty where none is known.
    pub claimed_on: String,
    /// Whether that is the server which answered.
    pub here: bool,
    /// How often the guard has moved or raised the row.
    pub moves: i64,
    /// Where an announced advance takes `max_id`; not above it where there is none.
    pub advance_to: i64,
}

/// A tag to be made.
#[derive(Debug, Clone)]
pub struct NewTag {
    /// Its name.
    pub tag: BizTag,
    /// `max_id` of the new row: the first id handed out (1 where it is 0).
    pub start: i64,
    /// The least that is claimed at once, 1 or more.
    pub step: i64,
    /// Free text, at most 1024 characters.
    pub description: String,
    /// No id reaches this number; `None` for no end but `allocation.id_limit`.
    pub id_limit: Option<i64>,
}

/// How far a tag with a limit of its own has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// Its name.
    pub tag: BizTag,
    /// End of what has been claimed.
    pub max_id: i64,
    /// No id reaches this number.
    pub id_limit: i64,
}

/// What a check of table and server found, when it can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReport {
    /// For people, without password: `mysql://user@host:3306/db (MariaDB 10.11.6)`, `sqlite:///abs/path`.
    pub description: String,
    /// Number of tags that are not retired; no more are counted than a check has time for.
    pub tags: u64,
    /// Whether there are more than were counted.
    pub more_tags: bool,
    /// Whether claims carry the guard (`claimed_to`, `claimed_on`).
    pub guard_active: bool,
    /// Settings that weaken a promise, each a sentence that says what to do.
    pub warnings: Vec<String>,
}

/// What an administrator's advance did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advanced {
    /// `max_id` before.
    pub from: i64,
    /// `max_id` after: the first id that a later claim takes.
    pub to: i64,
    /// How long it takes until claims heed it.
    pub after: Duration,
}

/// Which rows are listed, in order of biz_tag as its column sorts: by code point in a table of `migrate up`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Only names that begin with this.
    pub prefix: Option<String>,
    /// Only names that come after this one, in the order asked for.
    pub after: Option<String>,
    /// From the last name to the first.
    pub descending: bool,
    /// At most so many rows.
    pub limit: u64,
}

impl Listing {
    /// All names after `after`, at most `limit`.
    #[must_use]
    pub fn page(after: Option<&str>, limit: u64) -> Self {
        Self {
            after: after.map(str::to_owned),
            limit,
            ..Self::default()
        }
    }
}

/// What an administrator saw of a live row before changing it. A row that says something else by then
/// is left alone ([`StoreError::Changed`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its step.
    pub step: i64,
    /// Its description.
    pub description: String,
    /// Its limit.
    pub id_limit: Option<i64>,
}

/// What is to be changed about a tag. `None` leaves a value as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The least that is claimed at once, 1 or more.
    pub step: Option<i64>,
    /// Free text, at most 1024 characters.
    pub description: Option<String>,
    /// No id reaches this number; 0 takes the limit away.
    pub id_limit: Option<i64>,
    /// Only where the row still says so.
    pub seen: Option<Seen>,
}

/// How far to raise `max_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvanceTo {
    /// By so many ids.
    By(i64),
    /// To this id, which must not be below the present `max_id`.
    To(i64),
}

/// When an advance is heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Once replicas know of it, where there may be any: a failover that loses the advance alone then still
    /// finds it announced.
    Announced,
    /// By the next claim. For who knows that no replica is behind.
    Now,
}

/// The database as actors need it. Every method is bounded in time by the implementation.
#[async_trait]
pub trait SegmentStore: Send + Sync + 'static {
    /// Claims a segment: committed when it returns `Ok`, and nobody else has or gets its ids.
    ///
    /// What had to be put right first is noted in `repairs`, also where the claim fails after that.
    async fn claim(&self, request: &ClaimRequest, repairs: &Repairs) -> Result<Claim, StoreError>;

    /// Whether the table can be reached, and takes writes; a fraction of what a check costs.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Checks connection, table and server, and says what they are.
    async fn check(&self) -> Result<StoreReport, StoreError>;

    /// Which of these tags are retired.
    async fn retired(&self, of: &[BizTag]) -> Result<Vec<BizTag>, StoreError>;

    /// Tags with a limit of their own, those first that have used most of it, at most `limit`.
    async fn limited(&self, limit: u64) -> Result<Vec<Limited>, StoreError>;

    /// Which of these have a row, and are not retired; where the database takes other names for equal, those too.
    async fn existing(&self, names: &[BizTag]) -> Result<HashSet<BizTag>, StoreError>;

    /// Connections: idle, and in use.
    fn connections(&self) -> (usize, usize);

    /// Closes the connections. Idempotent.
    async fn close(&self);
}

/// The tags as people look after them. Every method is bounded in time by the implementation.
#[async_trait]
pub trait TagAdministration: Send + Sync + 'static {
    /// Rows, retired ones too, and those that cannot be used, with their fault.
    async fn list(&self, listing: &Listing) -> Result<Vec<TagRow>, StoreError>;

    /// The tags whose rows changed last, newest first, at most `limit`; for preloading.
    async fn recent(&self, limit: u64) -> Result<Vec<BizTag>, StoreError>;

    /// One row, retired or not, or [`StoreError::UnknownTag`].
    async fn show(&self, tag: &BizTag) -> Result<TagRow, StoreError>;

    /// Makes a row. [`StoreError::Exists`] where there is one already. A retired one is taken up again
    /// where `start` is not below the end of what was ever claimed of it.
    async fn create(&self, new: &NewTag) -> Result<(), StoreError>;

    /// Changes step, description, limit, or several of them.
    async fn set(&self, tag: &BizTag, change: &Change) -> Result<TagRow, StoreError>;

    /// Deletes a tag: nobody claims it any more, and the row stays, so that its ids are not repeated.
    async fn retire(&self, tag: &BizTag, seen: Option<&Seen>) -> Result<TagRow, StoreError>;

    /// The servers that wrote themselves down within the last hour, those seen last first.
    async fn neighbours(&self) -> Result<Vec<Neighbour>, StoreError>;

    /// Raises `max_id`, or announces that; never lowers it.
    async fn advance(
        &self,
        tag: &BizTag,
        to: AdvanceTo,
        effect: Effect,
    ) -> Result<Advanced, StoreError>;
}
