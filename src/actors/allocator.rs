//! `Allocator`: what HTTP sees of the actors. Cheap to clone; one serves any number of threads.
//!
//! A request takes its ids from the tag's open range at once: no message, no await, no lock. Only where that holds
//! too little does it wait for the tag's actor, which the registry makes where there is none.

use super::{
    context::ServerContext,
    directory::{Directory, Entry},
    error::AllocError,
    messages::{Ensure, RunsLow, Wait, Wake},
    name_lookup::NameLookup,
    permits::{self, Place},
};
use crate::domain::{BizTag, Demand, Ids, TagName, Take};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The first and the longest pause before a tag's actor that moved or died is looked up again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Hands out ids; see the module's documentation.
#[derive(Clone)]
pub struct Allocator {
    pub(super) server: Arc<ServerContext>,
    pub(super) directory: Arc<Directory>,
}

impl Allocator {
    pub(super) fn new(server: Arc<ServerContext>, directory: Arc<Directory>) -> Self {
        Self { server, directory }
    }

    /// The ids of `tag` that are demanded, ascending, that nobody else gets; a number demands so many.
    ///
    /// Dropping the future gives nothing back: ids allotted to it are a gap.
    ///
    /// # Errors
    /// [`AllocError`], within the request deadline.
    #[inline]
    pub async fn allocate<'a>(
        &self,
        tag: impl Into<TagName<'a>>,
        demand: impl Into<Demand>,
    ) -> Result<Ids, AllocError> {
        let (tag, demand) = (tag.into(), demand.into());
        match self.take_open(tag.as_str(), demand) {
            Some(ids) => Ok(ids),
            None => self.wait(&tag.to_biz_tag(), demand).await,
        }
    }

    /// Those of [`Self::allocate`] that are there at once, from the open range; `None` where it holds too little, or
    /// the tag is not loaded.
    #[inline]
    pub fn take<'a>(&self, tag: impl Into<TagName<'a>>, demand: impl Into<Demand>) -> Option<Ids> {
        self.take_open(tag.into().as_str(), demand.into())
    }

    #[inline]
    fn take_open(&self, tag: &str, demand: Demand) -> Option<Ids> {
        self.directory.with(tag, |entry| {
            let Take::Ids { range, remind } = entry.tag.range.cursor.take(demand.count) else {
                return None;
            };
            if remind {
                self.remind(entry);
            }
            Some(std::iter::once(range).collect())
        })?
    }

    /// Tells the tag's actor that ids were taken up to where it wanted to hear of it.
    #[cold]
    fn remind(&self, entry: &Entry) {
        match &entry.actor {
            Some(actor) => actor.do_send(RunsLow),
            None => {
                let tag = entry.name.clone();
                self.server
                    .tell_registry(|registry| registry.wake.do_send(Wake { tag }));
            }
        }
    }

    /// Asks the tag's actor, and waits for it until the request's deadline.
    #[cold]
    async fn wait(&self, tag: &BizTag, demand: Demand) -> Result<Ids, AllocError> {
        let limits = &self.server.settings.limits;
        let Some(_place) = Place::take(&self.server.waiting, limits.max_waiting) else {
            return Err(AllocError::Overloaded("too many requests wait"));
        };
        let deadline = Instant::now() + limits.request_deadline;
        tokio::select! {
            // Whoever could be served at the last moment is.
            biased;
            answer = self.ask(tag, demand, deadline) => answer,
            () = self.server.closed() => Err(AllocError::ShuttingDown),
            () = tokio::time::sleep_until(deadline.into()) => Err(AllocError::too_late()),
        }
    }

    /// Asks until the tag's actor has answered. Asking again is safe: ids that went to an answer which was lost are
    /// a gap.
    async fn ask(
        &self,
        tag: &BizTag,
        demand: Demand,
        deadline: Instant,
    ) -> Result<Ids, AllocError> {
        let (mut pause, mut newcomer) = (PAUSES.0, None);
        loop {
            if let Some(entry) = self.loaded(tag, &mut newcomer).await? {
                if let Some(ids) = self.take_open(tag.as_str(), demand) {
                    return Ok(ids);
                }
                let limit = self.server.settings.limits.max_waiting_per_tag;
                let Some(_place) = Place::take(&entry.waiting, limit) else {
                    return Err(AllocError::Overloaded(
                        "too many requests wait for this biz_tag",
                    ));
                };
                let (reply, answer) = oneshot::channel();
                let wait = Wait {
                    demand,
                    deadline,
                    reply,
                };
                // A mailbox that takes no more is that of an actor which has not started yet.
                let asked = entry.actor.as_ref().map(|actor| actor.try_send(wait));
                if let Some(Ok(())) = asked {
                    self.server.permits.hurry(tag);
                    // Else it has ended, or it panicked.
                    if let Ok(answer) = answer.await {
                        return answer;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// The tag's actor, which is made where there is none; `None` where that has to be asked again.
    ///
    /// Of new names a few are asked for at once; the caller keeps that `newcomer` place. Others are looked up first,
    /// and so are all that are not loaded while names without a row are asked for: thousands of tags may have been
    /// deleted, and be asked for as before.
    async fn loaded<'a>(
        &'a self,
        tag: &BizTag,
        newcomer: &mut Option<Place<'a>>,
    ) -> Result<Option<Arc<Entry>>, AllocError> {
        let entry = self.directory.get(tag);
        let is_loaded = entry.is_some();
        if let Some(entry) = entry
            && entry.live_actor().is_some()
        {
            return Ok(Some(entry));
        }
        if self.server.unknown.contains(tag) {
            return Err(AllocError::UnknownTag);
        }
        let is_flood = self.server.unknown.are_asked_for();
        let may_have_no_row = is_flood || self.directory.kept_mark(tag) == 0;
        if !is_loaded && may_have_no_row && newcomer.is_none() {
            let at_once = permits::newcomers(self.server.settings.claims());
            if !is_flood {
                *newcomer = Place::take(&self.server.newcomers, at_once);
            }
            if newcomer.is_none() {
                match NameLookup::has_row(&self.server, tag).await {
                    Some(true) => {}
                    Some(false) => return Err(AllocError::UnknownTag),
                    None => return Ok(None),
                }
            }
        }
        let (reply, answer) = oneshot::channel();
        let ensure = Ensure {
            tag: tag.clone(),
            reply,
        };
        // None: supervision is about to make one.
        let Some(registry) = self.server.registry.load_full() else {
            return Ok(None);
        };
        if registry.ensure.try_send(ensure).is_err() {
            return Ok(None);
        }
        match answer.await {
            Ok(made) => made.map(|()| self.directory.get(tag)),
            Err(_) => Ok(None),
        }
    }

    /// The step of the tag's row as last seen; loads the tag where it is not loaded.
    ///
    /// # Errors
    /// As [`Self::allocate`].
    pub async fn step(&self, tag: &TagName<'_>) -> Result<u64, AllocError> {
        let known = || {
            let step = self
                .directory
                .with(tag.as_str(), |entry| entry.row_step())?;
            u64::try_from(step).ok().filter(|step| *step > 0)
        };
        if let Some(step) = known() {
            return Ok(step);
        }
        self.allocate(tag.clone(), 0_u32).await?;
        known().ok_or(AllocError::NoAvailableId(
            "the tag was dropped from memory just now; try again".to_owned(),
        ))
    }

    /// Ids of `tag` in memory, at least one; loads the tag where it is not loaded.
    ///
    /// # Errors
    /// As [`Self::allocate`], and where none is left.
    pub async fn left<'a>(&self, tag: impl Into<TagName<'a>>) -> Result<u64, AllocError> {
        if self.is_draining() {
            return Err(AllocError::ShuttingDown);
        }
        let tag = tag.into();
        self.allocate(tag.clone(), 0_u32).await?;
        let left = self
            .directory
            .with(tag.as_str(), |entry| entry.range.left());
        match left.unwrap_or(0) {
            0 => Err(AllocError::NoAvailableId("none are left".to_owned())),
            left => Ok(left),
        }
    }

    /// The newest id of `tag` that this server has handed out, as far as can be told without taking one: where it
    /// has just turned to another segment, one less than the next id. `None` where it has handed out none lately.
    pub fn newest<'a>(&self, tag: impl Into<TagName<'a>>) -> Option<i64> {
        let newest = |entry: &Entry| {
            let range = &entry.tag.range;
            let used = range.allotted() > 0 && !range.is_revoked();
            used.then(|| range.front().first() - 1)
        };
        self.directory.with(tag.into().as_str(), newest)?
    }

    /// Whether the tag is loaded, or being loaded.
    #[must_use]
    pub fn is_loaded(&self, tag: &str) -> bool {
        self.directory.with(tag, |_| ()).is_some()
    }
}

impl std::fmt::Debug for Allocator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allocator").finish_non_exhaustive()
    }
}
