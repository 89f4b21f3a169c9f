//! What the admin API works on.

use super::{fleet::Fleet, recent::Recent};
use crate::{
    actors::Allocation,
    auth::{AdminToken, AllocToken, Tokens},
    http::{
        pace::{Rests, Working},
        refusal::Refused,
        shared::Shared,
    },
    storage::{Instance, TagAdministration},
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What the admin API works on.
pub struct Admin {
    pub(super) store: Arc<dyn TagAdministration>,
    /// What this server has in memory.
    pub(in crate::http) allocation: Allocation,
    pub(super) tokens: Arc<Tokens<AdminToken>>,
    /// Who may take ids, where that is asked.
    pub(super) alloc_tokens: Option<Arc<Tokens<AllocToken>>>,
    pub(super) shared: Arc<Shared>,
    pub(super) fleet: Fleet,
    pub(super) recent: Recent,
    /// Few change tags at once, so that claims hardly wait behind administrators.
    pub(super) turns: Semaphore,
    /// Who reads tags from the store on and on takes little of its time.
    pub(super) reads: Rests,
}

/// Calls that change tags at once; one more may read.
const TURNS: usize = 2;

/// How long a call waits for its turn at the store.
const PATIENCE: Duration = Duration::from_secs(5);

impl Admin {
    /// For those who have one of the tokens.
    #[must_use]
    pub fn new(
        store: Arc<dyn TagAdministration>,
        allocation: Allocation,
        tokens: Arc<Tokens<AdminToken>>,
        alloc_tokens: Option<Arc<Tokens<AllocToken>>>,
        shared: Arc<Shared>,
        me: Instance,
        knows_others: bool,
    ) -> Self {
        Self {
            fleet: Fleet::new(me, knows_others, shared.server.tls.is_on()),
            recent: Recent::default(),
            store,
            allocation,
            tokens,
            alloc_tokens,
            shared,
            turns: Semaphore::new(TURNS),
            reads: Rests::default(),
        }
    }

    /// Notes what happens on this server, on and on.
    pub async fn watch(&self) {
        self.recent
            .watch(&self.shared.metrics, &self.allocation)
            .await;
    }

    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Refused> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(Refused::Busy)
    }

    /// The turn of a call that only reads: one at a time.
    pub(super) async fn reading(&self) -> Result<Working<'_>, Refused> {
        let turn = tokio::time::timeout(PATIENCE, self.reads.turn()).await;
        turn.map_err(|_| Refused::Busy)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}
