//! `Client`: the tags of one configuration, and their common end.

use crate::{Builder, Tag, core::Core, state::TagState};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Hands out ids of any number of tags. Make one per process, for all threads and tasks. A clone is the same client; once
/// the last clone and the last [`Tag`] are gone, what still runs in the background ends as by [`close`](Self::close).
#[derive(Clone)]
pub struct Client {
    alive: Arc<Alive>,
}

/// What the user's handles hold, and tasks do not: with the last handle the client closes.
pub(crate) struct Alive {
    core: Arc<Core>,
    /// Says true once the client is closed. Each fetch on its way holds a receiver until it has ended.
    closing: Arc<watch::Sender<bool>>,
    tags: Mutex<Tags>,
}

#[derive(Default)]
struct Tags {
    by_name: HashMap<String, Arc<TagState>>,
    is_closed: bool,
}

impl Client {
    /// Options of a new client.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(core: Core) -> Self {
        Self {
            alive: Arc::new(Alive {
                core: Arc::new(core),
                closing: Arc::new(watch::Sender::new(false)),
                tags: Mutex::default(),
            }),
        }
    }

    /// The handle of a tag. Handles of the same tag share their ranges; keep one, or ask for it each time, which costs a
    /// look into a table.
    #[must_use]
    pub fn tag(&self, name: &str) -> Tag {
        let mut tags = self.alive.tags();
        let state = match tags.by_name.get(name) {
            Some(state) => Arc::clone(state),
            None => {
                let (core, closing) = (&self.alive.core, &self.alive.closing);
                let state = Arc::new(TagState::new(name, Arc::clone(core), Arc::clone(closing)));
                if tags.is_closed {
                    state.close();
                }
                tags.by_name.insert(name.to_owned(), Arc::clone(&state));
                state
            }
        };
        Tag::new(state, Arc::clone(&self.alive))
    }

    /// Ends those who wait with [`IdAllocError::Closed`](crate::IdAllocError::Closed), cancels requests on their way, and waits until that has happened.
    /// Ids in memory are dropped. It may be called again.
    pub async fn close(&self) {
        self.alive.close();
        self.alive.closing.closed().await;
    }
}

impl Alive {
    fn tags(&self) -> MutexGuard<'_, Tags> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut tags = self.tags();
        tags.is_closed = true;
        for state in tags.by_name.values() {
            state.close();
        }
        drop(tags);
        self.closing.send_replace(true);
        for server in &*self.core.servers {
            server.disconnect();
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.alive.core.servers.iter().map(|s| &s.name).collect();
        f.debug_struct("Client")
            .field("servers", &servers)
            .finish_non_exhaustive()
    }
}
