//! `tag advance --drop-buffers`: every server throws away what it has of tags in memory, and who has not is named.

use super::{Exit, output::note};
use crate::{
    domain::BizTag,
    storage::{ServerRecord, StoreError, sql::SqlStore},
};
use std::time::{Duration, Instant};

/// How often it is looked who has confirmed.
const LOOK: Duration = Duration::from_millis(250);
/// A server that has just started writes itself down within this time.
const NEWCOMERS: Duration = Duration::from_secs(3);
/// A server that runs writes itself down more often.
const ALIVE: Duration = Duration::from_secs(30);

/// Who has thrown it away, and who has not.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) by: Vec<String>,
    pub(super) not_by: Vec<String>,
}

/// Asks for it and waits until all have, at most so long.
pub(super) async fn run(
    store: &SqlStore,
    tags: &[BizTag],
    wait: Duration,
) -> Result<Dropped, StoreError> {
    let mut number = 0;
    for tag in tags {
        number = store.ask_to_drop(tag).await?.max(number);
    }
    let asked = Instant::now();
    loop {
        let servers = store.servers().await?;
        let is_done = |server: &&ServerRecord| server.dropped >= number;
        let (done, others): (Vec<_>, Vec<_>) = servers.iter().partition(is_done);
        if (others.is_empty() && asked.elapsed() >= NEWCOMERS) || asked.elapsed() >= wait {
            return Ok(Dropped {
                by: done
                    .into_iter()
                    .map(|server| server.instance.name.clone())
                    .collect(),
                not_by: others.into_iter().map(described).collect(),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn described(server: &ServerRecord) -> String {
    let (name, age) = (&server.instance.name, server.age);
    match age >= ALIVE {
        true => format!(
            "{name}, seen {} s ago: dead, or cut off from the database with ids in memory",
            age.as_secs()
        ),
        false => format!("{name}, which runs"),
    }
}

/// Says who has, and fails where somebody has not.
pub(super) fn tell(dropped: &Dropped) -> Result<(), Exit> {
    match dropped.by.as_slice() {
        [] if dropped.not_by.is_empty() => note(
            "no server is written down beside the table (those of earlier versions, and go-id-alloc, never are)",
        ),
        by => note(&format!("dropped by {}: {}", by.len(), by.join(", "))),
    }
    match dropped.not_by.as_slice() {
        [] => Ok(()),
        not_by => Err(Exit::unavailable(format!(
            "not dropped by {}: {}. Make sure that it does not run any more, or stop it, and repeat this",
            not_by.len(),
            not_by.join("; ")
        ))),
    }
}
