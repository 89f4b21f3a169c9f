//! `Fleet`: the other servers that share the table, asked for what they tell of themselves.
//!
//! Which there are stands beside the table, where each writes its address; what was read last is kept, so that a dead
//! database hides nobody. They are asked at `GET /admin/v1/server` with the caller's own token, all at once, and answer
//! in time or are said not to (`peers.rs`). Whoever may write beside the table can have that token sent to them; they
//! could change the tags as well. Everything has a limit: servers, time, answers, and rounds, of which there is one at
//! a time and one a second for each token.

use super::{
    figures::{Member, Servers},
    model::Server,
    peers::Peers,
};
use crate::auth::TokenHash;
use crate::storage::{Instance, Neighbour, StoreError, TagAdministration};
use futures_util::future::join_all;
use std::{
    collections::HashSet,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Others that are asked.
const MOST: usize = 32;
/// How often it is read which there are.
const REREAD: Duration = Duration::from_secs(5);
/// How long a caller waits for that, where nothing is known yet.
const FIRST: Duration = Duration::from_secs(2);
/// For so long a round answers whoever comes with the same token.
const KEPT: Duration = Duration::from_millis(900);

/// Which servers there are, as far as is known.
#[derive(Debug, Default)]
struct Known {
    others: Vec<Neighbour>,
    read_at: Option<Instant>,
    /// When it was read, or could not be.
    tried_at: Option<Instant>,
    error: Option<String>,
}

/// What came of the newest round.
#[derive(Debug)]
struct Round {
    token: TokenHash,
    at: Instant,
    members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Fleet {
    me: Instance,
    /// Whether others are asked at all (`admin.address`).
    is_on: bool,
    peers: Peers,
    known: Arc<Mutex<Known>>,
    /// Held by who reads which there are.
    reading: Arc<tokio::sync::Mutex<()>>,
    round: tokio::sync::Mutex<Option<Round>>,
}

impl Fleet {
    pub(super) fn new(me: Instance, is_on: bool, is_tls: bool) -> Self {
        Self {
            me,
            is_on,
            peers: Peers::new(is_tls),
            known: Arc::default(),
            reading: Arc::default(),
            round: tokio::sync::Mutex::new(None),
        }
    }

    /// This server, as it is written down.
    pub(super) fn me(&self) -> &Instance {
        &self.me
    }

    /// All servers: this one, which says `server` of itself, and the others, asked with `token`.
    pub(super) async fn ask_all(
        &self,
        store: &Arc<dyn TagAdministration>,
        token: &str,
        server: Server,
    ) -> Servers {
        let mut own = Member {
            id: self.me.id.clone(),
            name: self.me.name.clone(),
            address: None,
            this: true,
            seen_seconds: None,
            error: None,
            server: Some(server),
        };
        if self.is_on {
            self.read_who_is_there(store).await;
        }
        let (mut others, read, error) = {
            let known = self.known();
            (known.others.clone(), known.read_at, known.error.clone())
        };
        let since = read.map(|at| at.elapsed());
        for other in &mut others {
            other.age += since.unwrap_or_default();
        }
        // Its own row says where others reach it, and whether it is written down.
        let mut all = others.iter();
        let place = all.position(|other| other.instance.id == self.me.id);
        if let Some(row) = place.map(|at| others.remove(at)) {
            own.address = Some(row.address).filter(|address| !address.is_empty());
            own.seen_seconds = Some(row.age.as_secs_f64());
        }
        let (others, left_out) = one_at_each_address(others, own.address.as_deref());
        let asker = TokenHash::of(token);
        let mut round = self.round.lock().await;
        let is_fresh = |round: &&Round| round.token == asker && round.at.elapsed() < KEPT;
        let found = match round.as_ref().filter(is_fresh) {
            Some(round) => round.members.clone(),
            None => {
                let found = join_all(others.into_iter().map(|other| self.ask(other, token))).await;
                *round = Some(Round {
                    token: asker,
                    at: Instant::now(),
                    members: found.clone(),
                });
                found
            }
        };
        Servers {
            servers: iter::once(own).chain(found).collect(),
            left_out,
            listed_seconds: since.map(|since| since.as_secs_f64()),
            error,
        }
    }

    /// Reads which servers there are, beside the caller unless nothing is known yet.
    async fn read_who_is_there(&self, store: &Arc<dyn TagAdministration>) {
        let (is_first, is_due) = {
            let known = self.known();
            let is_due = known.tried_at.is_none_or(|at| at.elapsed() >= REREAD);
            (known.tried_at.is_none(), is_due)
        };
        if !is_due {
            return;
        }
        let Ok(turn) = self.reading.clone().try_lock_owned() else {
            return;
        };
        let (store, known) = (store.clone(), self.known.clone());
        let reading = actix_web::rt::spawn(async move {
            let _turn = turn;
            let found = store.neighbours().await;
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.tried_at = Some(Instant::now());
            match found {
                Ok(others) => {
                    known.others = others;
                    known.read_at = known.tried_at;
                    known.error = None;
                }
                Err(error) => known.error = Some(why(&error)),
            }
        });
        if is_first {
            let _ = tokio::time::timeout(FIRST, reading).await;
        }
    }

    async fn ask(&self, other: Neighbour, token: &str) -> Member {
        let found = self.peers.ask(other.address.clone(), token).await;
        let found = found.and_then(|server| match server.id == other.instance.id {
            true => Ok(server),
            // An address such as 127.0.0.1 leads elsewhere from here, or the server was started anew.
            false => Err(match server.id == self.me.id {
                true => "its address leads back to this server: set admin.address".to_owned(),
                false => "another server answers at its address".to_owned(),
            }),
        });
        let (server, error) = match found {
            Ok(server) => (Some(server), None),
            Err(error) => (None, Some(error)),
        };
        Member {
            id: other.instance.id,
            name: other.instance.name,
            address: Some(other.address).filter(|address| !address.is_empty()),
            this: false,
            seen_seconds: Some(other.age.as_secs_f64()),
            error,
            server,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that was killed and started anew stands there twice: the one seen last counts. At most [`MOST`], in order of
/// their addresses, and how many more there are.
fn one_at_each_address(seen: Vec<Neighbour>, own: Option<&str>) -> (Vec<Neighbour>, usize) {
    let mut addresses: HashSet<String> = own.map(str::to_owned).into_iter().collect();
    let mut others: Vec<Neighbour> = seen
        .into_iter()
        .filter(|other| other.address.is_empty() || addresses.insert(other.address.clone()))
        .collect();
    let left_out = others.len().saturating_sub(MOST);
    others.truncate(MOST);
    others.sort_by(|a, b| (&a.address, &a.instance.name).cmp(&(&b.address, &b.instance.name)));
    (others, left_out)
}

/// Why it cannot be read which servers there are.
fn why(error: &StoreError) -> String {
    match error {
        StoreError::Unusable(_) => format!("{error} (run `id-alloc migrate up`)"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: &str, address: &str) -> Neighbour {
        Neighbour {
            instance: Instance {
                id: id.to_owned(),
                name: "m:1".to_owned(),
                version: "1".to_owned(),
            },
            address: address.to_owned(),
            age: Duration::ZERO,
        }
    }

    #[test]
    fn one_started_anew_is_one_server_and_too_many_are_counted() {
        let all = vec![
            seen("new", "http://b"),
            seen("old", "http://b"),
            seen("x", "http://a"),
        ];
        let (others, left_out) = one_at_each_address(all, Some("http://a"));
        let ids: Vec<&str> = others.iter().map(|other| &*other.instance.id).collect();
        assert_eq!((ids, left_out), (vec!["new"], 0));
        let many = (0..40)
            .map(|at| seen("x", &format!("http://{at}")))
            .collect();
        let (others, left_out) = one_at_each_address(many, None);
        assert_eq!((others.len(), left_out), (MOST, 8));
    }
}
