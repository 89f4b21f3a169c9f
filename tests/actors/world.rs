//! A server's actors on a store in memory.

use crate::memory_store::MemoryStore;
use futures_util::FutureExt as _;
use id_alloc::{
    actors::{AllocError, Allocation, Allocator, Settings, TagState},
    config::Config,
    domain::{BizTag, IdRange, Ids},
    metrics::{Audience, Level, Metrics},
    storage::StoreError,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Nothing here takes longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The defaults, but for what a test would wait for.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::from(&Config::default());
    settings.database.backoff_max = Duration::from_millis(20);
    settings.database.acquire_timeout = Duration::from_millis(25);
    settings.database.statement_timeout = Duration::from_millis(25);
    settings.database.max_connections = 5;
    settings.limits.request_deadline = Duration::from_secs(10);
    settings.limits.max_waiting = 10_000;
    settings.limits.unknown_tag_ttl = Duration::from_millis(200);
    settings.limits.unknown_tags = 100;
    settings.limits.max_loaded_tags = 100;
    settings.rest_after = Duration::from_secs(3600);
    settings
}

/// The same with such a deadline for each request, in milliseconds.
pub(crate) fn within(deadline: u64) -> Settings {
    let mut settings = settings();
    settings.limits.request_deadline = Duration::from_millis(deadline);
    settings
}

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) allocation: Allocation,
    pub(crate) allocator: Allocator,
}

impl World {
    pub(crate) fn new(rows: &[(&str, i64, i64)]) -> Self {
        Self::with(rows, settings())
    }

    pub(crate) fn with(rows: &[(&str, i64, i64)], settings: Settings) -> Self {
        let store = Arc::new(MemoryStore::with_rows(rows.iter().copied()));
        let metrics = Arc::new(Metrics::new(10, i64::MAX).unwrap());
        let allocation = Allocation::start(settings, store.clone(), metrics.clone(), 2);
        let allocator = allocation.allocator();
        Self {
            store,
            metrics,
            allocation,
            allocator,
        }
    }

    pub(crate) async fn take(&self, tag: &str, count: u32) -> Result<Vec<i64>, AllocError> {
        self.allocator
            .allocate(&BizTag::parse(tag).unwrap(), count)
            .await
            .map(|ids| flat(&ids))
    }

    /// What `/health` says: of few tags at once.
    pub(crate) fn health(&self) -> Result<u64, AllocError> {
        self.allocator.health().now_or_never().unwrap()
    }

    pub(crate) async fn one(&self, tag: &str) -> i64 {
        self.take(tag, 1).await.unwrap()[0]
    }

    /// Takes an id as soon as the tag has one again.
    pub(crate) async fn until_served(&self, tag: &str) {
        let began = Instant::now();
        while let Err(refused) = self.take(tag, 1).await {
            assert!(began.elapsed() < PATIENCE, "{tag}: still {refused:?}");
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the tag's actor tells of itself.
    pub(crate) async fn state(&self, tag: &BizTag) -> TagState {
        let status = self.allocation.tag_state(tag).await.unwrap();
        status.state.unwrap()
    }

    /// As a scrape sees it.
    pub(crate) fn metric(&self, line_start: &str) -> f64 {
        let levels = |visit: &mut dyn FnMut(&BizTag, Level)| self.allocator.levels(visit);
        let text = self.metrics.render(Audience::Operator, levels).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(line_start))
            .map_or(0.0, |value| value.trim().parse().unwrap())
    }
}

pub(crate) fn flat(ids: &Ids) -> Vec<i64> {
    ids.iter().flat_map(IdRange::iter).collect()
}

pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        actix_web::rt::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn transient() -> StoreError {
    StoreError::Transient("the database is down".to_owned())
}

/// Threads that take one id of `a` after the other until they are refused or told to stop.
pub(crate) struct Takers {
    stop: Arc<AtomicBool>,
    threads: Vec<tokio::task::JoinHandle<(Vec<i64>, Option<AllocError>)>>,
}

impl Takers {
    pub(crate) fn start(world: &World, threads: usize) -> Self {
        let started = Arc::new(std::sync::Barrier::new(threads + 1));
        let stop = Arc::new(AtomicBool::new(false));
        let take = || {
            let (allocator, started) = (world.allocator.clone(), started.clone());
            let stop = stop.clone();
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .unwrap();
                started.wait();
                let tag = BizTag::parse("a").unwrap();
                let mut taken = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match runtime.block_on(allocator.allocate(&tag, 1)) {
                        Ok(ids) => taken.extend(flat(&ids)),
                        Err(error) => return (taken, Some(error)),
                    }
                }
                (taken, None)
            })
        };
        let threads = (0..threads).map(|_| take()).collect();
        started.wait();
        Self { stop, threads }
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for all; each must have ended so, and no id may have come twice or to a thread out of order.
    pub(crate) async fn ended(self, expected: Option<AllocError>) -> BTreeSet<i64> {
        let mut seen = BTreeSet::new();
        for thread in self.threads {
            let (ids, error) = thread.await.unwrap();
            assert_eq!(error, expected);
            assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "in order");
            for id in ids {
                assert!(seen.insert(id), "{id} twice");
            }
        }
        seen
    }
}
