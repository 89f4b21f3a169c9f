//! `MemoryStore`: rows in memory, with scripted faults. For tests of what stands above the store.

use super::{
    AdvanceTo, Advanced, Change, Claim, ClaimRequest, Listing, NewTag, Repairs, Seen, SegmentStore,
    StoreError, StoreReport, TagRow,
};
use crate::domain::{BizTag, IdRange};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What one claim does instead of simply succeeding.
#[derive(Debug, Clone)]
pub enum Script {
    /// Fails with this error and changes nothing.
    Fail(StoreError),
    /// Is committed, but its answer is lost.
    CommitAndLose,
    /// Waits so long, then succeeds.
    Slow(Duration),
    /// Never answers.
    Hang,
    /// Panics.
    Panic,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<String, (i64, i64)>,
    /// Faults of the coming claims, in order.
    script: VecDeque<Script>,
    /// Every claim fails with this while it is set.
    outage: Option<StoreError>,
}

/// Rows in memory; see the module's documentation.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    claims: AtomicU64,
}

impl MemoryStore {
    /// A store with one row per `(tag, max_id, step)`.
    #[must_use]
    pub fn with_rows<'a>(rows: impl IntoIterator<Item = (&'a str, i64, i64)>) -> Self {
        let store = Self::default();
        for (tag, max_id, step) in rows {
            store.put(tag, max_id, step);
        }
        store
    }

    /// Makes or overwrites a row.
    pub fn put(&self, tag: &str, max_id: i64, step: i64) {
        self.state().rows.insert(tag.to_owned(), (max_id, step));
    }

    /// Deletes a row.
    pub fn remove(&self, tag: &str) {
        self.state().rows.remove(tag);
    }

    /// Lets the coming claims, in order, do this.
    pub fn script(&self, faults: impl IntoIterator<Item = Script>) {
        self.state().script.extend(faults);
    }

    /// Fails every claim and check from now on, until called with `None`.
    pub fn outage(&self, error: Option<StoreError>) {
        self.state().outage = error;
    }

    /// How many claims were asked for.
    #[must_use]
    pub fn claims(&self) -> u64 {
        self.claims.load(Ordering::SeqCst)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, request: &ClaimRequest, repairs: &Repairs) -> Result<Claim, StoreError> {
        let mut state = self.state();
        let (max_id, step) = state
            .rows
            .get_mut(request.tag.as_str())
            .ok_or(StoreError::UnknownTag)?;
        if *step < 1 {
            return Err(StoreError::TagMisconfigured(format!(
                "step of `{}` is {step}; set it to 1 or more",
                request.tag
            )));
        }
        if *max_id < request.mark {
            repairs.note_raised();
            *max_id = request.mark + 8 * *step;
        }
        let size = request.want.max(*step);
        *max_id = max_id
            .checked_add(size)
            .ok_or_else(|| StoreError::TagExhausted("no ids are left".to_owned()))?;
        Ok(Claim {
            range: IdRange::claimed(*max_id, size)
                .map_err(|error| StoreError::TagMisconfigured(error.to_string()))?,
            max_id: *max_id,
            step: *step,
        })
    }

    fn row(&self, tag: &BizTag) -> Result<TagRow, StoreError> {
        let state = self.state();
        let (max_id, step) = state.rows.get(tag.as_str()).ok_or(StoreError::UnknownTag)?;
        Ok(TagRow {
            biz_tag: tag.to_string(),
            max_id: *max_id,
            step: *step,
            description: String::new(),
            retired: false,
            guard: None,
        })
    }
}

#[async_trait]
impl SegmentStore for MemoryStore {
    async fn claim(&self, request: &ClaimRequest, repairs: &Repairs) -> Result<Claim, StoreError> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        let (outage, fault) = {
            let mut state = self.state();
            (state.outage.clone(), state.script.pop_front())
        };
        if let Some(error) = outage {
            return Err(error);
        }
        match fault {
            Some(Script::Fail(error)) => return Err(error),
            Some(Script::CommitAndLose) => {
                self.commit(request, repairs)?;
                return Err(StoreError::UnknownOutcome("the answer was lost".to_owned()));
            }
            Some(Script::Slow(delay)) => tokio::time::sleep(delay).await,
            Some(Script::Hang) => std::future::pending().await,
            #[allow(clippy::panic, reason = "scripted by a test")]
            Some(Script::Panic) => panic!("scripted panic in the store"),
            None => {}
        }
        self.commit(request, repairs)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.state().outage.clone().map_or(Ok(()), Err)
    }

    async fn check(&self) -> Result<StoreReport, StoreError> {
        let state = self.state();
        match &state.outage {
            Some(error) => Err(error.clone()),
            None => Ok(StoreReport {
                description: "memory".to_owned(),
                tags: state.rows.len() as u64,
                guard_active: true,
                warnings: Vec::new(),
            }),
        }
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<TagRow>, StoreError> {
        let prefix = listing.prefix.as_deref().unwrap_or_default();
        let mut names: Vec<String> = self.state().rows.keys().cloned().collect();
        if listing.descending {
            names.reverse();
        }
        let comes_after = |name: &String| match &listing.after {
            None => true,
            Some(after) if listing.descending => name < after,
            Some(after) => name > after,
        };
        let names: Vec<BizTag> = names
            .iter()
            .filter(|name| name.starts_with(prefix) && comes_after(name))
            .take(usize::try_from(listing.limit).unwrap_or(usize::MAX))
            .filter_map(|name| BizTag::parse(name).ok())
            .collect();
        names.iter().map(|tag| self.row(tag)).collect()
    }

    async fn recent(&self, limit: u64) -> Result<Vec<BizTag>, StoreError> {
        let rows = self.list(&Listing::page(None, limit)).await?;
        Ok(rows
            .iter()
            .filter_map(|row| BizTag::parse(&row.biz_tag).ok())
            .collect())
    }

    async fn retired(&self, _limit: u64) -> Result<Vec<BizTag>, StoreError> {
        Ok(Vec::new())
    }

    async fn show(&self, tag: &BizTag) -> Result<TagRow, StoreError> {
        self.row(tag)
    }

    async fn create(&self, new: &NewTag) -> Result<(), StoreError> {
        if self.row(&new.tag).is_ok() {
            return Err(StoreError::Exists(format!("`{}` exists", new.tag)));
        }
        self.put(new.tag.as_str(), new.start, new.step);
        Ok(())
    }

    async fn set(&self, tag: &BizTag, change: &Change) -> Result<TagRow, StoreError> {
        let row = self.row(tag)?;
        self.put(tag.as_str(), row.max_id, change.step.unwrap_or(row.step));
        self.row(tag)
    }

    /// The row is removed: what is deleted here is made anew by `put` alone.
    async fn retire(&self, tag: &BizTag, _seen: Option<&Seen>) -> Result<TagRow, StoreError> {
        let row = self.row(tag)?;
        self.remove(tag.as_str());
        Ok(TagRow {
            step: 0,
            retired: true,
            ..row
        })
    }

    async fn advance(&self, tag: &BizTag, to: AdvanceTo) -> Result<Advanced, StoreError> {
        let row = self.row(tag)?;
        let target = match to {
            AdvanceTo::By(by) => row.max_id.saturating_add(by),
            AdvanceTo::To(to) => to,
        };
        if target < row.max_id {
            return Err(StoreError::Rejected("max_id is only raised".to_owned()));
        }
        self.put(tag.as_str(), target, row.step);
        Ok(Advanced {
            from: row.max_id,
            to: target,
        })
    }

    fn connections(&self) -> (usize, usize) {
        (0, 0)
    }

    async fn close(&self) {}
}
