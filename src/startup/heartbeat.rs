//! What a server writes beside the table while it runs: the heartbeat (`docs/guard.md`), and that it is there.

use crate::actors::Allocation;
use crate::storage::{Instance, StoreError, Unusable, sql::SqlStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the heartbeat is renewed. Another server may have been first; then nothing is written.
const EVERY: Duration = Duration::from_secs(2);
/// A server writes itself down with each so many beats.
const BEATS: u32 = 5;
/// A request to drop what is in memory that is older was made before any server of today started.
const OLD: Duration = Duration::from_secs(3600);
/// What is written down at the end may take so long.
const GOODBYE: Duration = Duration::from_secs(2);

/// Both, until it is aborted; and where others reach it, which may take a moment to find out. A failure is no news:
/// claims fail for the same reason, and say so.
pub(super) async fn keep(
    store: Arc<SqlStore>,
    me: Instance,
    allocation: Allocation,
    address: impl Future<Output = String>,
) {
    let address = address.await;
    let (mut dropped, mut is_noted) = (0, false);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for beat in 0_u32.. {
        ticks.tick().await;
        if let Err(error) = store.beat().await {
            tracing::debug!(%error, "the heartbeat was not renewed");
        }
        let done = drop_what_is_asked(&store, &allocation, dropped).await;
        is_noted &= done == dropped && beat % BEATS != 0;
        dropped = done;
        if !is_noted {
            let noted = store.note_server(&me, dropped).await;
            is_noted = noted.is_ok() || dropped == 0;
            let noted = match noted {
                Ok(()) => store.note_address(&me, &address).await,
                failed => failed,
            };
            if let Err(error) = noted {
                tell(&store, &error, beat);
            }
        }
    }
}

/// Throws away what this server is asked to since request `done`, and returns the newest that is carried out.
async fn drop_what_is_asked(store: &SqlStore, allocation: &Allocation, mut done: i64) -> i64 {
    let asked = match store.drops(done).await {
        Ok(asked) => asked,
        Err(error) => {
            tracing::debug!(%error, "what is to be dropped from memory was not read");
            return done;
        }
    };
    for request in asked {
        if let Some(tag) = request.tag.filter(|_| request.age < OLD) {
            if !allocation.drop_ids(&tag).await {
                tracing::warn!(biz_tag = %tag, "the ids in memory could not be dropped yet");
                return done;
            }
            tracing::info!(biz_tag = %tag, "the ids in memory were dropped, as was asked for");
        }
        done = request.number;
    }
    done
}

/// Nothing that keeps ids unique depends on it.
fn tell(store: &SqlStore, error: &StoreError, beat: u32) {
    match error {
        StoreError::Unusable(Unusable::AccessDenied(_)) if beat == 0 => tracing::warn!(
            %error,
            "this server cannot write itself down, so `doctor` does not know of it: grant SELECT, INSERT and UPDATE on {}",
            store.names_beside(&["servers", "drops"])
        ),
        _ => tracing::debug!(%error, "this server was not written down"),
    }
}

/// Takes the server out, where the database answers.
pub(super) async fn goodbye(store: &SqlStore, me: &Instance) {
    let gone = tokio::time::timeout(GOODBYE, store.forget_server(me)).await;
    if let Ok(Err(error)) = gone {
        tracing::debug!(%error, "this server was not taken out");
    }
}

/// This process, as it is written down: a new one at each start.
pub(super) fn myself(host: &str, port: u16) -> Instance {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = match machine.trim() {
        "" => host,
        name => name,
    };
    Instance {
        id: format!("{:032x}", fastrand::u128(..)),
        name: format!("{machine}:{port}").chars().take(255).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
