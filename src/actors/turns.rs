//! `Turns`: work per tag that each caller wants done for itself, as a page of a list. It is done on a thread of its own,
//! one after the other, with a rest in between: who asks for pages on and on takes no time from those who take ids.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// A rest is so many times as long as the work before it: a quarter of one core goes into it at most.
const TIMES: u32 = 3;

/// A rest is no longer than this.
const LONGEST: Duration = Duration::from_secs(1);

/// See the module's documentation. It holds when the next work may begin.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Mutex<Option<Instant>>>);

impl Turns {
    /// Does the work when its turn comes; `None` where it panicked.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let mut next = self.0.clone().lock_owned().await;
        if let Some(next) = *next {
            tokio::time::sleep_until(next.into()).await;
        }
        // The thread holds the lock, so that work whose caller has gone is not joined by another.
        let working = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let done = work();
            *next = Some(Instant::now() + (began.elapsed() * TIMES).min(LONGEST));
            done
        });
        working.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn who_asks_at_once_is_served_in_turn_and_who_panics_holds_up_nobody() {
        let (turns, working) = (Turns::default(), Arc::new(AtomicUsize::new(0)));
        assert_eq!(turns.take(|| panic!("on purpose")).await, None::<()>);
        let ask = |number: usize| {
            let working = working.clone();
            turns.take(move || {
                assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                std::thread::yield_now();
                working.fetch_sub(1, Ordering::SeqCst);
                number
            })
        };
        let done = join_all((0..8).map(ask)).await;
        assert_eq!(done, (0..8).map(Some).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn whose_caller_has_gone_is_not_joined_by_another() {
        let turns = Turns::default();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let (began, begins) = std::sync::mpsc::channel::<()>();
        let first = turns.take(move || {
            let _ = began.send(());
            let _ = wait.recv();
        });
        let mut first = Box::pin(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        begins.recv().unwrap();
        drop(first);
        let mut second = Box::pin(turns.take(|| ()));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(go_on);
        assert_eq!(second.await, Some(()));
    }
}
