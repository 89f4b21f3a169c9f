//! `MemoryStore`: rows in memory, with scripted faults. For tests and measurements of what stands above the store.

use async_trait::async_trait;
use id_alloc::domain::{BizTag, ClaimRequest, IdRange};
use id_alloc::storage::{Claim, Limited, Repairs, SegmentStore, StoreError, StoreReport};
use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

/// What one claim does instead of simply succeeding.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Fails with this error and changes nothing.
    Fail(StoreError),
    /// Is committed, but its answer is lost.
    CommitAndLose,
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
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    claims: AtomicU64,
    lookups: AtomicU64,
    checks: AtomicU64,
    looks_for_deleted: AtomicU64,
    /// Claims of these wait until they are let go.
    locked: watch::Sender<HashSet<String>>,
}

impl MemoryStore {
    /// A store with one row per `(tag, max_id, step)`.
    pub(crate) fn with_rows<'a>(rows: impl IntoIterator<Item = (&'a str, i64, i64)>) -> Self {
        let store = Self::default();
        for (tag, max_id, step) in rows {
            store.put(tag, max_id, step);
        }
        store
    }

    /// Makes or overwrites a row.
    pub(crate) fn put(&self, tag: &str, max_id: i64, step: i64) {
        self.state().rows.insert(tag.to_owned(), (max_id, step));
    }

    /// Deletes a row.
    pub(crate) fn remove(&self, tag: &str) {
        self.state().rows.remove(tag);
    }

    /// Lets the coming claims, in order, do this.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Script>) {
        self.state().script.extend(faults);
    }

    /// Fails every claim and check from now on, until called with `None`.
    pub(crate) fn outage(&self, error: Option<StoreError>) {
        self.state().outage = error;
    }

    /// Has claims of this tag wait, as for a row that is locked, until called with `false`.
    pub(crate) fn lock(&self, tag: &str, locked: bool) {
        self.locked.send_modify(|tags| {
            match locked {
                true => tags.insert(tag.to_owned()),
                false => tags.remove(tag),
            };
        });
    }

    /// How many times names were looked up.
    pub(crate) fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::SeqCst)
    }

    /// How many times the store was checked.
    pub(crate) fn checks(&self) -> u64 {
        self.checks.load(Ordering::SeqCst)
    }

    /// How many times the loaded tags were gone through for deleted ones.
    pub(crate) fn looks_for_deleted(&self) -> u64 {
        self.looks_for_deleted.load(Ordering::SeqCst)
    }

    /// How many claims were asked for.
    pub(crate) fn claims(&self) -> u64 {
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
            repairs.raised.fetch_add(1, Ordering::Relaxed);
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
            Some(Script::Hang) => std::future::pending().await,
            #[allow(clippy::panic, reason = "scripted by a test")]
            Some(Script::Panic) => panic!("scripted panic in the store"),
            None => {}
        }
        let mut locked = self.locked.subscribe();
        let is_free = |tags: &HashSet<String>| !tags.contains(request.tag.as_str());
        let _ = locked.wait_for(is_free).await;
        self.commit(request, repairs)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.state().outage.clone().map_or(Ok(()), Err)
    }

    async fn check(&self) -> Result<StoreReport, StoreError> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        let state = self.state();
        match &state.outage {
            Some(error) => Err(error.clone()),
            None => Ok(StoreReport {
                description: "memory".to_owned(),
                tags: state.rows.len() as u64,
                more_tags: false,
                guard_active: true,
                warnings: Vec::new(),
            }),
        }
    }

    async fn retired(&self, _of: &[BizTag]) -> Result<Vec<BizTag>, StoreError> {
        self.looks_for_deleted.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }

    async fn limited(&self, _limit: u64) -> Result<Vec<Limited>, StoreError> {
        Ok(Vec::new())
    }

    async fn existing(&self, names: &[BizTag]) -> Result<HashSet<BizTag>, StoreError> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let state = self.state();
        match &state.outage {
            Some(error) => Err(error.clone()),
            None => {
                let existing = names
                    .iter()
                    .filter(|tag| state.rows.contains_key(tag.as_str()));
                Ok(existing.cloned().collect())
            }
        }
    }

    fn connections(&self) -> (usize, usize) {
        (0, 0)
    }

    async fn close(&self) {}
}
