//! `NewTags`: makes tags as they are asked for, where a protocol's callers expect that. Promises: one that was deleted
//! stays deleted; one statement at a time asks the store; and what it leaves behind there is bounded, a burst and then
//! one a second.

use super::protocol::NewTag;
use crate::{
    actors::{AllocError, Allocation},
    config::Config,
    domain::BizTag,
    http::{codes::Kind, refusal::Refused},
    storage::{self, StoreError, TagAdministration},
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// So many at once, as when all applications of a company are moved.
const BURST: u32 = 1000;

/// Then one in this time.
const PACE: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub struct NewTags {
    store: Arc<dyn TagAdministration>,
    allocation: Allocation,
    /// When all that was made is paid for. Held by who makes one.
    paid: Mutex<Instant>,
    /// The longest a caller waits for its turn.
    patience: Duration,
    max_step: i64,
}

impl NewTags {
    /// In the table that `store` looks after, for this server's actors.
    #[must_use]
    pub fn new(config: &Config, store: Arc<dyn TagAdministration>, allocation: Allocation) -> Self {
        Self {
            store,
            allocation,
            paid: Mutex::new(Instant::now()),
            patience: config.limits.request_deadline,
            max_step: config.allocation.max_step,
        }
    }

    /// Makes `tag`, unless another has done so meanwhile.
    pub(super) async fn make(&self, tag: &BizTag, new: NewTag) -> Result<(), Refused> {
        let turn = tokio::time::timeout(self.patience, self.paid.lock()).await;
        let busy = AllocError::Overloaded("many tags are being created");
        let mut paid = turn.map_err(|_| busy)?;
        match self.store.show(tag).await {
            // An operator deleted it: whoever calls cannot know better.
            Ok(row) if row.retired => return Err(AllocError::UnknownTag.into()),
            Ok(_) => {}
            Err(StoreError::UnknownTag) => {
                if !allows(&mut paid, Instant::now()) {
                    return Err(AllocError::Overloaded(
                        "too many tags were created by being asked for; create them with `id-alloc tag create`",
                    )
                    .into());
                }
                self.create(tag, new).await?;
            }
            Err(error) => return Err(AllocError::from(error).into()),
        }
        self.allocation.tag_created(tag);
        Ok(())
    }

    async fn create(&self, tag: &BizTag, new: NewTag) -> Result<(), Refused> {
        let row = storage::NewTag {
            tag: tag.clone(),
            start: new.start,
            step: new.step.min(self.max_step),
            description: String::new(),
            id_limit: None,
        };
        match self.store.create(&row).await {
            Ok(()) => {
                tracing::info!(biz_tag = %tag, start = row.start, step = row.step, "a tag was created, as it was asked for");
                Ok(())
            }
            Err(StoreError::Exists(_)) => Ok(()),
            // Such as a name that is longer than the column.
            Err(StoreError::Rejected(reason)) => {
                Err(Refused::Because(Kind::InvalidBizTag, reason.into()))
            }
            Err(error) => Err(AllocError::from(error).into()),
        }
    }
}

impl fmt::Debug for NewTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTags").finish_non_exhaustive()
    }
}

/// Whether one more tag may be made: a leaky bucket. `paid`: when all that was made is paid for.
fn allows(paid: &mut Instant, now: Instant) -> bool {
    let next = (*paid).max(now) + PACE;
    let is_within = next <= now + PACE * BURST;
    if is_within {
        *paid = next;
    }
    is_within
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_one_a_second() {
        let start = Instant::now();
        let mut paid = start;
        let mut made = |after| {
            let now = start + Duration::from_secs(after);
            (0..2 * BURST).filter(|_| allows(&mut paid, now)).count()
        };
        assert_eq!([made(0), made(3), made(5000)], [1000, 3, 1000]);
    }
}
