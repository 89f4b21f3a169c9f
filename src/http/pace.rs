//! `Pace`: those who poll health and metrics get a turn every few milliseconds, together. Who polls once a second is
//! answered at once; who polls without a pause takes no time from those who take ids. `Rests`: the same for what asks
//! the database.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};

/// From one turn to the next.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Pace {
    began: Instant,
    /// When somebody was answered last, in milliseconds since then.
    newest: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            newest: AtomicU64::new(0),
        }
    }
}

impl Pace {
    pub(super) async fn turn(&self) {
        let next = Duration::from_millis(self.newest.load(Ordering::Relaxed)) + PAUSE;
        if self.began.elapsed() < next {
            tokio::time::sleep_until(self.began + next).await;
        }
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.newest.fetch_max(now, Ordering::Relaxed);
    }
}

/// A rest is so many times as long as the work before it: the database spends a tenth of its time on it at most.
const TIMES: u32 = 9;

/// A rest is no longer than this.
const LONGEST: Duration = Duration::from_secs(1);

/// Work that is done one after the other, with a rest in between. It holds when the next may begin.
#[derive(Debug, Default)]
pub(super) struct Rests(Mutex<Option<Instant>>);

/// Work under way; what follows it rests once this is dropped.
#[derive(Debug)]
pub(super) struct Working<'a> {
    next: MutexGuard<'a, Option<Instant>>,
    began: Instant,
}

impl Rests {
    /// Waits for its turn.
    pub(super) async fn turn(&self) -> Working<'_> {
        let next = self.0.lock().await;
        if let Some(next) = *next {
            tokio::time::sleep_until(next).await;
        }
        let began = Instant::now();
        Working { next, began }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let rest = (self.began.elapsed() * TIMES).min(LONGEST);
        *self.next = Some(Instant::now() + rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    #[tokio::test(start_paused = true)]
    async fn who_polls_seldom_does_not_wait_and_who_polls_on_and_on_waits_for_the_next_turn() {
        let pace = Pace::default();
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            tokio::time::sleep(second).await;
            let asked = Instant::now();
            pace.turn().await;
            assert_eq!(asked.elapsed(), Duration::ZERO);
        }
        let began = Instant::now();
        let poll = || async {
            let mut turns = 0;
            while began.elapsed() < second {
                pace.turn().await;
                turns += 1;
            }
            turns
        };
        // All of them have the same turns.
        for turns in join_all((0..4).map(|_| poll())).await {
            assert!((80..=101).contains(&turns), "{turns}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_of_many_who_ask_on_and_on_takes_a_tenth_of_the_time() {
        let rests = Rests::default();
        let began = Instant::now();
        let first = rests.turn().await;
        assert_eq!(
            began.elapsed(),
            Duration::ZERO,
            "who comes first does not wait"
        );
        drop(first);
        let ask = || async {
            let _working = rests.turn().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let began = Instant::now();
        join_all((0..10).map(|_| ask())).await;
        assert!(began.elapsed() >= Duration::from_millis(20 + 9 * 200));
        // A long one does not hold up the next for long.
        let working = rests.turn().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(working);
        let ended = Instant::now();
        drop(rests.turn().await);
        assert!(ended.elapsed() <= LONGEST + Duration::from_millis(1));
    }
}
